"""The k highest of many scores, exactly, and without sorting them.

    1. the maximum of every block of 16 scores        2. the k blocks whose maxima are highest
    3. their 16 k scores                              4. the k highest of those

No other block can hold one of the k highest: k scores, one in each chosen block, come before all of its own. On a CPU
this is 3 to 7 times as fast as `jax.lax.top_k` at k = 10. Where there are many blocks, step 2 is done the same way.

Equal scores are in the order of the items' ids, smaller ones first. A score that is NaN or minus infinity counts as
LOWEST, so that a diverged model still finds as many items as it is asked for.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

BLOCK = 16  # columns; blocks of 64 and more are no faster than jax.lax.top_k
SHORT = 4096  # up to so many columns jax.lax.top_k is as fast
LOWEST = float(jnp.finfo(jnp.float32).min)


class Found(NamedTuple):
    """The best items of each query, best first; where there are fewer than k, -1 with a score of minus infinity."""

    items: Int[Array, "queries k"]
    scores: Float[Array, "queries k"]


def best(scores: Float[Array, "queries items"], denied: Bool[Array, "queries items"] | None, k: int) -> Found:
    """The k items of highest scores among those that are not denied, or all of these where they are fewer."""
    if denied is not None:
        return highest(ranked(scores, denied), k)
    # To look at all scores once more, for NaN alone, would be an eighth of the time of exact search.
    values, items = top_k(scores, min(k, scores.shape[1]), has_nan=True)
    return _filled_up(Found(items, values), k)


def ranked(
    scores: Float[Array, "queries items"], denied: Bool[Array, "queries items"] | None
) -> Float[Array, "queries items"]:
    """Scores without NaN; minus infinity is denied and nothing else."""
    usable = _usable(scores)
    return usable if denied is None else jnp.where(denied, -jnp.inf, usable)


def highest(ranked: Float[Array, "queries items"], k: int) -> Found:
    """The k columns of highest scores that are not denied."""
    values, items = top_k(ranked, min(k, ranked.shape[1]))
    return _filled_up(Found(jnp.where(values == -jnp.inf, -1, items), values), k)


def _filled_up(found: Found, k: int) -> Found:
    more = ((0, 0), (0, k - found.items.shape[1]))
    padding = {"items": -1, "scores": -jnp.inf}
    return Found(*(jnp.pad(array, more, constant_values=padding[name]) for name, array in found._asdict().items()))


def best_of(scores: Float[Array, "queries candidates"], items: Int[Array, "queries candidates"], k: int) -> Found:
    """The k best of candidates, each of which is an item at most once; -1 is none. Equal scores in the order of ids."""
    order = jnp.argsort(items, axis=1)  # a stable search then finds smaller ids first
    items, scores = (jnp.take_along_axis(array, order, axis=1) for array in (items, scores))
    places, values = best(scores, items < 0, k)
    found = jnp.take_along_axis(items, jnp.maximum(places, 0), axis=1)
    return Found(jnp.where(places < 0, -1, found), values)


def top_k(
    scores: Float[Array, "queries items"], k: int, has_nan: bool = False
) -> tuple[Float[Array, "queries k"], Int[Array, "queries k"]]:
    """`jax.lax.top_k`, equal scores in the order of their columns.

    With `has_nan`, NaN and minus infinity are LOWEST; else there is no NaN, and minus infinity is what it is.
    """
    num_columns = scores.shape[1]
    num_blocks = -(-num_columns // BLOCK)
    if k >= num_blocks or num_columns <= 2 * BLOCK * k:
        return tuple(jax.lax.top_k(_usable(scores) if has_nan else scores, k))
    padding = ((0, 0), (0, num_blocks * BLOCK - num_columns))
    least, highest_of_two = (LOWEST, _without_nan) if has_nan else (-jnp.inf, jax.lax.max)
    maxima = jax.lax.reduce_window(scores, jnp.float32(least), highest_of_two, (1, BLOCK), (1, BLOCK), padding)
    _, blocks = (top_k if num_blocks > SHORT else jax.lax.top_k)(maxima, k)
    # In the order of columns, or a block of a higher maximum would come before an equal score of an earlier column.
    blocks = jnp.sort(blocks, axis=1)
    columns = (blocks[:, :, None] * BLOCK + jnp.arange(BLOCK)[None, None, :]).reshape(len(scores), -1)
    chosen = jnp.take_along_axis(scores, columns, axis=1, mode="fill", fill_value=-jnp.inf)
    if has_nan:
        chosen = jnp.where(columns < num_columns, _usable(chosen), -jnp.inf)
    values, places = jax.lax.top_k(chosen, k)
    return values, jnp.take_along_axis(columns, places, axis=1)


def _usable(scores: Float[Array, "queries items"]) -> Float[Array, "queries items"]:
    return jnp.where(scores >= LOWEST, scores, LOWEST)


def _without_nan(a: Float[Array, ""], b: Float[Array, ""]) -> Float[Array, ""]:
    """The higher one of a number and what may be none: a comparison with NaN is false."""
    return jnp.where(b > a, b, a)
