"""SLIM: a sparse linear item-item model, an elastic net for every item (Ning and Karypis, ICDM 2011).

    minimise   1/2 |X - X W|^2 + l2/2 |W|^2 + l1 |W|_1     subject to   W >= 0, diag(W) = 0

Coordinate descent on G = X' X (Friedman et al., JSS 2010): with k a row of W, of all columns at once,

    W_k <- max(0, G_k - (G W)_k + G_kk W_k - l1) / (G_kk + l2)

A sweep visits every row once, those of popular items first: they hold most of the weight, and half as many sweeps come
as near (MovieLens-1M). G W is one product for a block of rows, which follows the changes within the block.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ncfjax.baselines.item_based import ItemBased, co_occurrences, item_based
from ncfjax.data.interactions import Interactions

ROWS_PER_BLOCK = 64  # 64 x 3,706 floats stay in cache; blocks of 128 take 1.4 times as long


def fit_slim(train: Interactions, l1: float, l2: float, num_sweeps: int) -> ItemBased:
    """The weights after so many sweeps from zero.

    Raises:
        ValueError: a penalty that is negative, or both zero, or no sweep.
    """
    if not (l1 >= 0 and l2 >= 0 and l1 + l2 > 0):
        raise ValueError(f"l1, l2: expected numbers >= 0, not both zero, got {l1} and {l2}")
    if num_sweeps < 1:
        raise ValueError(f"num_sweeps: expected at least 1, got {num_sweeps}")
    return item_based(train, slim_weights(co_occurrences(train), jnp.float32(l1), jnp.float32(l2), num_sweeps))


def slim_weights(
    gram: Float[Array, "items items"], l1: Float[Array, ""], l2: Float[Array, ""], num_sweeps: int
) -> Float[Array, "items items"]:
    """W of a given X' X."""
    num_items = len(gram)
    order = jnp.argsort(-jnp.diag(gram), stable=True)
    padding = -num_items % min(ROWS_PER_BLOCK, num_items)  # items that nobody has: their weights stay zero
    ordered = jnp.pad(gram[order[:, None], order[None, :]], (0, padding))
    weights = jnp.zeros_like(ordered)
    for _ in range(num_sweeps):
        weights = sweep(weights, ordered, l1, l2)
    back = jnp.argsort(order)
    return weights[back[:, None], back[None, :]]


@partial(jax.jit, donate_argnums=0)
def sweep(
    weights: Float[Array, "items items"], gram: Float[Array, "items items"], l1: Float[Array, ""], l2: Float[Array, ""]
) -> Float[Array, "items items"]:
    """Every row of W once, in their order; `weights` are donated. The items fill whole blocks."""
    size = min(ROWS_PER_BLOCK, len(gram))

    def block(number, weights):
        start = number * size
        rows = jax.lax.dynamic_slice_in_dim(gram, start, size)
        residual = rows - jnp.matmul(rows, weights, precision=jax.lax.Precision.HIGHEST)
        old = jax.lax.dynamic_slice_in_dim(weights, start, size)
        return jax.lax.dynamic_update_slice_in_dim(weights, _block(old, residual, rows, start, l1, l2), start, axis=0)

    return jax.lax.fori_loop(0, len(gram) // size, block, weights)


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
