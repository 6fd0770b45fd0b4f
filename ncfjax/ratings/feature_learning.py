"""Feature learning: what each user makes of features is given, the features of every item are learned.

    minimise over X   1/2 sum_i sum over j: r(i,j)=1 of (theta_j' x_i - y(i, j))^2
                      + lambda/2 sum_i n_i^nu sum_{k=1..d} x_ik^2

x_i0 = 1 is fixed: theta_j0 is an offset of the user's ratings. An item without ratings has no features: x_i = 0.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ncfjax.baselines.least_squares import on_one_device, single_threaded_lapack
from ncfjax.data.ratings import Ratings
from ncfjax.ratings.exact import learn_items, make_items
from ncfjax.ratings.model import RatingModel
from ncfjax.ratings.objective import Penalty


def fit_feature_learning(
    train: Ratings, theta: Float[np.ndarray, "users entries"], *, regularization: float, nu: float
) -> RatingModel:
    """In closed form, all items at once; `theta` holds theta_0, then theta_1 to theta_d.

    Raises:
        ValueError: vectors that are not finite, or not of all users; a penalty that is not positive.
    """
    if len(theta) != train.num_users or not np.isfinite(theta).all():
        raise ValueError(f"theta: expected finite rows of {train.num_users} users, got shape {theta.shape}")
    if not regularization > 0:
        raise ValueError(f"regularization: expected a number > 0, got {regularization}")
    theta = jnp.asarray(theta, jnp.float32)
    dim = theta.shape[1] - 1
    no_bias, x = jnp.zeros(train.num_items), jnp.zeros((train.num_items, dim))
    start = RatingModel(jnp.zeros(()), theta[:, 0], no_bias, theta[:, 1:], x)
    penalty = Penalty(regularization, 0.0, nu)
    with single_threaded_lapack():
        return on_one_device(learn_items(start, make_items(train, dim), penalty, biases=False))
