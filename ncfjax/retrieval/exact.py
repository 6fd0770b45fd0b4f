"""Exact search: every item is scored for every query, a block of queries at a time.

A similarity that ranks by an inner product is searched by it; any other one, an MLP or a NeuMF, by its scores, of
which the index holds what is linear in an item.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float, UInt8

from ncfjax.models.similarity import Similarity
from ncfjax.retrieval.filters import denied_all, rows_of
from ncfjax.retrieval.scoring import in_blocks, keys_of, queries_of, score, with_offsets
from ncfjax.retrieval.top_k import Found, best

QUERIES_AT_ONCE = 256  # 256 x 3,706 scores are 3.8 MB: they stay in cache between the product and the search
BYTES_AT_ONCE = 256_000_000  # of scores; what is denied takes as much again


class Exact(NamedTuple):
    keys: Any  # `scoring.keys_of` the items
    similarity: Similarity | None


def build(items: Float[Array, "items dim"], similarity: Similarity | None = None) -> Exact:
    """An index of the items' vectors; without a similarity it is their inner product with the query."""
    return Exact(keys_of(items, similarity), similarity)


@partial(jax.jit, static_argnames="k")
def search(
    index: Exact, queries: Float[Array, "queries dim"], k: int, denied: UInt8[Array, "_ bytes"] | None = None
) -> Found:
    """The k items that the similarity scores highest, exactly; equal scores in the order of ids."""
    vectors = queries_of(queries, index.similarity)
    num_items = jax.eval_shape(lambda one: score(one, index.keys, index.similarity), vectors[:1]).shape[1]

    def block(queries, denied):
        return best(score(queries, index.keys, index.similarity), denied_all(denied, num_items), k)

    found = in_blocks(block, vectors, rows_of(denied, len(queries)), queries_at_once(num_items))
    return with_offsets(found, queries, index.similarity)


def queries_at_once(num_items: int) -> int:
    """Whose scores of so many items are held at once."""
    return max(1, min(QUERIES_AT_ONCE, BYTES_AT_ONCE // (4 * num_items)))


def block_bytes(num_items: int) -> int:
    """Of memory for the scores of so many queries."""
    return 4 * num_items * queries_at_once(num_items)
