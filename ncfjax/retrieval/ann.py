"""faiss behind the contract of retrieval: approximate search of what is a dot product (extra `ann`).

    ivf     an inverted file: lists of a k-means, whose items are searched by their inner product
    hnsw    a graph of neighbours that a search walks through

Both search inner products as they are: mapping them to Euclidean distances by one more coordinate ruins either (recall
.35 where lists of inner products have .965). Douze et al., The Faiss library, arXiv:2401.08281.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from ncfjax.models.similarity import Similarity
from ncfjax.retrieval.filters import rows_of
from ncfjax.retrieval.scoring import dot_form, with_offsets
from ncfjax.retrieval.top_k import Found

LINKS = 32  # of an item to its neighbours in a graph


class Ann(NamedTuple):
    faiss_index: Any
    similarity: Similarity | None


def build_flat(items: Float[Array, "items dim"], similarity: Similarity | None = None) -> Ann:
    """faiss's exact search, a peer of `exact`."""
    return _filled(lambda faiss, dim: faiss.IndexFlatIP(dim), items, similarity)


def build_ivf(
    items: Float[Array, "items dim"], num_clusters: int, similarity: Similarity | None = None, *, seed: int = 0
) -> Ann:
    """An inverted file of so many lists.

    Raises:
        ValueError: a similarity that is no dot product.
        ImportError: no faiss.
    """

    def make(faiss, dim):
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, num_clusters, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed, index.cp.spherical = seed, True
        index.cp.min_points_per_centroid = 1  # it prints a warning of fewer than 39
        return index

    return _filled(make, items, similarity)


def build_hnsw(
    items: Float[Array, "items dim"], similarity: Similarity | None = None, *, construction: int = 40
) -> Ann:
    """A graph; `construction` neighbours are looked at when an item is put into it.

    Raises:
        ValueError: a similarity that is no dot product.
        ImportError: no faiss.
    """

    def make(faiss, dim):
        index = faiss.IndexHNSWFlat(dim, LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = construction
        return index

    return _filled(make, items, similarity)


def search(
    index: Ann,
    queries: Float[Array, "queries dim"],
    k: int,
    denied: UInt8[Array | np.ndarray, "_ bytes"] | None = None,
    *,
    effort: int | None = None,
) -> Found:
    """The k items that it finds; `effort` is how many lists (ivf) or how many candidates (hnsw) are looked at.

    With one row of `denied` for each query, the queries are searched one after the other.
    """
    vectors = np.ascontiguousarray(dot_form(index.similarity).query(queries), np.float32)
    if denied is None or len(denied) == 1:
        values, items = index.faiss_index.search(vectors, k, params=_parameters(index, denied, effort))
    else:
        rows = np.asarray(rows_of(jnp.asarray(denied), len(vectors)))
        parts = [
            index.faiss_index.search(vectors[n : n + 1], k, params=_parameters(index, rows[n : n + 1], effort))
            for n in range(len(vectors))
        ]
        values, items = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    found = Found(jnp.asarray(items, jnp.int32), jnp.where(items < 0, -jnp.inf, jnp.asarray(values)))
    return with_offsets(found, queries, index.similarity)


def num_scored(index: Ann, queries: Float[Array, "queries dim"], *, effort: int | None = None) -> float | None:
    """How many vectors an inverted file compares with a query, means of lists too, on average; None for a graph."""
    faiss, inner = _import_faiss(), index.faiss_index
    if not isinstance(inner, faiss.IndexIVF):
        return None if isinstance(inner, faiss.IndexHNSW) else float(inner.ntotal)
    vectors = np.ascontiguousarray(dot_form(index.similarity).query(queries), np.float32)
    _, lists = inner.quantizer.search(vectors, min(inner.nprobe if effort is None else effort, inner.nlist))
    sizes = np.array([inner.invlists.list_size(i) for i in range(inner.nlist)])
    return float(inner.nlist + sizes[lists].sum(axis=1).mean())


def num_bytes(index: Ann) -> int:
    """Of the index as faiss writes it, which is about what it holds."""
    faiss = _import_faiss()
    writer = faiss.VectorIOWriter()
    faiss.write_index(index.faiss_index, writer)
    return int(writer.data.size())


def _filled(make, items, similarity: Similarity | None) -> Ann:
    form = dot_form(similarity)
    if form is None:
        raise ValueError(f"ann: expected a similarity that is a dot product, got {type(similarity).__name__}")
    keys = np.ascontiguousarray(form.key(items), np.float32)
    index = make(_import_faiss(), keys.shape[1])
    index.train(keys)
    index.add(keys)
    return Ann(index, similarity)


def _parameters(index: Ann, denied, effort: int | None):
    faiss, given = _import_faiss(), {}
    if denied is not None:
        given["sel"] = faiss.IDSelectorBitmap(np.ascontiguousarray(~np.asarray(denied)[0]))
    match index.faiss_index:
        case faiss.IndexIVF():
            return faiss.SearchParametersIVF(**given, **({} if effort is None else {"nprobe": effort}))
        case faiss.IndexHNSW():
            return faiss.SearchParametersHNSW(**given, **({} if effort is None else {"efSearch": effort}))
    return faiss.SearchParameters(**given)


def _import_faiss():
    try:
        import faiss
    except ImportError as error:
        raise ImportError("approximate search: expected faiss, got none: pip install -e '.[ann]'") from error
    return faiss
