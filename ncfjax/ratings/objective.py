"""What is minimised: half the squared error of all ratings that are there, and a penalty on vectors and biases.

    J(theta, X) = 1/2 sum over (i, j) with r(i, j) = 1 of (b + b_j + b_i + theta_j' x_i - y(i, j))^2
                + 1/2 sum_j n_j^nu (lambda |theta_j|^2 + mu b_j^2)
                + 1/2 sum_i n_i^nu (lambda |x_i|^2     + mu b_i^2)

n_j and n_i are the numbers of ratings of a user and of an item. nu = 0 is the plain penalty; nu = 1 is one penalty for
each rating (Zhou et al., "Large-scale parallel collaborative filtering for the Netflix Prize", AAIM 2008,
doi:10.1007/978-3-540-68880-8_32), under which one lambda fits rows of few and of many ratings. mu = 0 where b_j is the
weight of x_i0 = 1, which pays no penalty.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ncfjax.data.ratings import Ratings
from ncfjax.ratings.model import RatingModel, predictions


class Penalty(NamedTuple):
    """Traced scalars."""

    regularization: Float[Array, ""] | float  # lambda
    bias_regularization: Float[Array, ""] | float  # mu
    nu: Float[Array, ""] | float


class RatedPairs(NamedTuple):
    """The pairs with r(i, j) = 1, on the device."""

    users: Int[Array, " ratings"]
    items: Int[Array, " ratings"]
    values: Float[Array, " ratings"]

    @classmethod
    def of(cls, train: Ratings) -> "RatedPairs":
        return cls(*map(jnp.asarray, (train.users, train.items, train.values)))


@jax.jit
def objective(model: RatingModel, pairs: RatedPairs, penalty: Penalty) -> Float[Array, ""]:
    """J."""
    error = predictions(model, pairs.users, pairs.items) - pairs.values
    users = _penalty(model.theta, model.user_bias, jnp.bincount(pairs.users, length=len(model.theta)), penalty)
    items = _penalty(model.x, model.item_bias, jnp.bincount(pairs.items, length=len(model.x)), penalty)
    return 0.5 * (jnp.sum(error**2) + users + items)


def _penalty(vectors, biases, counts: Int[Array, " rows"], penalty: Penalty) -> Float[Array, ""]:
    of_row = penalty.regularization * jnp.sum(vectors**2, axis=1) + penalty.bias_regularization * biases**2
    return jnp.sum(counts**penalty.nu * of_row)
