"""Popularity: the number of users that have an item in training, as its score for every user.

Of pairs with weights it is the sum of them.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ncfjax.data.interactions import Interactions


class Popularity(NamedTuple):
    """The same scores for every user."""

    counts: Float[Array, " items"]

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        """Scores of every item for each of the given users."""
        return jnp.broadcast_to(self.counts, (len(users), len(self.counts)))


def fit_popularity(train: Interactions) -> Popularity:
    """Counts the users of every item, each by the weight of the pair."""
    return Popularity(jnp.asarray(np.bincount(train.items, train.weights, train.num_items), jnp.float32))
