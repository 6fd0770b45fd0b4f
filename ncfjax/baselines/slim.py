"""SLIM: a sparse linear item-item model, an elastic net for every item (Ning and Karypis, ICDM 2011).

    minimise   1/2 |X - X W|^2 + l2/2 |W|^2 + l1 |W|_1     subject to   W >= 0, diag(W) = 0

Coordinate descent on G = X' X (Friedman et al., JSS 2010): with k a row of W, of all columns at once,

    W_k <- max(0, G_k - (G W)_k + G_kk W_k - l1) / (G_kk + l2)

A sweep visits every row once, those of popular items first: they hold most of the weight, and half as many sweeps come
as near (MovieLens-1M). Dense, G W is one product for a block of rows, which follows the changes within the block.

Where few items co-occur, only those pairs are visited whose G_ki exceeds l1: all others stay zero, as nothing in G W is
negative. G_k - (G W)_k is what the users of k add up to in the residuals R = X - X W, held for a block of columns:

    gain = sum over users u of k of R_u + G_kk W_k - l1             R_u <- R_u - change of W_k, for those users
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.sparse import csr_matrix, vstack

from ncfjax.baselines.co_occurrences import (
    MOST_DENSE,
    SPARSE_COST,
    co_occurrence_rows,
    co_occurrences,
    incidence,
)
from ncfjax.baselines.item_based import ItemBased, SparseItemBased, item_based, sparse_item_based
from ncfjax.data.interactions import Interactions
from ncfjax.models.products import matrix_product

ROWS_PER_BLOCK = 64  # 64 x 3,706 floats stay in cache; blocks of 128 take 1.4 times as long
WORK_AT_ONCE = 2 * 10**10  # multiply-adds of a program: a fifth of a second on two cores, until Ctrl-C is heard
RESIDUALS_AT_ONCE = 50_000_000  # floats: 200 MB


def fit_slim(train: Interactions, l1: float, l2: float, num_sweeps: int) -> ItemBased | SparseItemBased:
    """The weights after so many sweeps from zero.

    Raises:
        ValueError: a penalty that is negative, or both zero, or no sweep.
    """
    if not (l1 >= 0 and l2 >= 0 and l1 + l2 > 0):
        raise ValueError(f"l1, l2: expected numbers >= 0, not both zero, got {l1} and {l2}")
    if num_sweeps < 1:
        raise ValueError(f"num_sweeps: expected at least 1, got {num_sweeps}")
    if sweeps_are_dense(train):
        return item_based(train, slim_weights(co_occurrences(train), jnp.float32(l1), jnp.float32(l2), num_sweeps))
    return sparse_item_based(train, sparse_slim_weights(train, l1, l2, num_sweeps))


def sweeps_are_dense(train: Interactions) -> bool:
    """Whether sweeps over dense rows cost less than those over the pairs that co-occur."""
    return train.num_items <= MOST_DENSE and train.num_items**3 <= SPARSE_COST * sparse_sweep(train)


def sparse_sweep(train: Interactions) -> int:
    """Residuals that a sweep over pairs that co-occur reads, at most: for every item its users times its pairs."""
    matrix = incidence(train)
    per_user, per_item = (np.diff(m.indptr).astype(np.int64) for m in (matrix, matrix.T.tocsr()))
    return int(per_item @ np.minimum(matrix.T @ per_user, train.num_items))


def slim_weights(
    gram: Float[Array, "items items"], l1: Float[Array, ""], l2: Float[Array, ""], num_sweeps: int
) -> Float[Array, "items items"]:
    """W of a given X' X."""
    num_items = len(gram)
    order = jnp.argsort(-jnp.diag(gram), stable=True)
    size = min(ROWS_PER_BLOCK, num_items)
    ordered = jnp.pad(gram[order[:, None], order[None, :]], (0, -num_items % size))  # items that nobody has stay zero
    weights, num_blocks = jnp.zeros_like(ordered), len(ordered) // size
    at_once = max(1, WORK_AT_ONCE // (size * len(ordered) ** 2))
    for _ in range(num_sweeps):
        for first in range(0, num_blocks, at_once):
            weights = sweep(weights, ordered, l1, l2, first, min(first + at_once, num_blocks), size=size)
            jax.block_until_ready(weights)
    back = jnp.argsort(order)
    return weights[back[:, None], back[None, :]]


@partial(jax.jit, donate_argnums=0, static_argnames="size")
def sweep(
    weights: Float[Array, "items items"],
    gram: Float[Array, "items items"],
    l1: Float[Array, ""],
    l2: Float[Array, ""],
    first: Int[Array, ""],
    last: Int[Array, ""],
    *,
    size: int,
) -> Float[Array, "items items"]:
    """The rows of the blocks from `first` to before `last`, once, in their order; `weights` are donated."""

    def block(number, weights):
        start = number * size
        rows = jax.lax.dynamic_slice_in_dim(gram, start, size)
        residual = rows - matrix_product(rows, weights)
        old = jax.lax.dynamic_slice_in_dim(weights, start, size)
        return jax.lax.dynamic_update_slice_in_dim(weights, _block(old, residual, rows, start, l1, l2), start, axis=0)

    return jax.lax.fori_loop(first, last, block, weights)


def _block(
    weights: Float[Array, "rows items"],
    residual: Float[Array, "rows items"],
    gram: Float[Array, "rows items"],
    start: Int[Array, ""],
    l1: Float[Array, ""],
    l2: Float[Array, ""],
) -> Float[Array, "rows items"]:
    """The rows from `start` on one after the other, given G - G W of them."""
    inner = jax.lax.dynamic_slice_in_dim(gram, start, len(gram), axis=1)
    items = jnp.arange(gram.shape[1])

    def row(k, carry):
        weights, residual = carry
        gain = residual[k] + inner[k, k] * weights[k] - l1
        new = jnp.where(items == start + k, 0.0, jnp.maximum(gain, 0.0) / jnp.maximum(inner[k, k] + l2, 1e-30))
        return weights.at[k].set(new), residual - inner[:, k, None] * (new - weights[k])[None, :]

    return jax.lax.fori_loop(0, len(gram), row, (weights, residual))[0]


def sparse_slim_weights(train: Interactions, l1: float, l2: float, num_sweeps: int) -> csr_matrix:
    """W of few interactions, without a product of all items with all."""
    pairs, table = candidates(train, l1), incidence(train)
    order = np.argsort(-np.bincount(train.items, minlength=train.num_items), kind="stable")
    targets = order[np.diff(pairs.indptr)[order] > 0]
    at_once = max(1, RESIDUALS_AT_ONCE // train.num_users)
    weights = csr_matrix(pairs.shape, dtype=np.float32)
    for start in range(0, len(targets), at_once):
        block = targets[start : start + at_once]
        of_block = pairs[:, block]
        sparse_sweeps(of_block, table, table[:, block].toarray(), order, l1, l2, num_sweeps)
        of_block.eliminate_zeros()
        rows = np.repeat(np.arange(train.num_items), np.diff(of_block.indptr))
        weights = weights + csr_matrix((of_block.data, (rows, block[of_block.indices])), pairs.shape)
    return weights


def most_candidates(train: Interactions, l1: float) -> int:
    """No fewer than `candidates` finds: of the users of a pair that more than `l1` have, one at least is not among the
    int(l1) users of the longest histories."""
    sizes = np.sort(np.bincount(train.users, minlength=train.num_users).astype(np.int64))
    products = sizes[: max(0, len(sizes) - int(min(l1, len(sizes))))] ** 2
    return min(int(products.sum()), train.num_items**2)


def candidates(train: Interactions, l1: float) -> csr_matrix:
    """Zeros where a weight may become positive, which is symmetric: pairs of items that more than `l1` users have."""
    blocks = []
    for start, shared in co_occurrence_rows(train):
        rows = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr))
        kept = (shared.data > l1) & (rows + start != shared.indices)
        ids = rows[kept], shared.indices[kept]
        blocks.append(csr_matrix((np.zeros(len(ids[0]), np.float32), ids), shared.shape))
    return vstack(blocks, format="csr")


def sparse_sweeps(
    weights: csr_matrix,
    table: csr_matrix,
    residuals: Float[np.ndarray, "users columns"],
    order: Int[np.ndarray, " items"],
    l1: float,
    l2: float,
    num_sweeps: int,
) -> None:
    """Moves the weights of some columns, and their residuals, in their places."""
    by_item = table.T.tocsr()
    items = order[np.diff(weights.indptr)[order] > 0].tolist()
    penalty, starts, user_starts = np.float32(l1), weights.indptr.tolist(), by_item.indptr.tolist()
    for _ in range(num_sweeps):
        for item in items:
            row = slice(starts[item], starts[item + 1])
            users = by_item.indices[user_starts[item] : user_starts[item + 1], None]
            columns, old, count = weights.indices[row], weights.data[row], np.float32(len(users))
            part = residuals[users, columns]
            new = np.maximum(part.sum(axis=0) + count * old - penalty, 0) / (count + np.float32(l2))
            residuals[users, columns] = part - (new - old)
            weights.data[row] = new
