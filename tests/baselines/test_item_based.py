"""ItemKNN, UserKNN, EASE, SLIM and popularity against plain NumPy, scipy and loops."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.baselines import co_occurrences, in_place, slim
from ncfjax.baselines.ease import ease_weights, ease_weights_in_place, fit_ease
from ncfjax.baselines.item_based import ItemBased, SparseItemBased
from ncfjax.baselines.item_knn import fit_item_knn
from ncfjax.baselines.popularity import fit_popularity
from ncfjax.baselines.slim import fit_slim
from ncfjax.baselines.user_knn import fit_user_knn
from ncfjax.data.interactions import Interactions
from ncfjax.evaluation.metrics import hit_ratio, ndcg
from ncfjax.evaluation.ranking import Scorer, ranks_of


@pytest.fixture(scope="module")
def train():
    """Of 40 users and 12 items; no one has the last item, and the last user has none."""
    rng = np.random.default_rng(0)
    table = rng.random((40, 12)) < np.linspace(0.8, 0.1, 12)
    table[:, -1], table[-1] = False, False
    return Interactions(*map(np.asarray, np.nonzero(table)), 40, 12)


def scores(scorer, users=40):
    users = np.arange(users) if getattr(scorer, "on_host", False) else jnp.arange(users)
    return np.asarray(scorer.score_all(users))


@pytest.fixture(params=["dense", "sparse"])
def form(request, monkeypatch):
    """What co-occurs is counted by dense products, or by sparse ones in blocks of a few rows."""
    monkeypatch.setattr(co_occurrences, "SPARSE_COST", 10**9 if request.param == "dense" else 0)
    monkeypatch.setattr(slim, "SPARSE_COST", 10**9 if request.param == "dense" else 0)
    monkeypatch.setattr(co_occurrences, "PRODUCTS_AT_ONCE", 700)
    return request.param


def test_co_occurrences_count_the_users_of_two_items_however_they_are_cut(train, table, form, monkeypatch):
    np.testing.assert_array_equal(co_occurrences.new_co_occurrences(train), table.T @ table)
    for name, size in (("ROWS_PER_TILE", 8), ("ROWS_TO_MIRROR", 2)):
        monkeypatch.setattr(in_place, name, size)
    monkeypatch.setattr(co_occurrences, "ROWS_TO_FILL", 3)
    np.testing.assert_array_equal(co_occurrences.new_co_occurrences(train), table.T @ table)


def test_ease_is_its_closed_form_in_double_precision(train, table):
    inverse = np.linalg.inv(table.T @ table + 3.0 * np.eye(12))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    np.testing.assert_allclose(scores(fit_ease(train, 3.0)), table @ weights, atol=1e-5)


def test_ease_is_a_minimum_with_an_empty_diagonal(train, table):
    weights = np.asarray(fit_ease(train, 3.0).weights)
    gradient = table.T @ (table @ weights - table) + 3.0 * weights
    np.testing.assert_allclose(gradient[~np.eye(12, dtype=bool)], 0.0, atol=1e-4)
    assert not np.diag(weights).any()


def test_a_large_ease_is_solved_in_the_place_of_its_one_matrix(monkeypatch):
    """By blocks of pivots, of tiles and of mirrored rows, none of which divides the 700 items."""
    rows = (np.random.default_rng(0).random((300, 700)) < 0.05).astype(np.float32)
    gram = jnp.asarray(rows.T @ rows)
    expected = ease_weights(gram, jnp.float32(20.0))
    place = gram.unsafe_buffer_pointer()
    weights = ease_weights_in_place(gram, jnp.float32(20.0))
    np.testing.assert_allclose(weights, expected, atol=2e-6)
    assert weights.unsafe_buffer_pointer() == place and gram.is_deleted()


def nearest(gram, row, num_neighbors, shrinkage):
    norms = np.sqrt(gram[row, row] * np.diag(gram)) + shrinkage
    similar = np.divide(gram[row], norms, out=np.zeros(len(gram)), where=norms > 0)
    similar[row] = -1.0
    return [(j, max(similar[j], 0.0)) for j in np.argsort(-similar, kind="stable")[:num_neighbors]]


@pytest.mark.parametrize(("num_neighbors", "shrinkage"), [(3, 0.0), (11, 5.0), (1, 2.0)])
def test_item_knn_is_the_loop(train, table, form, num_neighbors, shrinkage):
    gram, expected = table.T @ table, np.zeros((40, 12))
    for i in range(12):
        for j, similar in nearest(gram, i, num_neighbors, shrinkage):
            expected[:, i] += table[:, j] * similar
    scorer = fit_item_knn(train, num_neighbors, shrinkage)
    assert isinstance(scorer, ItemBased if form == "dense" else SparseItemBased)
    np.testing.assert_allclose(scores(scorer), expected, atol=1e-5)


@pytest.mark.parametrize(("num_neighbors", "shrinkage"), [(3, 0.0), (39, 5.0), (1, 2.0)])
def test_user_knn_is_the_loop(train, table, form, num_neighbors, shrinkage):
    gram, expected = table @ table.T, np.zeros((40, 12))
    for u in range(40):
        for v, similar in nearest(gram, u, num_neighbors, shrinkage):
            expected[u] += similar * table[v]
    np.testing.assert_allclose(scores(fit_user_knn(train, num_neighbors, shrinkage)), expected, atol=1e-5)


@pytest.mark.parametrize("l1", [1.5, 0.0])
def test_slim_meets_the_optimality_conditions_of_its_elastic_net(train, table, form, l1):
    l2 = 4.0
    weights = fit_slim(train, l1, l2, 200).votes(np.arange(12))
    gradient = table.T @ (table @ weights - table) + l2 * weights + l1
    off_diagonal = ~np.eye(12, dtype=bool)
    assert (weights >= 0).all() and not np.diag(weights).any() and 0 < (weights > 0).sum() < 132
    np.testing.assert_allclose(gradient[(weights > 0) & off_diagonal], 0.0, atol=1e-3)
    assert (gradient[(weights == 0) & off_diagonal] > -1e-3).all()


def test_slim_is_the_same_however_its_rows_are_cut_into_blocks(train, monkeypatch):
    arguments = co_occurrences.co_occurrences(train), jnp.float32(1.5), jnp.float32(4.0), 20
    whole = slim.slim_weights(*arguments)
    monkeypatch.setattr(slim, "ROWS_PER_BLOCK", 5)
    monkeypatch.setattr(slim, "WORK_AT_ONCE", 1)
    np.testing.assert_allclose(slim.slim_weights(*arguments), whole, atol=1e-6)


@pytest.mark.parametrize("l1", [1.0, 0.0])
def test_sweeps_over_what_co_occurs_are_those_over_all_pairs(train, monkeypatch, l1):
    """After two of them, far from the optimum; columns in two blocks."""
    arguments = co_occurrences.co_occurrences(train), jnp.float32(l1), jnp.float32(4.0), 2
    monkeypatch.setattr(slim, "RESIDUALS_AT_ONCE", 40 * 7)
    sparse = slim.sparse_slim_weights(train, l1, 4.0, 2)
    np.testing.assert_allclose(sparse.toarray(), slim.slim_weights(*arguments), atol=1e-6)


def test_a_sweep_over_many_items_is_several_programs_between_which_ctrl_c_is_heard(train, monkeypatch):
    """Of three blocks of rows, each more work than a program may be."""

    def stopped(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return sweep(*arguments, **options)

    calls, sweep = [], slim.sweep
    for name, value in (("sweep", stopped), ("ROWS_PER_BLOCK", 4), ("WORK_AT_ONCE", 1)):
        monkeypatch.setattr(slim, name, value)
    with pytest.raises(KeyboardInterrupt):
        slim.slim_weights(co_occurrences.co_occurrences(train), jnp.float32(1.5), jnp.float32(4.0), 2)
    assert [arguments[4:] for arguments in calls] == [(0, 1), (1, 2), (2, 3), (0, 1), (1, 2)]


def test_popularity_counts_users(train, table):
    np.testing.assert_array_equal(scores(fit_popularity(train), 2), np.stack([table.sum(axis=0)] * 2))


def test_popularity_adds_up_weights(train, table):
    weights = np.random.default_rng(1).integers(1, 6, len(train)).astype(np.float32)
    weighted = np.zeros(table.shape)
    weighted[train.users, train.items] = weights
    scorer = fit_popularity(replace(train, weights=weights))
    np.testing.assert_array_equal(scores(scorer, 1)[0], weighted.sum(axis=0))


def test_all_of_them_can_be_ranked(train):
    for scorer in (fit_popularity(train), fit_ease(train, 1.0), fit_user_knn(train, 3, 0.0)):
        assert isinstance(scorer, Scorer)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (lambda train: fit_ease(train, 0.0), "regularization: expected a number > 0, got 0"),
        (lambda train: fit_item_knn(train, 0, 0.0), "num_neighbors: expected 1 to 11, got 0"),
        (lambda train: fit_item_knn(train, 12, 0.0), "num_neighbors: expected 1 to 11, got 12"),
        (lambda train: fit_item_knn(train, 3, -1.0), "shrinkage: expected a number >= 0, got -1"),
        (lambda train: fit_user_knn(train, 40, 0.0), "num_neighbors: expected 1 to 39, got 40"),
        (lambda train: fit_user_knn(train, 3, -1.0), "shrinkage: expected a number >= 0, got -1"),
        (lambda train: fit_slim(train, 0.0, 0.0, 5), "l1, l2: expected numbers >= 0, not both zero"),
        (lambda train: fit_slim(train, 1.0, -1.0, 5), "l1, l2: expected numbers >= 0"),
        (lambda train: fit_slim(train, 1.0, 1.0, 0), "num_sweeps: expected at least 1, got 0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(train, fit, message):
    with pytest.raises(ValueError, match=message):
        fit(train)


@pytest.mark.realdata
def test_ease_on_movielens_1m_gives_the_published_numbers(ml_1m):
    ranks = ranks_of(fit_ease(ml_1m.train, 1320.0), ml_1m)
    assert (round(hit_ratio(ranks.sampled, 10), 4), round(ndcg(ranks.sampled, 10), 4)) == (0.7192, 0.4494)


@pytest.mark.realdata
def test_item_knn_on_movielens_1m_is_well_tuned(ml_1m):
    ranks = ranks_of(fit_item_knn(ml_1m.train, 50, 0.0), ml_1m)
    assert hit_ratio(ranks.sampled, 10) >= 0.662 and ndcg(ranks.sampled, 10) >= 0.390
