"""Content-based filtering: every item's features are given, what each user makes of them is learned.

    minimise over theta   1/2 sum_j sum over i: r(i,j)=1 of (theta_j' x_i - y(i, j))^2
                          + lambda/2 sum_j n_j^nu sum_{k=1..d} theta_jk^2

x_i0 = 1 is no part of the features here: its weight theta_j0, which pays no penalty, is the model's b_j. An item
without ratings is predicted like any other; a user without ratings is at theta_j = 0.
"""

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from ncfjax.baselines.least_squares import on_one_device, single_threaded_lapack
from ncfjax.data.ratings import Ratings
from ncfjax.ratings.descent import descend
from ncfjax.ratings.exact import learn_users, make_users
from ncfjax.ratings.model import RatingModel
from ncfjax.ratings.objective import Penalty, RatedPairs


def fit_content_based(
    train: Ratings, features: Float[np.ndarray, "items d"], *, regularization: float, nu: float
) -> RatingModel:
    """In closed form: ridge regression, of all users at once.

    Raises:
        ValueError: features that are not finite, or not of all items; a penalty that is not positive.
    """
    start = _of_features(train, features)
    if not regularization > 0:
        raise ValueError(f"regularization: expected a number > 0, got {regularization}")
    users = make_users(train, features.shape[1] + 1)
    with single_threaded_lapack():
        return on_one_device(learn_users(start, users, Penalty(regularization, 0.0, nu), biases=True))


def descend_content_based(
    train: Ratings,
    features: Float[np.ndarray, "items d"],
    *,
    regularization: float,
    nu: float,
    optimizer: optax.GradientTransformation,
    num_steps: int,
) -> tuple[RatingModel, Float[Array, " steps"]]:
    """By gradient, from theta = 0; with the objective before every step."""
    penalty = Penalty(regularization, 0.0, nu)
    return descend(_of_features(train, features), ("theta", "user_bias"), RatedPairs.of(train), penalty,
                   optimizer=optimizer, num_steps=num_steps)  # fmt: skip


def _of_features(train: Ratings, features: Float[np.ndarray, "items d"]) -> RatingModel:
    """theta = 0."""
    if len(features) != train.num_items or not np.isfinite(features).all():
        raise ValueError(f"features: expected finite rows of {train.num_items} items, got shape {features.shape}")
    x = jnp.asarray(features, jnp.float32)
    no_bias, theta = jnp.zeros(train.num_items), jnp.zeros((train.num_users, x.shape[1]))
    return RatingModel(jnp.zeros(()), jnp.zeros(train.num_users), no_bias, theta, x)
