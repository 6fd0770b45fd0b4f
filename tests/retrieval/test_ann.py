"""faiss behind the contract; without it, what it says."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.retrieval import ann, exact
from ncfjax.retrieval.filters import deny_each
from tests.retrieval.conftest import make_model

BUILDS = {
    "flat": (ann.build_flat, None),
    "ivf": (lambda *given: ann.build_ivf(given[0], 5, *given[1:]), 5),
    "hnsw": (ann.build_hnsw, 200),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # SWIG's types have no module
@pytest.mark.parametrize("kind", list(BUILDS))
@pytest.mark.parametrize("name", ["dot", "gmf"])
def test_with_the_most_effort_it_is_exact_search(kind, name):
    pytest.importorskip("faiss")
    model, (build, effort) = make_model(name), BUILDS[kind]
    index, queries = build(model.item[...], model.similarity), model.user[...]
    one, each = deny_each([[0, 3, 199]], 200), deny_each([range(u, 200, 4) for u in range(13)], 200)
    for denied in (None, one, each):
        found = ann.search(index, queries, 5, denied, effort=effort)
        expected = exact.search(exact.build(model.item[...], model.similarity), queries, 5, denied)
        np.testing.assert_array_equal(found.items, expected.items)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fewer_than_k_are_filled_up():
    pytest.importorskip("faiss")
    found = ann.search(ann.build_flat(jnp.ones((20, 2))), jnp.ones((1, 2)), 3, ~deny_each([[4]], 20))
    np.testing.assert_array_equal(found.items, [[4, -1, -1]])
    np.testing.assert_array_equal(found.scores, [[2.0, -np.inf, -np.inf]])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_inverted_file_says_how_many_vectors_it_compares_and_a_graph_does_not():
    pytest.importorskip("faiss")
    model = make_model("dot")
    items, queries = model.item[...], model.user[...]
    index = ann.build_ivf(items, 5)
    lists = [index.faiss_index.invlists.list_size(i) for i in range(5)]
    assert sum(lists) == 200
    assert ann.num_scored(index, queries, effort=5) == 205.0
    assert 5 + min(lists) <= ann.num_scored(index, queries, effort=1) <= 5 + max(lists)
    assert ann.num_scored(ann.build_flat(items), queries) == 200.0
    assert ann.num_scored(ann.build_hnsw(items), queries, effort=9) is None
    assert ann.num_bytes(ann.build_flat(items)) >= items.nbytes


def test_what_is_no_dot_product_is_refused():
    model = make_model("mlp")
    with pytest.raises(ValueError, match="ann: expected a similarity that is a dot product, got MLP"):
        ann.build_hnsw(model.item[...], model.similarity)


def test_without_faiss_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"approximate search: expected faiss, got none: pip install -e '.\[ann\]'"):
        ann.build_flat(jnp.ones((3, 2)))
