from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.baselines.popularity import fit_popularity
from ncfjax.data.catalog import load
from ncfjax.evaluation.metrics import hit_ratio, mrr, ndcg, recall
from ncfjax.evaluation.ranking import ranking_of, ranks_of
from ncfjax.evaluation.ranking_rules import Rules
from ncfjax.evaluation.sampled import sampled_ranks, sampled_ties

SCORES = jnp.array([[2.0, 2.0, 2.0, 3.0, 1.0]])


@pytest.mark.parametrize(("ties", "expected"), [("against", 3), ("order", 2), ("favour", 1)])
def test_among_sampled_candidates_a_tie_is_settled_by_its_rule(ties, expected):
    # The positive, 1, is listed between the two others of its score: after 0, before 2.
    negatives = jnp.array([[3, 0, 1, 2, 4]])
    assert sampled_ranks(SCORES, jnp.array([1]), negatives, Rules(ties)).tolist() == [expected]


def test_a_positive_that_is_not_listed_loses_ties_by_order_as_in_ncfs_code():
    assert sampled_ranks(SCORES, jnp.array([1]), jnp.array([[3, 0, 2, 4]]), Rules("order")).tolist() == [3]


@pytest.mark.parametrize(("ties", "expected"), [("against", 2), ("order", 1), ("favour", 1)])
def test_a_counted_self_negative_is_a_tie(ties, expected):
    rules = Rules(ties, "counted")
    assert sampled_ranks(SCORES, jnp.array([1]), jnp.array([[3, 1]]), rules).tolist() == [expected]


class Table(NamedTuple):
    """Given scores."""

    scores: jax.Array

    def score_all(self, users):
        return self.scores[users]


def plain_loop(scores, data, ties):
    """Full ranks, counted one by one."""
    seen = set(zip(data.train.users.tolist(), data.train.items.tolist(), strict=True))
    ranks = []
    for user, positive in zip(data.held_out.users.tolist(), data.held_out.positives.tolist(), strict=True):
        others = [i for i in range(scores.shape[1]) if (user, i) not in seen and i != positive]
        score, row = scores[user, positive], scores[user]
        first = {
            "against": lambda i: True,
            "favour": lambda i: False,
            "order": lambda i, positive=positive: i < positive,
        }[ties]
        ranks.append(sum(row[i] > score or (row[i] == score and first(i)) for i in others))
    return ranks


@pytest.mark.parametrize("ties", ["against", "order", "favour"])
def test_full_ranks_follow_the_rule_of_ties(ties):
    data = load("synthetic", num_negatives=20)
    scores = np.random.default_rng(0).integers(0, 6, (data.train.num_users, data.train.num_items)).astype(np.float32)
    ranks = ranks_of(Table(jnp.asarray(scores)), data, Rules(ties))
    assert ranks.full[:40].tolist() == plain_loop(scores, data, ties)[:40]


def test_a_rule_that_there_is_not_is_refused():
    data = load("synthetic", num_negatives=20)
    with pytest.raises(ValueError, match="ties: expected one of against, order, favour, average, got 'random'"):
        ranks_of(fit_popularity(data.train), data, Rules("random"))


def test_the_items_that_a_held_out_item_is_ranked_against_are_those_not_in_training():
    data = load("synthetic", num_negatives=20)
    worst = ranks_of(Table(jnp.zeros((data.train.num_users, data.train.num_items))), data).full
    np.testing.assert_array_equal(data.num_others, worst)


def test_recall_of_one_relevant_item_is_the_hit_ratio_and_mrr_may_be_cut():
    ranks = np.array([0, 3, 10, 50])
    assert recall(ranks, 10) == hit_ratio(ranks, 10) == 0.5
    assert mrr(ranks, 10) == (1 + 1 / 4) / 4 < mrr(ranks)
    assert mrr(ranks, 1) == ndcg(ranks, 1) == hit_ratio(ranks, 1) == 0.25


@pytest.mark.realdata
def test_popularity_on_movielens_by_each_rule(ml_1m):
    """0.4535 / 0.2543 are published, with ties by order; ours count against the model."""
    scorer = fit_popularity(ml_1m.train)
    ranks = {rules: ranks_of(scorer, ml_1m, rules).sampled for rules in map(Rules, ("against", "order", "favour"))}
    values = {rules.ties: (round(hit_ratio(r, 10), 4), round(ndcg(r, 10), 4)) for rules, r in ranks.items()}
    assert values["against"] == (0.4531, 0.2541)
    assert values["against"] <= values["order"] <= values["favour"]
    counted = ranks_of(scorer, ml_1m, Rules("against", "counted")).sampled
    lists_itself = (ml_1m.held_out.negatives == ml_1m.held_out.positives[:, None]).sum(axis=1)
    np.testing.assert_array_equal(counted - ranks[Rules()], lists_itself)
    assert (lists_itself > 0).sum() == 156


# the rule `average`


METRICS = [
    lambda r, t: hit_ratio(r, 3, t),
    lambda r, t: ndcg(r, 3, t),
    lambda r, t: mrr(r, ties=t),
    lambda r, t: mrr(r, 3, t),
]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=5))
def test_the_average_over_orders_of_ties_is_the_mean_over_their_ranks(users):
    """Every place from the first to the last of the equal ones is as likely."""
    first, ties = (np.array(column) for column in zip(*users, strict=True))
    for metric in METRICS:
        places = [np.mean([metric(np.array([a + step]), None) for step in range(t + 1)]) for a, t in users]
        assert metric(first + ties, ties) == pytest.approx(np.mean(places), abs=1e-12)
        assert metric(first, np.zeros_like(ties)) == metric(first, None), "without ties to the bit"


def test_a_constant_scorer_is_a_random_one_on_the_average_over_orders():
    data = load("synthetic", num_negatives=20)
    ranking = ranking_of(Table(jnp.zeros((data.train.num_users, data.train.num_items))), data, Rules("average"))
    assert (ranking.sampled == 20).all() and (ranking.sampled_ties == 20).all()
    np.testing.assert_array_equal(ranking.full_ties, data.num_others)
    assert hit_ratio(ranking.sampled, 10, ranking.sampled_ties) == pytest.approx(10 / 21)
    assert hit_ratio(ranking.full, 10, ranking.full_ties) == pytest.approx(np.mean(10 / (1 + data.num_others)))


def test_ties_are_what_lies_between_the_ranks_against_and_in_favour():
    data = load("synthetic", num_negatives=20)
    scores = np.random.default_rng(0).integers(0, 6, (data.train.num_users, data.train.num_items)).astype(np.float32)
    scores[:20] = np.nan  # which ties with nothing
    table = Table(jnp.asarray(scores))
    against, favour = (ranking_of(table, data, Rules(ties)) for ties in ("against", "favour"))
    for protocol in ("sampled", "full"):
        ties = getattr(against, f"{protocol}_ties")
        np.testing.assert_array_equal(ties, getattr(against, protocol) - getattr(favour, protocol))
        assert (ties[:20] == 0).all() and (ties > 0).any()


def test_a_self_negative_that_is_counted_ties_and_one_that_is_masked_does_not():
    negatives, positives = jnp.array([[3, 1, 0]]), jnp.array([1])
    counts = [sampled_ties(SCORES, positives, negatives, Rules("average", rule)) for rule in ("masked", "counted")]
    assert [count.tolist() for count in counts] == [[1], [2]]
