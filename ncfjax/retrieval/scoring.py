"""How an index scores: by a similarity, or by the inner product that ranks as it does where there is one.

    s(p, q) = offset(p) + <query(p), key(q)>        `Similarity.as_dot`

What depends on an item alone, its key, is computed when an index is built. No similarity means the plain inner product.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ncfjax.models.products import inner
from ncfjax.models.similarity import DotForm, Similarity
from ncfjax.retrieval.top_k import LOWEST, Found


def keys_of(items: Float[Array, "items dim"], similarity: Similarity | None) -> Any:
    """What an index keeps of items: their keys, or what a similarity that is no inner product prepares of them."""
    form = dot_form(similarity)
    return similarity.prepare(items) if form is None else form.key(items)


def key_bytes(similarity: Similarity | None, num_items: int, dim: int) -> int:
    """Of memory that the keys of so many items take."""
    items = jax.ShapeDtypeStruct((num_items, dim), jnp.float32)
    keys = jax.eval_shape(lambda items: keys_of(items, similarity), items)
    return 4 * sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(keys))


def vectors_of(items: Float[Array, "items dim"], similarity: Similarity | None) -> Float[Array, "items _"]:
    """By what items are near each other: their keys, or their vectors."""
    form = dot_form(similarity)
    return items if form is None else form.key(items)


def queries_of(queries: Float[Array, "queries dim"], similarity: Similarity | None) -> Float[Array, "queries _"]:
    """What is scored against `keys_of` the items."""
    form = dot_form(similarity)
    return queries if form is None else form.query(queries)


def score(
    queries: Float[Array, "queries _"], keys: Any, similarity: Similarity | None
) -> Float[Array, "queries items"]:
    """Scores less their offsets, of `queries_of` against `keys_of`."""
    return inner(queries, keys) if dot_form(similarity) is not None else similarity.all_prepared(queries, keys)


def with_offsets(found: Found, queries: Float[Array, "queries dim"], similarity: Similarity | None) -> Found:
    """The similarity's own scores."""
    form = dot_form(similarity)
    if form is None:
        return found
    scores = jnp.where(found.scores > LOWEST, found.scores + form.offset(queries)[:, None], found.scores)
    return Found(found.items, scores)


def dot_form(similarity: Similarity | None) -> DotForm | None:
    if similarity is None:
        return DotForm(query=lambda p: p, key=lambda q: q, offset=lambda p: jnp.zeros(len(p)))
    return similarity.as_dot()


def in_blocks(function: Callable, queries: Float[Array, "queries dim"], others: Array | None, at_once: int):
    """`function(queries, others)` of so many rows at a time; the last block is filled up with the first rows."""
    count = len(queries)
    if count <= at_once:
        return function(queries, others)
    rows = jnp.arange(-(-count // at_once) * at_once) % count
    blocks = jax.tree.map(lambda array: array[rows].reshape(-1, at_once, array.shape[1]), (queries, others))
    found = jax.lax.map(lambda block: function(*block), blocks)
    return jax.tree.map(lambda array: array.reshape(-1, *array.shape[2:])[:count], found)
