"""What item-based methods share: scores from a matrix of item weights, and the matrix that those are fitted to.

    s_ui = sum over j in the history of u of W_ji        G = X' X, G_ij = the number of users that have both i and j

X is the binary users x items matrix, which is held as bits; it becomes numbers for a block of users at a time, so
nothing of size users x items is there.
"""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from ncfjax.data.history import pack_history, unpack_history
from ncfjax.data.interactions import Interactions

USERS_PER_BLOCK = 512


class ItemBased(NamedTuple):
    """Items vote for items."""

    weights: Float[Array, "items items"]
    history: UInt8[Array, "num_users bytes"]

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        """Scores of every item for each of the given users."""
        rows = unpack_history(self.history, users, len(self.weights)).astype(jnp.float32)
        return jnp.matmul(rows, self.weights, precision=jax.lax.Precision.HIGHEST)


def item_based(train: Interactions, weights: Float[Array, "items items"]) -> ItemBased:
    """The scorer of given weights."""
    return ItemBased(weights, jnp.asarray(pack_history(train)))


@lru_cache(maxsize=1)  # 1.2 s on MovieLens-1M, for every point of a grid
def co_occurrences(train: Interactions) -> Float[Array, "items items"]:
    """G: whole numbers, which float32 holds exactly up to 16,777,216 users. That of the last data set is kept."""
    return _gram(jnp.asarray(pack_history(train)), train.num_items)


def _gram(history: UInt8[Array, "num_users bytes"], num_items: int) -> Float[Array, "items items"]:
    blocks = jnp.arange(-(-len(history) // USERS_PER_BLOCK) * USERS_PER_BLOCK, dtype=jnp.int32)

    def add(gram, users):
        rows = unpack_history(history, users, num_items).astype(jnp.float32)  # users past the last have no history
        return gram + jnp.matmul(rows.T, rows, precision=jax.lax.Precision.HIGHEST), None

    start = jnp.zeros((num_items, num_items), jnp.float32)
    return jax.lax.scan(add, start, blocks.reshape(-1, USERS_PER_BLOCK))[0]


_gram = jax.jit(_gram, static_argnames="num_items")
