import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.evaluation.full import full_ranks
from ncfjax.evaluation.metrics import hit_ratio, mrr, ndcg
from ncfjax.evaluation.rank import rank_of_positive
from ncfjax.evaluation.sampled import sampled_ranks

compiled_rank = jax.jit(rank_of_positive)
scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


def rank(positive, candidates, valid=None):
    """Of one user; filled up with candidates that are not valid, so that all lengths share a program."""
    padding = 12 - len(candidates)
    valid = [*([True] * len(candidates) if valid is None else valid), *[False] * padding]
    rows = np.array([positive]), np.array([[*candidates, *[9.0] * padding]]), np.array([valid])
    return int(compiled_rank(*(np.float32(x) if x.dtype == float else x for x in rows))[0])


def test_three_users_on_paper():
    ranks = np.array([0, 2, 10])
    assert hit_ratio(ranks, 10) == 2 / 3
    assert ndcg(ranks, 10) == (1 + 1 / 2 + 0) / 3  # log2(2 + 2) = 2
    assert mrr(ranks) == (1 + 1 / 3 + 1 / 11) / 3


def test_the_first_rank_outside_k_is_no_hit():
    assert hit_ratio(np.array([9]), 10) == 1 and hit_ratio(np.array([10]), 10) == 0
    assert ndcg(np.array([9]), 10) > 0 and ndcg(np.array([10]), 10) == 0


def test_k_beyond_the_candidates_makes_every_user_a_hit():
    assert hit_ratio(np.arange(5), 100) == 1


def test_members_are_kept_and_users_averaged():
    ranks = np.array([[0, 0], [0, 50]])
    np.testing.assert_array_equal(hit_ratio(ranks, 10), [1.0, 0.5])


@given(scores, st.integers(-3, 3).map(float))
def test_a_rank_counts_the_candidates_that_score_at_least_as_high(candidates, positive):
    assert rank(positive, candidates) == sum(candidate >= positive for candidate in candidates)


@given(scores, st.randoms())
def test_permuting_candidates_keeps_the_rank(candidates, random):
    permuted = list(candidates)
    random.shuffle(permuted)
    assert rank(0.0, permuted) == rank(0.0, candidates)


@given(scores)
def test_raising_the_positive_never_lowers_its_place(candidates):
    assert rank(1.0, candidates) <= rank(0.0, candidates)


@given(scores)
def test_a_constant_scorer_ranks_last(candidates):
    assert rank(0.5, [0.5] * len(candidates)) == len(candidates)


@given(scores)
def test_a_nan_positive_ranks_last(candidates):
    assert rank(float("nan"), candidates) == len(candidates)


def test_a_nan_candidate_counts_against_the_model():
    assert rank(1.0, [float("nan"), 0.0]) == 1


def test_candidates_that_are_not_valid_are_not_counted():
    assert rank(0.0, [5.0, 5.0], [True, False]) == 1


def test_the_positive_does_not_outrank_itself_among_its_negatives():
    all_scores = jnp.array([[0.1, 0.9, 0.5]])
    negatives = jnp.array([[0, 1, 2]])  # the positive, 1, is listed among them (156 lines of ML-1M)
    assert sampled_ranks(all_scores, jnp.array([1]), negatives).tolist() == [0]


def test_full_ranks_leave_out_the_history_and_the_item_itself():
    all_scores = jnp.array([[3.0, 2.0, 1.0, 0.0]])
    seen = jnp.array([[True, False, False, False]])
    assert full_ranks(all_scores, jnp.array([2]), seen).tolist() == [1]


@given(st.integers(0, 1000))
def test_full_ranks_equal_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    table, seen = rng.integers(0, 5, (3, 8)).astype(np.float32), rng.random((3, 8)) < 0.4
    positives = rng.integers(0, 8, 3)
    expected = [
        sum(table[u, i] >= table[u, positives[u]] for i in range(8) if i != positives[u] and not seen[u, i])
        for u in range(3)
    ]
    assert full_ranks(jnp.array(table), jnp.array(positives), jnp.array(seen)).tolist() == expected
