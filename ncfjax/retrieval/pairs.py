"""Brute force pair by pair: what a catalogue costs where nothing of an item or a user is computed beforehand.

    s(p, q_i) for every item i, its whole first layer anew for each pair

`exact` finds the same items and computes what is linear in p or q once. The two side by side say what that is worth,
and what the internship report counts: so many multiplications for each rating.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from ncfjax.models.similarity import Similarity
from ncfjax.retrieval.filters import denied_all, rows_of
from ncfjax.retrieval.scoring import in_blocks
from ncfjax.retrieval.top_k import Found, best

PAIRS_AT_ONCE = 16_384  # whose vectors are gathered: 16,384 x 384 numbers are 25 MB


class Pairs(NamedTuple):
    items: Float[Array, "items dim"]
    similarity: Similarity


def build(items: Float[Array, "items dim"], similarity: Similarity) -> Pairs:
    """An index that holds nothing but the items' vectors."""
    return Pairs(items, similarity)


@partial(jax.jit, static_argnames="k")
def search(
    index: Pairs, queries: Float[Array, "queries dim"], k: int, denied: UInt8[Array, "_ bytes"] | None = None
) -> Found:
    """The k items that the similarity scores highest, exactly; equal scores in the order of ids."""
    num_items = len(index.items)
    num_blocks = -(-num_items // PAIRS_AT_ONCE)
    size = -(-num_items // num_blocks)  # so that only the last few pairs fill up a block
    blocks = jnp.arange(num_blocks * size).reshape(num_blocks, size)

    def one(query, denied):
        def score(items):
            users = jnp.zeros_like(items)  # gathered like the items, so that nothing is computed once for all of them
            return index.similarity(query[users], index.items.at[items].get(mode="clip"))

        scores = jax.lax.map(score, blocks).reshape(1, -1)[:, :num_items]
        return best(scores, denied_all(denied, num_items), k)

    return in_blocks(one, queries, rows_of(denied, len(queries)), 1)
