"""Items vote for items: scores from a matrix of item weights, dense or sparse.

    s_ui = sum over j in the history of u of W_ji

A scorer of sparse weights works on the host, with NumPy arrays; that of dense ones is traced, as a model is.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8
from scipy.sparse import csr_matrix

from ncfjax.baselines.co_occurrences import incidence
from ncfjax.data.history import pack_history, unpack_history
from ncfjax.data.interactions import Interactions
from ncfjax.models.products import matrix_product


class ItemBased(NamedTuple):
    """By a dense matrix."""

    weights: Float[Array, "items items"]
    history: UInt8[Array, "num_users bytes"]

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        """Scores of every item for each of the given users."""
        rows = unpack_history(self.history, users, len(self.weights)).astype(jnp.float32)
        return matrix_product(rows, self.weights)

    def votes(self, history: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n items"]:
        """What every item of a history adds to the scores."""
        return np.asarray(self.weights)[history]  # JAX compiles it for every shape


def item_based(train: Interactions, weights: Float[Array, "items items"]) -> ItemBased:
    """The scorer of given weights."""
    return ItemBased(weights, jnp.asarray(pack_history(train)))


class SparseItemBased(NamedTuple):
    """By the weights that are not zero: item j votes for items[starts[j] : starts[j + 1]]."""

    weights: Float[np.ndarray, " weights"]
    items: Int[np.ndarray, " weights"]
    starts: Int[np.ndarray, " num_items_and_one"]
    history_items: Int[np.ndarray, " n"]  # user by user
    history_starts: Int[np.ndarray, " num_users_and_one"]

    on_host = True

    def score_all(self, users: Int[np.ndarray, " users"]) -> Float[np.ndarray, "users items"]:
        """Scores of every item for each of the given users."""
        history = history_matrix(self.history_items, self.history_starts, len(self.starts) - 1)
        return (history[users] @ self._matrix()).toarray()

    def votes(self, history: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n items"]:
        """What every item of a history adds to the scores."""
        return self._matrix()[history].toarray()

    def _matrix(self) -> csr_matrix:
        num_items = len(self.starts) - 1
        return csr_matrix(self[:3], (num_items, num_items))


def sparse_item_based(train: Interactions, weights: csr_matrix) -> SparseItemBased:
    """The scorer of given weights, W_ji in row j."""
    history = incidence(train)
    arrays = (weights.data, weights.indices, weights.indptr, history.indices, history.indptr)
    floats, *ints = arrays
    return SparseItemBased(floats.astype(np.float32), *(array.astype(np.int32) for array in ints))


def history_matrix(items: Int[np.ndarray, " n"], starts: Int[np.ndarray, " rows"], num_items: int) -> csr_matrix:
    """X of a scorer's history."""
    return csr_matrix((np.ones(len(items), np.float32), items, starts), (len(starts) - 1, num_items))
