"""A factorization whose item vectors are a linear function of the items' features and a free part.

    x_i = W' f_i + v_i           f_i: features of item i, the first of them 1; x_i includes the item's bias
    minimise   1/2 sum over rated (i, j) of (b + b_j + b_i + theta_j' x_i - y(i, j))^2
               + 1/2 sum_j n_j^nu (lambda |theta_j|^2 + mu b_j^2) + 1/2 sum_i n_i^nu (lambda |v_i|^2 + mu v_i,bias^2)
               + kappa/2 |W|^2

by turns, each exact: theta given X; X given theta and W, which is drawn to W' f_i in place of zero; W given X, a ridge
regression of the items' vectors on their features. An item without ratings is at W' f_i: that is how one that nobody
has rated is told from another.

The prior means are those of Agarwal and Chen, "Regression-based latent factor models", KDD 2009,
doi:10.1145/1557019.1557029; here for items alone.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from ncfjax.baselines.least_squares import on_one_device, sharding, single_threaded_lapack
from ncfjax.data.ratings import Ratings
from ncfjax.models.products import matrix_product
from ncfjax.ratings.exact import learn_items, learn_users, make_items, make_users
from ncfjax.ratings.factorization import draw_model
from ncfjax.ratings.model import RatingModel
from ncfjax.ratings.objective import Penalty


def fit_hybrid(train: Ratings, features: Float[np.ndarray, "items d"], **options) -> RatingModel:
    """The model after the last of `hybrid_iterations`, which tells the options."""
    for model in hybrid_iterations(train, features, **options):  # noqa: B007
        pass
    return model


def hybrid_iterations(
    train: Ratings,
    features: Float[np.ndarray, "items d"],
    *,
    embedding_dim: int,
    regularization: float,
    bias_regularization: float,
    feature_regularization: float,
    nu: float,
    stddev: float,
    num_iterations: int,
    seed: int,
) -> Iterator[RatingModel]:
    """The model after every iteration. `features` without the first, which is added here; the last penalty is kappa.

    Raises:
        ValueError: no rating, features that are not finite or not of all items, sizes and penalties that are not
            positive. At the call.
    """
    if len(features) != train.num_items or not np.isfinite(features).all():
        raise ValueError(f"features: expected finite rows of {train.num_items} items, got shape {features.shape}")
    if num_iterations < 1:
        raise ValueError(f"num_iterations: expected at least 1, got {num_iterations}")
    for name, value in (
        ("regularization", regularization),
        ("bias_regularization", bias_regularization),
        ("feature_regularization", feature_regularization),
    ):
        if not value > 0:
            raise ValueError(f"{name}: expected a number > 0, got {value}")
    start = draw_model(train, embedding_dim=embedding_dim, biases=True, stddev=stddev, seed=seed)
    with_one = np.column_stack([np.ones(len(features)), features]).astype(np.float32)
    penalty = Penalty(regularization, bias_regularization, nu)
    return _iterations(train, with_one, start, penalty, feature_regularization, num_iterations)


def _iterations(train: Ratings, features, model: RatingModel, penalty: Penalty, kappa: float, num_iterations: int):
    """The generator behind `hybrid_iterations`, which checks its arguments before the first model is asked for."""
    dim = model.theta.shape[1] + 1
    users, items = make_users(train, dim), make_items(train, dim)
    model, features = jax.device_put((model, features), sharding())
    for _ in range(num_iterations):
        with single_threaded_lapack():
            model = learn_users(model, users, penalty, biases=True)
            prior = from_features(model, features, items.counts, penalty, kappa)
            model = jax.block_until_ready(learn_items(model, items, penalty, biases=True, prior=prior))
        yield on_one_device(model)


@jax.jit
def from_features(
    model: RatingModel,
    features: Float[Array, "items d"],
    counts: Shaped[Array, " items"],
    penalty: Penalty,
    kappa: Float[Array, ""] | float,
) -> Float[Array, "items dim"]:
    """W' f_i of every item, x_i and its bias, with the W that is best given X.

    W = (F' D F + kappa I)^-1 F' D X, with D the items' penalties on what is not from features; biases have their own D.
    """
    per_item = counts**penalty.nu

    def regress(vectors: Float[Array, "items entries"], strength: Float[Array, " items"]):
        weighted = strength[:, None] * features
        left = matrix_product(features.T, weighted) + kappa * jnp.eye(features.shape[1])
        return matrix_product(features, jnp.linalg.solve(left, matrix_product(weighted.T, vectors)))

    # Two systems, one after the other: a stack of them may wait for threads without end, see `solve_systems`.
    x = regress(model.x, penalty.regularization * per_item)
    bias = regress(model.item_bias[:, None], penalty.bias_regularization * per_item)
    return jnp.concatenate([x, bias], axis=1)
