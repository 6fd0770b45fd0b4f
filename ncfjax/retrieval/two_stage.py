"""Two stages, for any similarity: candidates by a dot product that imitates the model, re-ranked by the model itself.

    1. the k' items of highest <query(p), key(q)>, exactly or by clusters        `imitations`
    2. the k of them that s(p, q) scores highest

With k' = all items it is exact search. A query of stage 1 needs the model's scores of the anchor items of the
imitation; for users known beforehand they are computed once, by `encode`, and handed to `search`.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from ncfjax.models.similarity import Similarity
from ncfjax.retrieval import clusters, exact
from ncfjax.retrieval.filters import rows_of
from ncfjax.retrieval.imitations import Imitation, queries_of
from ncfjax.retrieval.scoring import in_blocks
from ncfjax.retrieval.top_k import Found, best_of

QUERIES_AT_ONCE = 256
PAIRS_AT_ONCE = 1_000_000  # whose vectors are gathered


class TwoStage(NamedTuple):
    first: exact.Exact | clusters.Clusters
    imitation: Imitation
    items: Float[Array, "items dim"]
    similarity: Similarity


def build(
    items: Float[Array, "items dim"],
    similarity: Similarity,
    imitation: Imitation,
    *,
    num_clusters: int | None = None,
    longest: int | None = None,
    key: Array | None = None,
) -> TwoStage:
    """An index whose first stage is exact, or by clusters if their number and a key are given."""
    if num_clusters is None:
        first = exact.build(imitation.keys)
    else:
        first = clusters.build(imitation.keys, num_clusters, key, longest=longest)
    return TwoStage(first, imitation, items, similarity)


def encode(index: TwoStage, queries: Float[Array, "queries dim"]) -> Float[Array, "queries rank"]:
    """The queries of the first stage."""
    return queries_of(index.imitation, index.similarity, queries)


@partial(jax.jit, static_argnames=("k", "num_candidates", "probes"))
def search(
    index: TwoStage,
    queries: Float[Array, "queries dim"],
    k: int,
    denied: UInt8[Array, "_ bytes"] | None = None,
    *,
    num_candidates: int,
    probes: int | None = None,
    encoded: Float[Array, "queries rank"] | None = None,
) -> Found:
    """The k candidates that the similarity scores highest; equal scores in the order of ids.

    `probes` is for a first stage by clusters. `encoded` are the queries of the first stage where they are known.
    """
    encoded = encode(index, queries) if encoded is None else encoded
    num_candidates = min(num_candidates, len(index.items))
    found = search_first(index, encoded, num_candidates, rows_of(denied, len(queries)), probes=probes)
    return rerank(index.items, index.similarity, queries, found.items, k)


def search_first(
    index: TwoStage,
    encoded: Float[Array, "queries rank"],
    k: int,
    denied: UInt8[Array, "_ bytes"] | None = None,
    *,
    probes: int | None = None,
) -> Found:
    """The k items that the first stage scores highest, by its own scores."""
    if isinstance(index.first, exact.Exact):
        return exact.search(index.first, encoded, k, denied)
    return clusters.search(index.first, encoded, k, denied, probes=probes)


def rerank(
    items: Float[Array, "items dim"],
    similarity: Similarity,
    queries: Float[Array, "queries dim"],
    candidates: Int[Array, "queries candidates"],
    k: int,
) -> Found:
    """The k of each query's candidates, -1 is none, that the similarity scores highest."""
    at_once = max(1, min(QUERIES_AT_ONCE, PAIRS_AT_ONCE // candidates.shape[1]))

    def block(queries, candidates):
        scores = similarity(queries[:, None, :], items[jnp.maximum(candidates, 0)])
        return best_of(scores, candidates, k)

    return in_blocks(block, queries, candidates, at_once)
