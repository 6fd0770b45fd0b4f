"""Ranks and metrics of several held-out items, on paper and against a sort of every user's items."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.held_out_users import HeldOutUsers
from ncfjax.data.interactions import Interactions
from ncfjax.evaluation.fold_out import fold_out_ranks
from ncfjax.evaluation.fold_out_metrics import fold_out_metrics, ndcg, recall


class Given(NamedTuple):
    """Scores by user."""

    scores: np.ndarray

    def score_all(self, users):
        return jnp.asarray(self.scores)[users]


class OnHost(Given):
    on_host = True

    def score_all(self, users):
        return self.scores[users]


def data_of(fold_in: list[tuple[int, int]], fold_out: list[tuple[int, int]], num_users: int, num_items: int):
    train = Interactions(np.zeros(1, int), np.zeros(1, int), 1, num_items)
    parts = [Interactions(*np.array(pairs).T, num_users, num_items) for pairs in (fold_in, fold_out)]
    return HeldOutUsers("tiny", "test", train, *parts)


def drawn_data(num_users=150, num_items=40, seed=0):
    random = np.random.default_rng(seed)
    has = random.random((num_users, num_items)) < random.random((num_users, 1)) * 0.7
    has[0], has[:, :2] = False, [True, False]
    is_in = random.random(has.shape) < 0.6
    is_in[:, 0] = True
    return data_of(np.argwhere(has & is_in).tolist(), np.argwhere(has & ~is_in).tolist(), num_users, num_items)


def sorted_ranks(scores: np.ndarray, data: HeldOutUsers) -> np.ndarray:
    """Of each pair, by sorting what the user is not folded in with: others first among equals, NaN as they must."""
    ranks = np.empty(len(data.fold_out), int)
    for user in np.unique(data.fold_out.users):
        rows = np.flatnonzero(data.fold_out.users == user)
        seen = set(data.fold_in.items[data.fold_in.users == user])
        own = {item: row for row, item in zip(rows, data.fold_out.items[rows], strict=True)}
        value = lambda i: scores[user, i] if not np.isnan(scores[user, i]) else (-np.inf if i in own else np.inf)  # noqa: E731, B023
        order = sorted(set(range(scores.shape[1])) - seen, key=lambda i: (-value(i), i in own, own.get(i, 0)))
        for rank, item in enumerate(order):
            if item in own:
                ranks[own[item]] = rank
    return ranks


def test_ranks_count_the_items_that_the_user_has_nowhere_and_the_held_out_ones_before():
    data = data_of([(0, 0), (1, 1)], [(0, 2), (0, 4), (1, 0)], num_users=2, num_items=5)
    scores = np.array([[9, 3, 2, 1, 4], [5, 9, 5, 7, 1]], np.float32)
    assert fold_out_ranks(Given(scores), data).tolist() == [2, 0, 2]


@pytest.mark.parametrize("kind", [Given, OnHost])
@pytest.mark.parametrize("spoil", ["nothing", "ties", "nan"])
def test_ranks_are_those_of_a_sort_with_ties_and_nan_against_the_model(kind, spoil):
    data, random = drawn_data(), np.random.default_rng(1)
    scores = random.normal(size=(150, 40)).astype(np.float32)
    if spoil == "ties":
        scores = np.round(scores)
    if spoil == "nan":
        scores[random.random(scores.shape) < 0.1] = np.nan
    np.testing.assert_array_equal(fold_out_ranks(kind(scores), data), sorted_ranks(scores, data))


@pytest.mark.parametrize("filling", [9.0, np.nan])
def test_columns_past_the_last_item_are_not_ranked(filling):
    data, scores = drawn_data(), np.random.default_rng(1).normal(size=(150, 40)).astype(np.float32)
    wider = np.pad(scores, ((0, 0), (0, 3)), constant_values=filling)
    np.testing.assert_array_equal(fold_out_ranks(Given(wider), data), fold_out_ranks(Given(scores), data))


def test_a_constant_and_a_nan_scorer_rank_last():
    data = drawn_data()
    for value in (0.0, np.nan):
        ranks = fold_out_ranks(Given(np.full((150, 40), value, np.float32)), data)
        left = 40 - np.bincount(data.fold_in.users, minlength=150)
        last = np.zeros(150, int)
        np.maximum.at(last, data.fold_out.users, ranks + 1)
        asked = np.unique(data.fold_out.users)
        assert (last[asked] == left[asked]).all() and fold_out_metrics(ranks, data.fold_out.users)["recall@20"] < 0.7


def test_metrics_on_paper():
    ranks, users = np.array([0, 3, 1, 7], np.uint8), np.array([4, 4, 6, 4])
    assert recall(ranks, users, 2).tolist() == [1 / 2, 1.0]
    assert recall(ranks, users, 5).tolist() == [2 / 3, 1.0]
    gain = [1 / np.log2(rank + 2) for rank in range(8)]
    expected = [(gain[0] + gain[3]) / sum(gain[:3]), gain[1] / gain[0]]
    np.testing.assert_allclose(ndcg(ranks, users, 5), expected)
    np.testing.assert_allclose(ndcg(ranks, users, 2), [gain[0] / sum(gain[:2]), gain[1] / gain[0]])


def test_a_perfect_order_is_one_by_every_metric_however_long_the_list():
    ranks = np.concatenate([np.arange(n) for n in (1, 30, 200)])
    assert fold_out_metrics(ranks, np.repeat([0, 1, 2], [1, 30, 200])) == pytest.approx(
        {"recall@20": 1.0, "recall@50": 1.0, "ndcg@100": 1.0}
    )
