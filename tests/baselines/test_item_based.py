"""ItemKNN, EASE, SLIM and popularity against plain NumPy, scipy and loops."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.baselines import item_based, slim
from ncfjax.baselines.ease import fit_ease
from ncfjax.baselines.item_based import co_occurrences
from ncfjax.baselines.item_knn import fit_item_knn
from ncfjax.baselines.popularity import fit_popularity
from ncfjax.baselines.slim import fit_slim
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
    return np.asarray(scorer.score_all(jnp.arange(users)))


def test_co_occurrences_count_the_users_of_two_items_however_they_are_cut(train, table, monkeypatch):
    np.testing.assert_array_equal(co_occurrences(train), table.T @ table)
    monkeypatch.setattr(item_based, "USERS_PER_BLOCK", 7)
    np.testing.assert_array_equal(item_based._gram.__wrapped__(jnp.asarray(item_based.pack_history(train)), 12),
                                  table.T @ table)  # fmt: skip


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


@pytest.mark.parametrize(("num_neighbors", "shrinkage"), [(3, 0.0), (11, 5.0), (1, 2.0)])
def test_item_knn_is_the_loop(train, table, num_neighbors, shrinkage):
    gram, expected = table.T @ table, np.zeros((40, 12))
    for i in range(12):
        norms = np.sqrt(gram[i, i] * np.diag(gram)) + shrinkage
        similar = np.divide(gram[i], norms, out=np.zeros(12), where=norms > 0)
        similar[i] = -1.0
        for j in np.argsort(-similar, kind="stable")[:num_neighbors]:
            expected[:, i] += table[:, j] * max(similar[j], 0.0)
    np.testing.assert_allclose(scores(fit_item_knn(train, num_neighbors, shrinkage)), expected, atol=1e-5)


def test_slim_meets_the_optimality_conditions_of_its_elastic_net(train, table):
    l1, l2 = 1.5, 4.0
    weights = np.asarray(fit_slim(train, l1, l2, 200).weights)
    gradient = table.T @ (table @ weights - table) + l2 * weights + l1
    off_diagonal = ~np.eye(12, dtype=bool)
    assert (weights >= 0).all() and not np.diag(weights).any() and 0 < (weights > 0).sum() < 132
    np.testing.assert_allclose(gradient[(weights > 0) & off_diagonal], 0.0, atol=1e-3)
    assert (gradient[(weights == 0) & off_diagonal] > -1e-3).all()


def test_slim_is_the_same_however_its_rows_are_cut_into_blocks(train, monkeypatch):
    arguments = co_occurrences(train), jnp.float32(1.5), jnp.float32(4.0), 20
    whole = slim.slim_weights(*arguments)
    monkeypatch.setattr(slim, "ROWS_PER_BLOCK", 5)
    np.testing.assert_allclose(slim.slim_weights(*arguments), whole, atol=1e-6)


def test_popularity_counts_users(train, table):
    np.testing.assert_array_equal(scores(fit_popularity(train), 2), np.stack([table.sum(axis=0)] * 2))


def test_popularity_adds_up_weights(train, table):
    weights = np.random.default_rng(1).integers(1, 6, len(train)).astype(np.float32)
    weighted = np.zeros(table.shape)
    weighted[train.users, train.items] = weights
    scorer = fit_popularity(replace(train, weights=weights))
    np.testing.assert_array_equal(scores(scorer, 1)[0], weighted.sum(axis=0))


def test_all_of_them_can_be_ranked(train):
    for scorer in (fit_popularity(train), fit_ease(train, 1.0)):
        assert isinstance(scorer, Scorer)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (lambda train: fit_ease(train, 0.0), "regularization: expected a number > 0, got 0"),
        (lambda train: fit_item_knn(train, 0, 0.0), "num_neighbors: expected 1 to 11, got 0"),
        (lambda train: fit_item_knn(train, 12, 0.0), "num_neighbors: expected 1 to 11, got 12"),
        (lambda train: fit_item_knn(train, 3, -1.0), "shrinkage: expected a number >= 0, got -1"),
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
