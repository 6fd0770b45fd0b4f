"""Where a factorization starts: vectors drawn at random, biases at zero. Alternating and joint learning share it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ncfjax.data.ratings import Ratings
from ncfjax.ratings.model import RatingModel


def draw_model(train: Ratings, *, embedding_dim: int, biases: bool, stddev: float, seed: int) -> RatingModel:
    """Entries from N(0, stddev^2 / number of factors); b is the mean of all ratings, or zero without biases.

    With biases one of the `embedding_dim` entries of a vector is its bias, as in the study.

    Raises:
        ValueError: no rating, no factor.
    """
    if not len(train):
        raise ValueError("train: expected at least one rating, got none")
    if embedding_dim < 1 + biases:
        why = " (with biases, one is the bias)" * biases
        raise ValueError(f"embedding_dim: expected an integer >= {1 + biases}{why}, got {embedding_dim}")
    bias = train.values.mean(dtype=np.float64) if biases else 0.0
    sizes = train.num_users, train.num_items, embedding_dim - biases
    return _draw(*sizes, jnp.float32(bias), jnp.float32(stddev), jax.random.key(seed))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _draw(num_users: int, num_items: int, num_factors: int, bias, stddev, key) -> RatingModel:
    user_key, item_key = jax.random.split(key)
    scale = stddev / jnp.sqrt(jnp.float32(num_factors))
    theta = scale * jax.random.normal(user_key, (num_users, num_factors), jnp.float32)
    x = scale * jax.random.normal(item_key, (num_items, num_factors), jnp.float32)
    return RatingModel(bias, jnp.zeros(num_users), jnp.zeros(num_items), theta, x)
