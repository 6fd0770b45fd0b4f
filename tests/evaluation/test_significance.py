"""Comparisons of models: three users on paper, scipy's tests where they answer the same question, simulated truth."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from experiments.entries import results_in
from ncfjax.evaluation.metrics import hit_ratio, mrr, ndcg
from ncfjax.evaluation.significance import (
    compare,
    compare_all,
    holm,
    mcnemar,
    over_seeds,
)

RESULTS = Path(__file__).parents[2] / "results"


some_ranks = st.integers(1, 3).flatmap(lambda n: arrays(np.int64, (n, 6), elements=st.integers(0, 14)))


def random_ranks(shape: tuple[int, int], best: int = 0) -> np.ndarray:
    return np.random.default_rng(best).integers(best, 30, shape)


# ---- on paper


def test_three_users_on_paper():
    ours = np.array([[0, 2, 10], [0, 20, 10]])  # hits of two seeds: 1, 1/2, 0
    other = np.array([[10, 2, 10]])  # of one seed: 0, 1, 0
    comparison = compare(ours, other, hit_ratio, 10)  # so the differences are 1, -1/2, 0
    assert comparison.difference == pytest.approx(1 / 6)
    assert comparison.effect_size == pytest.approx(1 / np.sqrt(21))  # the s.d. is sqrt((25 + 16 + 1) / 36 / 2)
    assert (comparison.num_users, comparison.wins, comparison.losses, comparison.ties) == (3, 1, 1, 1)
    # Of the ranks 3, 2 and (zero) 1, 3 is positive: the mean is (3 + 2) / 2, the variance (3^2 + 2^2) / 4.
    assert comparison.wilcoxon == pytest.approx(2 * stats.norm.sf((3 - 5 / 2) / np.sqrt(13 / 4)))
    # Users: the variance 7/12 by 3. Seeds of ours: hit ratios 2/3 and 1/3, of which half the squared difference, 1/18,
    # by 2 seeds; noise is what they leave of the hits: variances 1/18, 4/18, 1/18, their mean by 3 - 1 users, 2 seeds.
    users, mean_square, noise = 7 / 36, 1 / 36, 1 / 36
    bound = mean_square / stats.chi2.ppf(0.2, 1)
    freedom = (users + bound - noise) ** 2 / (users**2 / 2 + bound**2)
    assert comparison.degrees_of_freedom == pytest.approx(freedom)
    half_width = stats.t.ppf(0.975, freedom) * np.sqrt(users)  # as the mean square is all noise
    assert (comparison.low, comparison.high) == pytest.approx((1 / 6 - half_width, 1 / 6 + half_width))
    assert comparison.p_value == pytest.approx(2 * stats.t.sf(1 / 6 / np.sqrt(users), freedom))


def test_seeds_that_are_paired_on_paper():
    """Hit ratios 1 and 1/2 less 3/4 and 1/4: 1/4 in each run, so that no seed tells of chance."""
    ours = np.array([[0, 0, 0, 0], [0, 0, 10, 10]])
    other = np.array([[0, 0, 0, 10], [10, 0, 10, 10]])
    comparison = compare(ours, other, hit_ratio, 10, seeds_are_paired=True)
    error = np.sqrt(np.var([0.5, 0, 0, 0.5], ddof=1) / 4)
    assert comparison.difference == 1 / 4
    assert comparison.high - comparison.low == pytest.approx(2 * stats.t.ppf(0.975, 3) * error)
    assert np.ptp(compare(ours, other, hit_ratio, 10)[1:3]) > comparison.high - comparison.low
    with pytest.raises(ValueError, match="as many runs of both, as they are paired, got 2 and 1"):
        compare(ours, other[:1], hit_ratio, 10, seeds_are_paired=True)


def test_the_gain_of_ndcg_is_averaged_over_seeds_per_user():
    comparison = compare(np.array([[0, 0], [2, 10]]), np.array([[10, 10]]), ndcg, 10)
    assert comparison.difference == ((1 + 1 / 2) / 2 + (1 + 0) / 2) / 2  # log2(2 + 2) = 2


def test_any_metric_of_ranks_can_be_compared():
    comparison = compare(np.array([[0, 4]]), np.array([[1, 9]]), lambda ranks, k: mrr(ranks), 10)
    assert comparison.difference == pytest.approx((1 - 1 / 2 + 1 / 5 - 1 / 10) / 2)


def test_a_model_that_gains_the_same_on_every_user_has_no_finite_effect_size():
    better, worse = np.zeros((1, 3), int), np.full((2, 3), 10)
    assert compare(better, worse, ndcg, 10).effect_size == np.inf
    assert compare(worse, better, ndcg, 10).effect_size == -np.inf
    assert compare(better, worse, ndcg, 10)[:4] == (1.0, 1.0, 1.0, 0.0)


def test_five_wins_and_one_loss_on_paper():
    ours, other = np.array([[1, 1, 1, 1, 1, 0, 1, 0]], bool), np.array([[0, 0, 0, 0, 0, 1, 1, 0]], bool)
    comparison = mcnemar(ours, other)
    assert comparison.p_value == pytest.approx(2 * (1 + 6) / 2**6)  # none or one of six coins, and the mirror image
    assert comparison.effect_size == pytest.approx(5 / 6 - 1 / 2)
    assert comparison[2:] == (8, 5, 1, 2)


def test_a_user_is_won_by_the_larger_share_of_hits_over_the_seeds():
    """Shares 1, 2/3, 1/3, 1/3 against 1/2, 1/2, 1/2, 0: three wins, one loss, of four coins."""
    ours = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], bool)
    other = np.array([[1, 1, 0, 0], [0, 0, 1, 0]], bool)
    assert mcnemar(ours, other) == (3 / 4 - 1 / 2, pytest.approx(2 * (1 + 4) / 2**4), 4, 3, 1, 0)


def test_runs_with_the_same_hits_differ_by_chance_only():
    hits = np.array([[True, False, True]])
    assert mcnemar(hits, hits) == (0.0, 1.0, 3, 0, 0, 3)
    assert mcnemar(hits, np.repeat(hits, 3, axis=0)) == (0.0, 1.0, 3, 0, 0, 3)  # 1/1 and 3/3


def test_three_runs_against_two_on_paper():
    """Hit ratios 3/4, 2/4, 1/4 and 1/4, 0: variances 1/16 and 1/32, so the error is sqrt(1/48 + 1/64) = 0.1909."""
    ours = np.array([[0, 0, 0, 10], [0, 0, 10, 10], [0, 10, 10, 10]])
    other = np.array([[0, 10, 10, 10], [10, 10, 10, 10]])
    comparison = over_seeds(ours, other, hit_ratio, 10)
    freedom = (1 / 48 + 1 / 64) ** 2 / (1 / 48**2 / 2 + 1 / 64**2 / 1)
    error = np.sqrt(1 / 48 + 1 / 64)
    assert comparison.difference == pytest.approx(3 / 8)
    assert comparison.p_value == pytest.approx(2 * stats.t.sf(3 / 8 / error, freedom))
    assert comparison.high - comparison.difference == pytest.approx(stats.t.ppf(0.975, freedom) * error)
    assert comparison.effect_size == pytest.approx(3 / 8 / np.sqrt((1 / 16 + 1 / 32) / 2))


def test_holm_on_paper():
    adjusted = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(adjusted, [3 * 0.01, 2 * 0.03, 2 * 0.03, 4 * 0.005])  # 0.04 may not fall below 0.03's
    np.testing.assert_array_equal(holm(np.array([0.8, 0.9])), [1.0, 1.0])
    assert holm(np.array([])).shape == (0,)


# ---- against scipy


def test_hits_of_one_run_each_are_a_sign_test():
    ours, other = random_ranks((1, 500)), random_ranks((1, 500), best=3)
    comparison = compare(ours, other, hit_ratio, 10)
    z = (comparison.wins - comparison.losses) / np.sqrt(
        comparison.wins + comparison.losses
    )  # all differences are of one size
    assert comparison.wilcoxon == pytest.approx(2 * stats.norm.sf(abs(z)))
    exact = stats.binomtest(comparison.wins, comparison.wins + comparison.losses).pvalue
    assert mcnemar(ours < 10, other < 10).p_value == pytest.approx(exact)


@given(some_ranks.map(lambda ranks: ranks[:1] < 7), some_ranks.map(lambda ranks: ranks[:1] < 7))
def test_of_one_run_each_mcnemar_is_the_binomial_test_of_the_users_that_only_one_hits(ours, other):
    only_ours, only_other = int((ours & ~other).sum()), int((other & ~ours).sum())
    comparison = mcnemar(ours, other)
    assert (comparison.wins, comparison.losses) == (only_ours, only_other)
    if only_ours + only_other:
        assert comparison.p_value == stats.binomtest(only_ours, only_ours + only_other).pvalue


def test_over_seeds_is_welchs_t_test_of_the_runs():
    ours, other = random_ranks((8, 50)), random_ranks((5, 50), best=1)
    expected = stats.ttest_ind(ndcg(ours, 10), ndcg(other, 10), equal_var=False)
    comparison = over_seeds(ours, other, ndcg, 10)
    assert comparison.p_value == pytest.approx(expected.pvalue)
    assert (comparison.low, comparison.high) == pytest.approx(tuple(expected.confidence_interval()))


@pytest.mark.parametrize("copies", [1, 3])
def test_against_a_deterministic_method_over_seeds_is_the_one_sample_t_test(copies):
    ours, fixed = random_ranks((8, 50)), np.repeat(random_ranks((1, 50), best=1), copies, axis=0)
    expected = stats.ttest_1samp(ndcg(ours, 10), ndcg(fixed[0], 10))
    comparison, back = over_seeds(ours, fixed, ndcg, 10), over_seeds(fixed, ours, ndcg, 10)
    assert comparison.p_value == back.p_value == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval()
    assert (comparison.low, comparison.high) == pytest.approx((low - ndcg(fixed[0], 10), high - ndcg(fixed[0], 10)))
    assert (back.difference, back.low, back.high) == (-comparison.difference, -comparison.high, -comparison.low)


def test_two_deterministic_methods_have_a_difference_and_no_test_over_seeds():
    comparison = over_seeds(np.array([[0, 0]]), np.array([[0, 10], [10, 0]]), hit_ratio, 10)
    assert comparison.difference == 1 / 2 and all(math.isnan(value) for value in comparison[1:])


def test_without_ties_and_zeros_wilcoxons_p_value_is_the_exact_one_nearly():
    rng = np.random.default_rng(0)
    ours, other = rng.permutation(3000)[:200].reshape(2, 1, 100)
    comparison = compare(ours, other, ndcg, 10_000)
    gains = [ndcg(ranks.T, 10_000) for ranks in (ours, other)]
    assert comparison.wilcoxon == pytest.approx(stats.wilcoxon(*gains, method="exact").pvalue, abs=0.01)


def compare_values(ours: np.ndarray, other: np.ndarray):
    """Any values in the place of a metric of ranks, to the sixth digit."""
    ranks = (np.round(1e6 * values).astype(int) for values in (ours, other))
    return compare(*ranks, lambda ranks, k: ranks.mean(axis=-1) / 1e6, 10)


def test_with_one_run_each_it_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    users = rng.normal(size=200)
    ours, other = users + rng.normal(0.1, 0.5, (1, 200)), users + rng.normal(0.0, 0.5, (1, 200))
    expected, comparison = stats.ttest_rel(ours[0], other[0]), compare_values(ours, other)
    assert (comparison.low, comparison.high) == pytest.approx(tuple(expected.confidence_interval()), abs=1e-5)
    assert comparison.p_value == pytest.approx(expected.pvalue, abs=1e-4)


def test_where_only_seeds_differ_it_is_nearly_the_t_test_between_runs():
    """A little wider: the degrees of freedom are careful."""
    rng = np.random.default_rng(0)
    users = rng.normal(size=50)
    ours, other = users + rng.normal(0.5, 1.0, (40, 1)), users + rng.normal(0.0, 1.0, (30, 1))
    expected = stats.ttest_ind(ours[:, 0], other[:, 0], equal_var=False).confidence_interval()
    comparison = compare_values(ours, other)
    assert expected.high - expected.low <= comparison.high - comparison.low < 1.02 * (expected.high - expected.low)


def test_a_run_that_is_there_twice_adds_no_certainty_of_its_seed():
    users = np.random.default_rng(0).normal(size=(1, 200))
    other = np.random.default_rng(1).normal(size=(1, 200))
    once, twice = compare_values(users, other), compare_values(np.repeat(users, 2, axis=0), other)
    assert once[:5] == pytest.approx(twice[:5])


# ---- properties


@pytest.mark.slow
@given(some_ranks, some_ranks)
def test_swapping_the_models_flips_the_sign_and_keeps_the_p_value(ours, other):
    there, back = compare(ours, other, ndcg, 10), compare(other, ours, ndcg, 10)
    assert there.difference == -back.difference and there.effect_size == -back.effect_size
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert (there.p_value, there.wilcoxon) == pytest.approx((back.p_value, back.wilcoxon), abs=1e-12)
    assert (there.wins, there.losses, there.ties) == (back.losses, back.wins, back.ties)


@given(some_ranks, some_ranks)
def test_swapping_the_models_mirrors_the_sign_test_and_the_test_over_seeds(ours, other):
    there, back = mcnemar(ours < 10, other < 10), mcnemar(other < 10, ours < 10)
    assert there.effect_size == -back.effect_size and there.p_value == pytest.approx(back.p_value)
    assert (there.wins, there.losses, there.ties) == (back.losses, back.wins, back.ties)
    there, back = over_seeds(ours, other, ndcg, 10), over_seeds(other, ours, ndcg, 10)
    mirrored = [-back.difference, -back.high, -back.low, -back.effect_size, back.p_value]
    np.testing.assert_allclose(there, mirrored, atol=1e-12)


@given(st.lists(some_ranks, min_size=2, max_size=4))
@settings(max_examples=10)
def test_every_pair_of_many_is_compared_as_if_it_were_alone(ranks):
    named = dict(zip("abcd", ranks, strict=False))
    comparisons = compare_all(named, ndcg, 10)
    assert list(comparisons) == list(itertools.combinations("abcd"[: len(ranks)], 2))
    assert compare_all(named, ndcg, 10, pairs=[("b", "a")]) == {("b", "a"): compare(named["b"], named["a"], ndcg, 10)}
    for (first, second), comparison in comparisons.items():
        assert comparison == compare(named[first], named[second], ndcg, 10)


@given(some_ranks, st.randoms())
def test_the_same_runs_in_another_order_show_no_difference(ranks, random):
    shuffled = ranks[random.sample(range(len(ranks)), len(ranks))]
    comparison = compare(ranks, shuffled, ndcg, 10)
    values = comparison.difference, comparison.effect_size, comparison.p_value, comparison.wilcoxon, comparison.ties
    assert values == (0.0, 0.0, 1.0, 1.0, comparison.num_users)
    assert comparison.low <= 1e-12 and comparison.high >= -1e-12


def test_sums_of_gains_in_another_order_tie():
    ranks = random_ranks((8, 500))
    comparison = compare(ranks, np.roll(ranks, 3, axis=0), ndcg, 10)
    assert (comparison.ties, comparison.p_value, comparison.wilcoxon) == (500, 1.0, 1.0)


@pytest.mark.slow
@given(some_ranks, some_ranks, st.permutations(range(6)))
def test_the_order_of_users_does_not_matter(ours, other, order):
    comparison, permuted = compare(ours, other, ndcg, 10), compare(ours[:, order], other[:, order], ndcg, 10)
    assert comparison.wins + comparison.losses + comparison.ties == comparison.num_users == 6
    assert comparison[7:] == permuted[7:]
    for name in ("difference", "low", "high", "effect_size", "p_value", "wilcoxon"):
        assert getattr(comparison, name) == pytest.approx(getattr(permuted, name), abs=1e-9)


@given(arrays(np.float64, st.integers(1, 8), elements=st.floats(0, 1)), st.randoms())
def test_holm_is_monotone_and_between_the_plain_and_the_bonferroni_values(p_values, random):
    adjusted, bonferroni = holm(p_values), np.minimum(1.0, len(p_values) * p_values)
    assert (p_values <= adjusted).all() and (adjusted <= bonferroni).all()
    assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()
    order = random.sample(range(len(p_values)), len(p_values))
    np.testing.assert_array_equal(holm(p_values[order]), adjusted[order])


# ---- real runs


def test_the_committed_runs_tell_sizes_apart_as_far_as_their_seeds_and_users_do():
    store = results_in(RESULTS).store("figure2-ml-1m", "sweep")
    runs = store.runs()
    runs = runs[(runs["model"] == "dot") & (runs["objective"] == "expected")]
    ranks = {
        dim: np.stack([store.ranks(run_id)["sampled"] for run_id in rows["run_id"]])
        for dim, rows in runs.groupby("embedding_dim")
    }
    means = runs.groupby("embedding_dim")["hit_ratio@10"].mean()
    comparison = compare(ranks[192], ranks[16], hit_ratio, 10)
    assert comparison.difference == pytest.approx(means[192] - means[16])
    assert (
        comparison.num_users == 6040 and 0.03 < comparison.low < comparison.high < 0.05 and comparison.p_value < 1e-20
    )
    near = compare(ranks[192], ranks[128], hit_ratio, 10)
    assert near.low < 0 < near.high and near.high - near.low < 0.006 and near.p_value > 0.05


# ---- what is no ranks


@pytest.mark.parametrize(
    ("ours", "other"),
    [
        ((2, 5), (2, 6)),  # other users
        ((5,), (5,)),
        ((2, 5), (5,)),
        ((1, 2, 5), (1, 2, 5)),
        ((0, 5), (2, 5)),
        ((2, 5), (0, 5)),
        ((2, 1), (2, 1)),
    ],
)
def test_ranks_that_cannot_be_paired_are_refused(ours, other):
    for test in (compare, over_seeds):
        with pytest.raises(
            ValueError, match=r"ranks: expected int\[seeds, users\].*got {'ours': \(.*\), 'other': \(.*\)}"
        ):
            test(np.zeros(ours, int), np.zeros(other, int), ndcg, 10)


@pytest.mark.parametrize("shapes", [{}, {"a": (2, 5)}, {"a": (2, 5), "b": (1, 5), "c": (2, 6)}])
def test_models_that_cannot_all_be_paired_are_refused(shapes):
    with pytest.raises(ValueError, match=r"ranks: expected int\[seeds, users\] of two or more models.*got {"):
        compare_all({name: np.zeros(shape, int) for name, shape in shapes.items()}, ndcg, 10)


@pytest.mark.parametrize(("ours", "other"), [((1, 5), (1, 6)), ((5,), (5,)), ((5,), (1, 5)), ((0, 5), (1, 5))])
def test_hits_that_cannot_be_paired_are_refused(ours, other):
    with pytest.raises(ValueError, match=r"hits: expected bool\[seeds, users\] twice.* got"):
        mcnemar(np.zeros(ours, bool), np.zeros(other, bool))


@pytest.mark.parametrize("p_values", [[0.1, 1.1], [-0.1], [0.1, np.nan], [[0.1]]])
def test_what_is_no_family_of_p_values_is_refused(p_values):
    with pytest.raises(ValueError, match=r"p-values: expected float\[tests\] from 0 to 1, got"):
        holm(np.array(p_values))
