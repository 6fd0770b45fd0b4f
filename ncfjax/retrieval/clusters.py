"""Search by clusters of items, as the internship report proposes: the model scores the means, then the best lists.

    1. s(p, mean of list) for every list        2. s(p, q) for the items of the `probes` best lists        3. the k best

The report stops at the whole best cluster: `probes` = 1 and k the length of the longest list. More probes are an
inverted file whose lists are scored by the model itself, be it a dot product, an MLP or a NeuMF; all of them are exact
search. The lists come from k-means of the items' vectors; a cluster of more than `longest` items is
cut into lists with means of their own, as every list takes the memory and the time of the longest.

A query alone has its lists scored one after the other. In a batch the pairs (query, list) are sorted by list and
scored a page at a time, some queries of one list: its items are read once for all of them. Only then is each query's
top k taken, by maxima of blocks as in `top_k`.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from ncfjax.models.similarity import Similarity
from ncfjax.retrieval.filters import denied_items, rows_of
from ncfjax.retrieval.k_means import k_means, nearest
from ncfjax.retrieval.scoring import dot_form, in_blocks, keys_of, queries_of, score, vectors_of, with_offsets
from ncfjax.retrieval.top_k import BLOCK, Found, best, highest, ranked, top_k

SAMPLE = 64  # items per cluster that k-means sees: its centres change little with more
NUM_STEPS = 10  # of k-means
PAGE = 32  # queries of one list that are scored at once, at most
QUERIES_AT_ONCE = 4096
BYTES_AT_ONCE = 256_000_000  # of scores


class Clusters(NamedTuple):
    """Lists of items, filled up with -1 and zeros; their keys are those of `scoring.keys_of`."""

    means: Any  # keys of the means of the items' vectors
    items: Int[Array, "lists length"]
    keys: Any  # of each list's items, along a leading axis
    similarity: Similarity | None


def build(
    items: Float[Array, "items dim"],
    num_clusters: int,
    key: Array,
    similarity: Similarity | None = None,
    longest: int | None = None,
    spherical: bool = False,
) -> Clusters:
    """An index of the items' vectors; without a similarity it is their inner product with the query.

    Raises:
        ValueError: no or more clusters than items, or lists of no items.
    """
    if not 1 <= num_clusters <= len(items):
        raise ValueError(f"num_clusters: expected 1 to {len(items)}, the number of items, got {num_clusters}")
    if longest is not None and longest < 1:
        raise ValueError(f"longest: expected an integer >= 1, got {longest}")
    vectors = vectors_of(items, similarity)
    sample_key, means_key = jax.random.split(key)
    sample = jax.random.choice(sample_key, len(vectors), (min(len(vectors), SAMPLE * num_clusters),), replace=False)
    centres = k_means(vectors[sample], num_clusters, means_key, NUM_STEPS, spherical)
    lists = jnp.asarray(make_lists(np.asarray(nearest(vectors, centres, spherical)), longest))
    of_lists = jnp.where((lists < 0)[:, :, None], 0.0, vectors[lists])
    means = jnp.sum(of_lists, axis=1) / jnp.sum(lists >= 0, axis=1)[:, None]
    if dot_form(similarity) is not None:  # keys are vectors already
        return Clusters(means, lists, of_lists, similarity)
    keys = jax.lax.map(lambda one: keys_of(one, similarity), of_lists)
    return Clusters(keys_of(means, similarity), lists, keys, similarity)


def make_lists(clusters: Int[np.ndarray, " items"], longest: int | None) -> Int[np.ndarray, "lists length"]:
    """The items of each cluster in the order of ids, then -1; long ones in several lists of like length.

    The length of all lists is a multiple of BLOCK.
    """
    order = np.argsort(clusters, kind="stable")
    counts = np.bincount(clusters)
    counts = counts[counts > 0]
    parts = -(-counts // (longest or counts.max()))
    sizes = np.concatenate([np.diff(np.arange(n + 1) * size // n) for size, n in zip(counts, parts, strict=True)])
    length = -(-sizes.max() // BLOCK) * BLOCK
    lists = np.full((len(sizes), length), -1, np.int32)
    lists[np.arange(length) < sizes[:, None]] = order
    return lists


@partial(jax.jit, static_argnames=("k", "probes"))
def search(
    index: Clusters,
    queries: Float[Array, "queries dim"],
    k: int,
    denied: UInt8[Array, "_ bytes"] | None = None,
    *,
    probes: int,
) -> Found:
    """The k best items of the `probes` lists whose means score highest, or all of theirs where they are fewer.

    With as many probes as lists, or more, it is exact. Equal scores are in the order of the lists, then of ids.
    """

    probes = min(probes, len(index.items))

    def block(vectors, denied):
        return (_search_one if len(queries) == 1 else _search)(index, vectors, denied, k, probes)

    vectors = queries_of(queries, index.similarity)
    at_once = max(1, min(QUERIES_AT_ONCE, BYTES_AT_ONCE // (4 * probes * index.items.shape[1])))
    found = in_blocks(block, vectors, rows_of(denied, len(queries)), at_once)
    return with_offsets(found, queries, index.similarity)


@partial(jax.jit, static_argnames="probes")
def num_scored(index: Clusters, queries: Float[Array, "queries dim"], *, probes: int) -> Int[Array, " queries"]:
    """How many scores a search computes for each query: of all means, and of the items of its lists."""
    lists = _best_lists(index, queries_of(queries, index.similarity), min(probes, len(index.items)))
    return len(index.items) + jnp.sum(jnp.sum(index.items >= 0, axis=1)[lists], axis=1)


def _best_lists(index: Clusters, queries: Float[Array, "queries _"], probes: int) -> Int[Array, "queries probes"]:
    return top_k(score(queries, index.means, index.similarity), probes)[1]


def _search_one(index: Clusters, query, denied, k: int, probes: int) -> Found:
    """Of a query alone: its lists are scored one after the other, each where it lies, and there is nothing to sort."""
    lists = _best_lists(index, query, probes)[0]

    def score_list(number):
        keys = jax.tree.map(lambda array: array[number], index.keys)
        return score(query, keys, index.similarity)[0]

    scores, items = jax.lax.map(score_list, lists).reshape(1, -1), index.items[lists].reshape(1, -1)
    is_out = items < 0
    if denied is not None:
        is_out |= denied_items(denied, jnp.zeros(1, jnp.int32), items)
    found = best(scores, is_out, k)
    return Found(jnp.where(found.items < 0, -1, items[0][found.items]), found.scores)


class _Pages(NamedTuple):
    """Pairs (query, list) sorted by list, and where in this order each page of some queries of one list begins.

    Pages after `count` are none. A page that reaches past its list holds pairs of the next ones, which begin later.
    """

    order: Int[Array, " pairs"]
    lists: Int[Array, " pages"]
    starts: Int[Array, " pages"]
    count: Int[Array, ""]


def _make_pages(lists: Int[Array, " pairs"], num_lists: int, size: int) -> _Pages:
    order, counts = jnp.argsort(lists), jnp.bincount(lists, length=num_lists)
    per_list = -(-counts // size)
    at_most = min(len(lists), num_lists + len(lists) // size)
    of_page = jnp.repeat(jnp.arange(num_lists), per_list, total_repeat_length=at_most)
    number = jnp.arange(at_most) - (jnp.cumsum(per_list) - per_list)[of_page]  # of the page within its list
    return _Pages(order, of_page, (jnp.cumsum(counts) - counts)[of_page] + number * size, jnp.sum(per_list))


def _search(index: Clusters, queries, denied, k: int, probes: int) -> Found:
    num_lists, length = index.items.shape
    best_lists, num_pairs = _best_lists(index, queries, probes), len(queries) * probes
    size = max(1, min(PAGE, 2 * num_pairs // num_lists))
    pages = _make_pages(best_lists.reshape(-1), num_lists, size)
    rows = jnp.pad(pages.order // probes, (0, size))  # the query of each pair in order

    def score_page(page, scores):
        start, items = pages.starts[page], index.items[pages.lists[page]]
        of_page = jax.lax.dynamic_slice(rows, (start,), (size,))
        is_out = jnp.broadcast_to(items < 0, (size, length))
        if denied is not None:
            is_out |= denied_items(denied, of_page, jnp.broadcast_to(items, (size, length)))
        keys = jax.tree.map(lambda array: array[pages.lists[page]], index.keys)
        new = ranked(score(queries[of_page], keys, index.similarity), is_out)
        # What belongs to no pair of this page is overwritten by the page whose pair it is.
        return jax.lax.dynamic_update_slice(scores, new, (start, 0))

    scores = jax.lax.fori_loop(0, pages.count, score_page, jnp.full((num_pairs + size, length), -jnp.inf))
    places = jnp.argsort(pages.order).reshape(best_lists.shape)  # of each pair among those in order
    return _best_of_lists(scores, places, index.items, best_lists, k)


def _best_of_lists(
    scores: Float[Array, "pairs length"],
    places: Int[Array, "queries probes"],
    items: Int[Array, "lists length"],
    best_lists: Int[Array, "queries probes"],
    k: int,
) -> Found:
    """The k best items of the lists of each query, whose scores are in the rows `places`."""
    per_list = scores.shape[1] // BLOCK
    maxima = jax.lax.reduce_window(scores, -jnp.inf, jax.lax.max, (1, BLOCK), (1, BLOCK), "VALID")
    of_query = maxima[places].reshape(len(places), -1)
    blocks = jnp.sort(top_k(of_query, min(k, of_query.shape[1]))[1], axis=1)

    def chosen(array, rows):
        number = jnp.take_along_axis(rows, blocks // per_list, axis=1) * per_list + blocks % per_list
        return array.reshape(-1, BLOCK)[number].reshape(len(places), -1)

    found = highest(chosen(scores, places), k)
    ids = jnp.take_along_axis(chosen(items, best_lists), jnp.maximum(found.items, 0), axis=1)
    return Found(jnp.where(found.items < 0, -1, ids), found.scores)
