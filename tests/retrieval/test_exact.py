"""Exact search against a stable sort of all scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.models.products import inner
from ncfjax.retrieval import exact
from ncfjax.retrieval.filters import allow, deny, deny_each
from ncfjax.retrieval.scoring import in_blocks
from ncfjax.retrieval.top_k import BLOCK, LOWEST, best, best_of, top_k
from tests.retrieval.conftest import make_model, sorted_items


@pytest.mark.parametrize(("num_columns", "k"), [(5, 3), (700, 10), (707, 10), (1600, 40), (70_000, 10), (70_001, 7)])
def test_the_highest_are_those_of_a_stable_sort_also_among_equal_scores(num_columns, k):
    rng = np.random.default_rng(num_columns)
    for scores in (rng.normal(size=(3, num_columns)), rng.integers(0, 4, (3, num_columns)), np.ones((3, num_columns))):
        scores = scores.astype(np.float32)
        values, items = top_k(jnp.asarray(scores), k)
        np.testing.assert_array_equal(items, np.argsort(-scores, axis=1, kind="stable")[:, :k])
        np.testing.assert_array_equal(values, np.take_along_axis(scores, np.asarray(items), axis=1))


def test_a_score_that_is_no_number_comes_last_and_is_found_all_the_same():
    scores = np.arange(600, dtype=np.float32)[None]
    scores[0, [599, 30, 4]] = [np.nan, -np.inf, np.inf]
    found = best(jnp.asarray(scores), None, 600)
    np.testing.assert_array_equal(found.items[0], [4, *range(598, 30, -1), *range(29, 4, -1), 3, 2, 1, 0, 30, 599])
    np.testing.assert_array_equal(found.scores[0, [0, -2, -1]], [np.inf, LOWEST, LOWEST])


@pytest.mark.parametrize("num_columns", [600, 70_001])  # one level of blocks, and two
def test_scores_that_are_no_numbers_hide_none_of_their_block(num_columns):
    """Of the best in each of three blocks everything else is NaN; the others follow in the order of columns."""
    scores = np.zeros((2, num_columns), np.float32)
    for first in (32, 320, 576):
        scores[:, first : first + 16] = np.nan
        scores[:, first + 5] = first
    scores[1] = np.nan
    found = best(jnp.asarray(scores), None, 5)
    np.testing.assert_array_equal(found.items, [[581, 325, 37, 0, 1], [0, 1, 2, 3, 4]])
    np.testing.assert_array_equal(found.scores, [[576, 320, 32, 0, 0], [LOWEST] * 5])


def test_candidates_are_in_the_order_of_scores_then_of_ids():
    items, scores = jnp.asarray([[7, -1, 3, 9, 5]]), jnp.asarray([[1.0, 9.0, 1.0, 2.0, 1.0]])
    found = best_of(scores, items, 6)
    np.testing.assert_array_equal(found.items, [[9, 3, 5, 7, -1, -1]])
    np.testing.assert_array_equal(found.scores, [[2.0, 1.0, 1.0, 1.0, -np.inf, -np.inf]])


def test_every_similarity_is_searched_by_its_own_scores(model):
    index = exact.build(model.item[...], model.similarity)
    found = exact.search(index, model.user[...], 10)
    scores = model.score_all(jnp.arange(13))
    np.testing.assert_array_equal(found.items, sorted_items(scores, 10))
    np.testing.assert_allclose(found.scores, np.sort(scores, axis=1)[:, :-11:-1], rtol=1e-5, atol=1e-6)


def test_without_a_similarity_it_is_the_inner_product(monkeypatch):
    """In blocks of 4 queries, the last of them filled up."""
    monkeypatch.setattr(exact, "QUERIES_AT_ONCE", 4)
    rng = np.random.default_rng(0)
    queries, items = (jnp.asarray(rng.integers(-2, 3, (n, 3)), jnp.float32) for n in (11, 500))  # many equal scores
    found = exact.search(exact.build(items), queries, 7)
    np.testing.assert_array_equal(found.items, sorted_items(inner(queries, items), 7))


def test_a_block_of_scores_stays_within_its_memory(monkeypatch):
    monkeypatch.setattr(exact, "BYTES_AT_ONCE", 4 * 1000 * 5)
    shapes = []
    monkeypatch.setattr(exact, "in_blocks", lambda *given: shapes.append(given[-1]) or in_blocks(*given))
    exact.search.clear_cache()
    exact.search(exact.build(jnp.ones((1000, 2))), jnp.ones((50, 2)), 3)
    assert shapes == [5]


def test_what_is_denied_is_not_found_and_what_is_left_is_all_there():
    model = make_model("mlp", num_items=90)
    index, queries = exact.build(model.item[...], model.similarity), model.user[:3]
    scores = model.score_all(jnp.arange(3))
    seen = [[0, 5, 89], [], range(90)]
    is_denied = np.zeros((3, 90), bool)
    for row, items in zip(is_denied, seen, strict=True):
        row[list(items)] = True
    found = exact.search(index, queries, 88, deny_each(seen, 90))
    np.testing.assert_array_equal(found.items, sorted_items(scores, 88, is_denied))
    assert np.all(found.items[2] == -1) and np.all(found.scores[2] == -np.inf) and np.sum(found.items[0] >= 0) == 87

    only = exact.search(index, queries, 5, allow([3, 17, 60], 90) | deny([17], 90))
    np.testing.assert_array_equal(np.sort(only.items, axis=1), [[-1, -1, -1, 3, 60]] * 3)
    more_than_there_are = exact.search(index, queries, 100)
    np.testing.assert_array_equal(more_than_there_are.items, sorted_items(scores, 100))


def test_a_list_of_what_is_no_item_is_refused():
    with pytest.raises(ValueError, match="items: expected ids from 0 to 89, got 3 to 90"):
        deny([3, 90], 90)
    with pytest.raises(ValueError, match="denied: expected 1 row or one for each of 3 queries, got 2"):
        exact.search(exact.build(jnp.ones((90, 2))), jnp.ones((3, 2)), 5, deny_each([[1], [2]], 90))


@given(st.permutations(range(BLOCK * 5)), st.integers(1, 4))
def test_permuting_the_items_permutes_the_answer(order, k):
    items = jax.random.normal(jax.random.key(0), (BLOCK * 5, 3))
    queries, order = jax.random.normal(jax.random.key(1), (2, 3)), np.asarray(order)
    plain = exact.search(exact.build(items), queries, k)
    permuted = exact.search(exact.build(items[order]), queries, k)
    np.testing.assert_array_equal(order[np.asarray(permuted.items)], plain.items)
