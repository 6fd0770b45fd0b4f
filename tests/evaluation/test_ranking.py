from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.history import pack_history, unpack_history
from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.evaluation.metrics import hit_ratio, ndcg
from ncfjax.evaluation.ranking import Ranking, make_evaluation_batches, rank_held_out, ranking_of


class Scorer:
    """Anything with `score_all` can be ranked."""

    def __init__(self, table):
        self.table = jnp.asarray(table, jnp.float32)

    def score_all(self, users):
        return (
            jnp.broadcast_to(self.table, (len(users), self.table.shape[-1]))
            if self.table.ndim == 1
            else self.table[users]
        )


class Given(NamedTuple):
    """Scores by user."""

    scores: np.ndarray

    def score_all(self, users):
        return jnp.asarray(self.scores)[users]


def evaluate(table, data):
    ranks = rank_held_out(Scorer(table), make_evaluation_batches(data))
    return [np.asarray(x)[: len(data.held_out)] for x in ranks]


@pytest.mark.realdata
def test_popularity_on_movielens_1m_gives_the_published_numbers(ml_1m):
    popularity = np.bincount(ml_1m.train.items, minlength=ml_1m.train.num_items)
    sampled, _ = evaluate(popularity, ml_1m)
    assert (round(hit_ratio(sampled, 10), 4), round(ndcg(sampled, 10), 4)) == (0.4531, 0.2541)


@pytest.mark.realdata
def test_a_random_scorer_on_movielens_1m_hits_one_in_ten(ml_1m):
    table = np.random.default_rng(0).random((ml_1m.train.num_users, ml_1m.train.num_items))
    sampled, full = evaluate(table, ml_1m)
    assert hit_ratio(sampled, 10) == pytest.approx(0.100, abs=0.012)  # three standard errors of 6,040 users
    assert ndcg(sampled, 10) == pytest.approx(0.0454, abs=0.007)
    assert hit_ratio(full, 10) == pytest.approx(10 / 3540, abs=0.0025)


@pytest.mark.realdata
def test_counting_the_156_listed_positives_as_ties_would_cost_ndcg(ml_1m):
    popularity = np.bincount(ml_1m.train.items, minlength=ml_1m.train.num_items)
    sampled, _ = evaluate(popularity, ml_1m)
    listed = np.any(ml_1m.held_out.negatives == ml_1m.held_out.positives[:, None], axis=1)
    assert listed.sum() == 156
    loss = ndcg(sampled, 10) - ndcg(sampled + listed, 10)
    assert 0.0003 < loss < 0.003


@pytest.mark.parametrize("filling", [9.0, np.nan])
def test_columns_past_the_last_item_are_not_ranked(filling):
    data = make_synthetic(SyntheticOptions(num_users=60, num_items=150, interactions_per_user=8))
    table = np.random.default_rng(0).random((60, 150)).astype(np.float32)
    wider = np.pad(table, ((0, 0), (0, 3)), constant_values=filling)
    ranks, of_wider = (ranking_of(Given(scores), data) for scores in (table, wider))
    for name in Ranking._fields:
        np.testing.assert_array_equal(getattr(of_wider, name), getattr(ranks, name), name)


def test_ranks_of_blocks_equal_ranks_of_one_user_at_a_time(monkeypatch):
    data = make_synthetic(SyntheticOptions(num_users=60, num_items=150, interactions_per_user=8))
    table = np.random.default_rng(0).random((60, 150))
    expected = evaluate(table, data)
    monkeypatch.setattr("ncfjax.evaluation.ranking.USERS_PER_BLOCK", 7)  # 60 is no multiple of 7
    for got, want in zip(evaluate(table, data), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_histories_survive_packing(monkeypatch):
    from ncfjax.data.interactions import Interactions

    monkeypatch.setattr("ncfjax.data.history.BYTES_PER_CHUNK", 3 * 13)
    rng = np.random.default_rng(0)
    dense = rng.random((8, 13)) < 0.3
    users, items = (x.astype(np.int32) for x in np.nonzero(dense))
    shuffle = rng.permutation(len(users))
    packed = pack_history(Interactions(users[shuffle], items[shuffle], 8, 13))
    np.testing.assert_array_equal(unpack_history(jnp.asarray(packed), jnp.arange(8), 13), dense)
    assert not np.any(unpack_history(jnp.asarray(packed), jnp.array([8]), 13)), "padding has no history"
