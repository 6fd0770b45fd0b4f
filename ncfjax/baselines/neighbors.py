"""The most similar items of every item, by the users that they share.

    sim_ij = G_ij / (sqrt(G_ii G_jj) + shrinkage)

With shrinkage 0 it is the cosine of two items' columns of users; shrinkage (Bell and Koren, 2007) trusts items less
that share few. An item is no neighbour of itself, nor of one that it shares no user with. Those of users come of the
transposed interactions.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.sparse import csr_matrix, vstack

from ncfjax.baselines.co_occurrences import co_occurrence_rows, co_occurrences, is_dense
from ncfjax.data.interactions import Interactions

ROWS_AT_ONCE = 4096


def check_neighbors(num_neighbors: int, num_rows: int, shrinkage: float) -> None:
    """Raises ValueError for no neighbour, more than there are, or a negative shrinkage."""
    if not 1 <= num_neighbors < num_rows:
        raise ValueError(f"num_neighbors: expected 1 to {num_rows - 1}, got {num_neighbors}")
    if not shrinkage >= 0:
        raise ValueError(f"shrinkage: expected a number >= 0, got {shrinkage}")


def neighbors(train: Interactions, num_neighbors: int, shrinkage: float) -> csr_matrix:
    """Row i holds the similarities of i's nearest neighbours; of equal ones those with the lower ids are kept."""
    if not is_dense(train):
        return _of_sparse_rows(train, num_neighbors, shrinkage)
    blocks = []
    for start, *nearest in _of_dense_rows(train, num_neighbors, shrinkage):
        similar, ids = map(np.asarray, nearest)
        rows, places = np.nonzero(similar)
        rows, ids = rows + start, ids[rows, places]
        blocks.append(csr_matrix((similar[similar > 0], (rows, ids)), (train.num_items, train.num_items)))
    return sum(blocks)


def dense_neighbors(train: Interactions, num_neighbors: int, shrinkage: float) -> Float[Array, "items items"]:
    """The same as a dense array, transposed: column i is of i's neighbours."""
    weights = jnp.zeros((train.num_items, train.num_items), jnp.float32)
    for start, *nearest in _of_dense_rows(train, num_neighbors, shrinkage):
        weights = _set_columns(weights, *nearest, start)
    return weights


@partial(jax.jit, donate_argnums=0)
def _set_columns(weights, similar, ids, start):
    columns = jnp.broadcast_to(start + jnp.arange(len(ids))[:, None], ids.shape)
    return weights.at[ids, columns].set(similar)


def _of_dense_rows(train: Interactions, num_neighbors: int, shrinkage: float):
    """The first row of a block, similarities and ids of the neighbours of its rows."""
    gram, count = co_occurrences(train), train.num_items
    for start in range(0, count, ROWS_AT_ONCE):
        size = min(ROWS_AT_ONCE, count - start)
        yield start, *_nearest(gram, start, jnp.float32(shrinkage), size=size, num_neighbors=num_neighbors)


@partial(jax.jit, static_argnames=("size", "num_neighbors"))
def _nearest(gram: Float[Array, "items items"], start, shrinkage: Float[Array, ""], *, size: int, num_neighbors: int):
    """Similarities, the highest first, and ids of the neighbours of the items from `start` on."""
    norms, items = jnp.sqrt(jnp.diag(gram)), jnp.arange(len(gram))
    rows, shared, own = (jax.lax.dynamic_slice_in_dim(array, start, size) for array in (items, gram, norms))
    scale = own[:, None] * norms[None, :] + shrinkage
    similar = jnp.where(scale > 0, shared / jnp.where(scale > 0, scale, 1.0), 0.0)  # an item without users has none
    similar = jnp.where(rows[:, None] == items[None, :], 0.0, similar)
    return jax.lax.top_k(similar, num_neighbors)


def _of_sparse_rows(train: Interactions, num_neighbors: int, shrinkage: float) -> csr_matrix:
    norms = np.sqrt(np.bincount(train.items, minlength=train.num_items).astype(np.float32))
    blocks = []
    for start, shared in co_occurrence_rows(train):
        rows = np.repeat(np.arange(shared.shape[0], dtype=np.int32), np.diff(shared.indptr))
        is_other = rows + start != shared.indices
        rows, ids = rows[is_other], shared.indices[is_other]
        similar = shared.data[is_other] / (norms[rows + start] * norms[ids] + np.float32(shrinkage))
        kept = first_of_each(rows, -similar, num_neighbors)
        blocks.append(csr_matrix((similar[kept], (rows[kept], ids[kept])), shared.shape))
    return vstack(blocks, format="csr")


def first_of_each(groups: Int[np.ndarray, " n"], keys: Float[np.ndarray, " n"], count: int) -> Int[np.ndarray, " kept"]:
    """The places of the `count` lowest keys of every group, of equal ones the first; groups are ascending."""
    by_key = np.argsort(keys, kind="stable")
    order = by_key[np.argsort(groups[by_key], kind="stable")]
    sizes = np.bincount(groups)
    place = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[place < count]
