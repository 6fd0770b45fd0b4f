"""Search by clusters: exact where all lists are probed, and else what the best lists have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.retrieval import clusters, exact
from ncfjax.retrieval.clusters import make_lists
from ncfjax.retrieval.filters import deny_each
from ncfjax.retrieval.k_means import k_means, nearest
from ncfjax.retrieval.top_k import BLOCK
from tests.retrieval.conftest import make_model, sorted_items

KEY = jax.random.key(3)


@pytest.mark.parametrize("longest", [None, 7])
def test_all_lists_together_are_exact_search(model, longest, monkeypatch):
    monkeypatch.setattr(clusters, "QUERIES_AT_ONCE", 8)
    index = clusters.build(model.item[...], 12, KEY, model.similarity, longest)
    queries, denied = model.user[...], deny_each([range(u, 200, 3) for u in range(13)], 200)
    for denied_ in (None, denied):
        everywhere = exact.search(exact.build(model.item[...], model.similarity), queries, 9, denied_)
        found = clusters.search(index, queries, 9, denied_, probes=1000)
        is_unique = np.diff(everywhere.scores, axis=1, prepend=np.inf, append=0) != 0  # equal ones are in another order
        is_unique = is_unique[:, 1:] & is_unique[:, :-1]
        np.testing.assert_array_equal(np.asarray(found.items)[is_unique], np.asarray(everywhere.items)[is_unique])
        assert np.mean(is_unique) > 0.9
        np.testing.assert_allclose(found.scores, everywhere.scores, rtol=1e-5, atol=1e-6)
    assert np.all(clusters.num_scored(index, queries, probes=1000) == 200 + len(index.items))


def list_means(index, model):
    """Of the vectors of each list's items."""
    items = np.asarray(model.item[...])
    return jnp.asarray([items[row[row >= 0]].mean(axis=0) for row in np.asarray(index.items)])


@pytest.mark.parametrize("probes", [1, 3])
def test_the_best_lists_by_their_means_are_searched_and_no_others(model, probes):
    index = clusters.build(model.item[...], 12, KEY, model.similarity, longest=20)
    by_mean = model.similarity.all_pairs(model.user[...], list_means(index, model))
    lists = np.argsort(-by_mean, axis=1, kind="stable")[:, :probes]
    is_in = np.zeros((13, 200), bool)
    for row, chosen in zip(is_in, lists, strict=True):
        row[[item for item in np.asarray(index.items)[chosen].ravel() if item >= 0]] = True
    found = clusters.search(index, model.user[...], 10, probes=probes)
    np.testing.assert_array_equal(found.items, sorted_items(model.score_all(jnp.arange(13)), 10, ~is_in))
    num_scored = clusters.num_scored(index, model.user[...], probes=probes)
    np.testing.assert_array_equal(num_scored, len(index.items) + is_in.sum(axis=1))


@pytest.mark.parametrize("probes", [1, 3, 12])
def test_a_query_alone_finds_what_it_finds_in_a_batch(model, probes):
    index = clusters.build(model.item[...], 12, KEY, model.similarity, longest=20)
    queries, denied = model.user[...], deny_each([range(u, 200, 3) for u in range(13)], 200)
    for denied_ in (None, denied):
        together = clusters.search(index, queries, 9, denied_, probes=probes)
        for u in range(3):
            own = None if denied_ is None else denied_[u : u + 1]
            alone = clusters.search(index, queries[u : u + 1], 9, own, probes=probes)
            np.testing.assert_array_equal(alone.items[0], together.items[u])
            np.testing.assert_allclose(alone.scores[0], together.scores[u], rtol=1e-5, atol=1e-6)


def test_the_report_recommends_the_whole_best_cluster():
    model = make_model("neumf", num_items=60)
    index = clusters.build(model.item[...], 5, KEY, model.similarity)
    found = clusters.search(index, model.user[...], index.items.shape[1], probes=1)
    best = np.argmax(model.similarity.all_pairs(model.user[...], list_means(index, model)), axis=1)
    for items, cluster in zip(found.items, best, strict=True):
        assert set(items.tolist()) - {-1} == set(index.items[cluster].tolist()) - {-1}


def test_every_item_is_in_one_list_and_long_clusters_are_cut_evenly():
    lists = make_lists(np.asarray([2, 0, 2, 2, 2, 2, 0, 5]), longest=3)
    assert [[item for item in row if item >= 0] for row in lists.tolist()] == [[1, 6], [0, 2], [3, 4, 5], [7]]
    assert lists.shape == (4, BLOCK) and make_lists(np.zeros(BLOCK + 1, int), longest=None).shape == (1, 2 * BLOCK)


def test_k_means_finds_directions_whatever_the_lengths():
    angles = jnp.asarray([0.0, 0.1, 2.0, 2.1, 4.0, 4.1])
    vectors = jnp.asarray([1.0, 9.0, 1.0, 9.0, 1.0, 9.0])[:, None] * jnp.stack([jnp.cos(angles), jnp.sin(angles)], 1)
    for seed in range(20):
        centres = k_means(vectors, 3, jax.random.key(seed), num_steps=20, spherical=True)
        found = np.asarray(nearest(vectors, centres, spherical=True))
        if len(set(found[::2].tolist())) == 3:  # not every start ends in the best clusters
            assert np.all(found[::2] == found[1::2])
            break
    else:
        pytest.fail("expected one start of 20 to find the three directions")


def test_k_means_ends_where_centres_are_the_means_of_what_is_nearest_to_them():
    vectors = jax.random.normal(jax.random.key(0), (300, 2))
    centres = np.asarray(k_means(vectors, 4, jax.random.key(1), num_steps=60))
    distances = np.linalg.norm(np.asarray(vectors)[:, None] - centres, axis=2)
    clusters_ = np.asarray(nearest(vectors, jnp.asarray(centres)))
    np.testing.assert_array_equal(clusters_, np.argmin(distances, axis=1))
    for cluster in range(4):
        mean = np.mean(np.asarray(vectors)[clusters_ == cluster], axis=0)
        np.testing.assert_allclose(mean, centres[cluster], atol=1e-4)


def test_a_key_names_the_index():
    model = make_model("dot")
    first, again, other = (clusters.build(model.item[...], 9, jax.random.key(n)) for n in (0, 0, 1))
    np.testing.assert_array_equal(first.items, again.items)
    assert first.items.shape != other.items.shape or np.any(first.items != other.items)


@pytest.mark.parametrize(
    ("num_clusters", "longest", "message"),
    [
        (0, None, "num_clusters: expected 1 to 200, the number of items, got 0"),
        (201, None, "num_clusters: expected 1 to 200, the number of items, got 201"),
        (5, 0, "longest: expected an integer >= 1, got 0"),
    ],
)
def test_what_is_no_index_is_refused(num_clusters, longest, message):
    with pytest.raises(ValueError, match=message):
        clusters.build(make_model("dot").item[...], num_clusters, KEY, longest=longest)


@given(st.permutations(range(40)))
def test_permuting_the_items_permutes_the_answer_of_all_lists(order):
    items, queries = (jax.random.normal(jax.random.key(n), (size, 3)) for n, size in ((0, 40), (1, 2)))
    order = np.asarray(order)
    plain, permuted = (clusters.search(clusters.build(x, 1, KEY), queries, 4, probes=1) for x in (items, items[order]))
    np.testing.assert_array_equal(order[np.asarray(permuted.items)], plain.items)
