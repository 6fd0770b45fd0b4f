"""SLIM: a sparse linear item-item model, an elastic net for every item (Ning and Karypis, ICDM 2011).

    minimise   1/2 |X - X W|^2 + l2/2 |W|^2 + l1 |W|_1     subject to   W >= 0, diag(W) = 0

Coordinate descent on G = X' X (Friedman et al., JSS 2010): with g the row of G that belongs to coordinate k,

    W_k <- max(0, G_k - g W + G_kk W_k - l1) / (G_kk + l2)

for all columns of a block at once; columns do not know of each other. A sweep visits every coordinate once.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ncfjax.baselines.item_based import ItemBased, co_occurrences, item_based
from ncfjax.data.interactions import Interactions

COLUMNS_PER_BLOCK = 256  # 3,706 x 256 weights are 3.8 MB


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


@partial(jax.jit, static_argnames="num_sweeps")
def slim_weights(
    gram: Float[Array, "items items"], l1: Float[Array, ""], l2: Float[Array, ""], num_sweeps: int
) -> Float[Array, "items items"]:
    """W of a given X' X, a block of columns at a time."""
    num_items = len(gram)
    size = min(COLUMNS_PER_BLOCK, num_items)
    blocks = jnp.arange(-(-num_items // size) * size).reshape(-1, size)  # columns past the last are dropped below
    weights = jax.lax.map(lambda columns: _columns(gram, columns, l1, l2, num_sweeps), blocks)
    return jnp.moveaxis(weights, 0, 1).reshape(num_items, -1)[:, :num_items]


def _columns(gram: Float[Array, "items items"], columns: Int[Array, " columns"], l1, l2, num_sweeps: int):
    targets = gram.at[:, columns].get(mode="clip")

    def coordinate(k, weights):
        row = gram[k]
        product = jnp.matmul(row, weights, precision=jax.lax.Precision.HIGHEST)
        gain = targets[k] - product + row[k] * weights[k] - l1
        new = jnp.where(columns == k, 0.0, jnp.maximum(gain, 0.0) / jnp.maximum(row[k] + l2, 1e-30))
        return weights.at[k].set(new)

    def sweep(_, weights):
        return jax.lax.fori_loop(0, len(gram), coordinate, weights)

    return jax.lax.fori_loop(0, num_sweeps, sweep, jnp.zeros_like(targets))
