"""Collaborative filtering by turns: a random start, then theta given X, X given theta, theta, X, ... Y = X theta'.

    theta <- argmin over theta of J(theta, X)
    X     <- argmin over X of J(theta, X)                                  J: objective.py

Each half is exact (exact.py), so that J never rises.
"""

from collections.abc import Iterator
from functools import partial

import jax

from ncfjax.baselines.least_squares import Side, on_one_device, sharding, single_threaded_lapack
from ncfjax.data.ratings import Ratings
from ncfjax.ratings.exact import learn_items, learn_users, make_items, make_users
from ncfjax.ratings.factorization import draw_model
from ncfjax.ratings.model import RatingModel
from ncfjax.ratings.objective import Penalty


def fit_alternating(train: Ratings, **options) -> RatingModel:
    """The model after the last of `alternating_iterations`, which tells the options."""
    for model in alternating_iterations(train, **options):  # noqa: B007
        pass
    return model


def alternating_iterations(
    train: Ratings,
    *,
    embedding_dim: int,
    biases: bool,
    regularization: float,
    bias_regularization: float,
    nu: float,
    stddev: float,
    num_iterations: int,
    seed: int,
) -> Iterator[RatingModel]:
    """The model after every iteration, which learns theta, then X.

    Without `biases` it is the report's: no b, no b_j, no b_i. With them b is the mean of the ratings, and
    `embedding_dim` includes the bias.

    Raises:
        ValueError: no rating, sizes and penalties that are not positive. At the call.
    """
    if num_iterations < 1:
        raise ValueError(f"num_iterations: expected at least 1, got {num_iterations}")
    for name, value in (("regularization", regularization), ("bias_regularization", bias_regularization)):
        if not (value > 0 or (name == "bias_regularization" and not biases)):
            raise ValueError(f"{name}: expected a number > 0, got {value}")
    start = draw_model(train, embedding_dim=embedding_dim, biases=biases, stddev=stddev, seed=seed)
    return _iterations(train, start, Penalty(regularization, bias_regularization, nu), biases, num_iterations)


def _iterations(train: Ratings, model: RatingModel, penalty: Penalty, biases: bool, num_iterations: int):
    """The generator behind `alternating_iterations`, which checks its arguments before the first model is asked for."""
    dim = model.theta.shape[1] + biases
    users, items = make_users(train, dim), make_items(train, dim)
    model = jax.device_put(model, sharding())  # where an iteration leaves it: else the second one compiles again
    for _ in range(num_iterations):
        with single_threaded_lapack():
            model = jax.block_until_ready(iteration(model, users, items, penalty, biases=biases))
        yield on_one_device(model)


@partial(jax.jit, static_argnames="biases")
def iteration(model: RatingModel, users: Side, items: Side, penalty: Penalty, *, biases: bool) -> RatingModel:
    """theta given X, then X given that theta."""
    model = learn_users(model, users, penalty, biases=biases)
    return learn_items(model, items, penalty, biases=biases)
