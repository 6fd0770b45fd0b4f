"""Corrected sampled metrics: three ranks on paper, scipy's distributions and minimiser, and negatives really drawn."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from ncfjax.evaluation.estimators import (
    CorrectedEstimate,
    bias_variance,
    corrected_values,
    estimator_errors,
    naive,
    over_users,
    sampled_rank_probabilities,
    unbiased_rank,
    uniform,
)
from ncfjax.evaluation.metrics import hit_ratio, mrr, ndcg

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.booleans()).filter(lambda s: s[2] or s[1] <= s[0])


def estimate(*arguments):
    return over_users(corrected_values(*arguments))


def auc(ranks: np.ndarray, k: int) -> np.ndarray:
    """Linear in the rank, with k for the number of others."""
    return np.mean(1 - np.asarray(ranks) / k, axis=-1)


def favour_the_first(ranks: np.ndarray) -> np.ndarray:
    return 1 / (1.0 + ranks)


def bias_and_variance(
    correction: np.ndarray, metric, k: int, num_others: int, *, replacement: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Of the correction for every full rank."""
    probabilities = sampled_rank_probabilities(num_others, len(correction) - 1, replacement=replacement)
    expected = probabilities @ correction
    exact = metric(np.arange(num_others + 1)[:, None], k)
    return expected - exact, probabilities @ correction**2 - expected**2


# ---- on paper


@pytest.mark.parametrize("replacement", [True, False])  # one sample is the same either way
@pytest.mark.parametrize(
    ("tradeoff", "expected"),
    [
        (0.0, [5 / 6, -1 / 6]),  # the line through (1, 0, 0) by least squares
        (0.5, [11 / 15, -1 / 15]),  # of (1/24) ((11, 1), (1, 11)) g = (1/3) (1, 0)
        (1.0, [2 / 3, 0]),  # s = 0 is always rank 0, and rank 1 half the time
    ],
)
def test_three_ranks_and_one_sample_on_paper(tradeoff, expected, replacement):
    estimates = bias_variance(hit_ratio, 1, 2, 1, tradeoff=tradeoff, replacement=replacement)
    np.testing.assert_allclose(estimates, expected, atol=1e-12)


def test_the_rank_is_scaled_to_the_catalogue():
    np.testing.assert_array_equal(unbiased_rank(hit_ratio, 3, 4, 2), [1, 1, 0])  # ranks 0, 2 and 4
    np.testing.assert_array_equal(naive(hit_ratio, 2, 4, 2), [1, 1, 0])


def test_between_two_ranks_the_metric_is_interpolated():
    np.testing.assert_allclose(unbiased_rank(ndcg, 10, 3, 2), [1, (1 / np.log2(3) + 1 / 2) / 2, 1 / np.log2(5)])


def test_two_users_with_catalogues_of_their_own_on_paper():
    ranks, others = np.array([0, 1]), np.array([2, 4])
    correction = partial(bias_variance, tradeoff=1.0, replacement=True)
    values = corrected_values(ranks, others, 1, hit_ratio, 1, correction)
    np.testing.assert_allclose(values, [2 / 3, 0], atol=1e-12)
    estimates = estimate(ranks, others, 1, hit_ratio, 1, correction)
    assert estimates.mean == pytest.approx(1 / 3) and estimates.standard_error == pytest.approx(1 / 3)


def test_without_a_correction_the_estimate_is_the_sampled_metric():
    ranks, others = np.random.default_rng(0).integers(0, 100, 50), np.full(50, 3_000)
    assert estimate(ranks, others, 99, ndcg, 10, naive).mean == pytest.approx(ndcg(ranks, 10))


# ---- against scipy


@given(sizes)
def test_probabilities_are_scipys(size):
    num_others, num_sampled, replacement = size
    ranks, sampled = np.arange(num_others + 1)[:, None], np.arange(num_sampled + 1)
    if replacement:
        expected = stats.binom.pmf(sampled, num_sampled, ranks / num_others)
    else:
        expected = stats.hypergeom.pmf(sampled, num_others, ranks, num_sampled)
    estimates = sampled_rank_probabilities(num_others, num_sampled, replacement=replacement)
    np.testing.assert_allclose(estimates, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("num_others", "num_sampled"), [(3_600, 99), (10_000, 99), (2_000, 999), (999, 999)])
@pytest.mark.parametrize("replacement", [True, False])
def test_probabilities_of_large_catalogues_sum_to_one(num_others, num_sampled, replacement):
    estimates = sampled_rank_probabilities(num_others, num_sampled, replacement=replacement)
    assert estimates.shape == (num_others + 1, num_sampled + 1) and (estimates >= 0).all()
    np.testing.assert_allclose(estimates.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(estimates, estimates[::-1, ::-1], atol=1e-9)  # the last is the first, from below


@pytest.mark.parametrize("prior", [uniform, favour_the_first])
@pytest.mark.parametrize("tradeoff", [0.0, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("replacement", [True, False])
def test_the_closed_form_is_what_a_minimiser_finds(tradeoff, replacement, prior):
    weights = prior(np.arange(9)) / prior(np.arange(9)).sum()

    def objective(correction: np.ndarray) -> float:
        bias, variance = bias_and_variance(correction, ndcg, 3, 8, replacement=replacement)
        return float(weights @ (bias**2 + tradeoff * variance))

    estimates = bias_variance(ndcg, 3, 8, 4, tradeoff=tradeoff, replacement=replacement, prior=prior)
    best = optimize.minimize(objective, np.zeros(5), options={"gtol": 1e-9})
    assert objective(estimates) <= best.fun + 1e-12
    np.testing.assert_allclose(estimates, best.x, atol=1e-4)


def test_the_least_squared_error_is_the_mean_over_ranks_given_the_sampled_one():
    joint = favour_the_first(np.arange(31))[:, None] * sampled_rank_probabilities(30, 9, replacement=False)
    estimates = bias_variance(ndcg, 5, 30, 9, tradeoff=1.0, replacement=False, prior=favour_the_first)
    expected = ndcg(np.arange(31)[:, None], 5) @ joint / joint.sum(axis=0)
    np.testing.assert_allclose(estimates, expected, atol=1e-12)


def test_of_many_unbiased_corrections_the_one_of_least_variance_is_taken():
    """Three ranks fix three of the six values of g; the rest is free."""
    estimates = bias_variance(ndcg, 2, 2, 5, tradeoff=0.0, replacement=True)
    bias, variance = bias_and_variance(estimates, ndcg, 2, 2, replacement=True)
    np.testing.assert_allclose(bias, 0, atol=1e-9)
    free = np.linalg.svd(sampled_rank_probabilities(2, 5, replacement=True))[2][3:]
    for step in 0.1 * np.concatenate([free, -free]):
        other, wider = bias_and_variance(estimates + step, ndcg, 2, 2, replacement=True)
        np.testing.assert_allclose(other, 0, atol=1e-9)
        assert wider.mean() > variance.mean()


# ---- properties


@given(sizes)
def test_the_rank_estimate_is_unbiased(size):
    num_others, num_sampled, replacement = size
    bias, _ = bias_and_variance(
        unbiased_rank(auc, num_others, num_others, num_sampled), auc, num_others, num_others, replacement=replacement
    )
    np.testing.assert_allclose(bias, 0, atol=1e-9)


@given(sizes)
def test_a_metric_that_is_linear_in_the_rank_is_corrected_without_bias(size):
    num_others, num_sampled, replacement = size
    estimates = bias_variance(auc, num_others, num_others, num_sampled, tradeoff=0.0, replacement=replacement)
    bias, _ = bias_and_variance(estimates, auc, num_others, num_others, replacement=replacement)
    np.testing.assert_allclose(bias, 0, atol=1e-5)


@pytest.mark.parametrize("metric", [hit_ratio, ndcg])
@pytest.mark.parametrize("tradeoff", [0.0, 0.1, 1.0])
def test_all_items_as_samples_give_the_exact_metric(metric, tradeoff):
    exact = metric(np.arange(101)[:, None], 10)
    estimates = bias_variance(metric, 10, 100, 100, tradeoff=tradeoff, replacement=False)
    np.testing.assert_allclose(estimates, exact, atol=1e-9)
    np.testing.assert_array_equal(unbiased_rank(metric, 10, 100, 100), exact)
    ranks = np.random.default_rng(0).integers(0, 101, 50)
    correction = partial(bias_variance, tradeoff=tradeoff, replacement=False)
    assert estimate(ranks, np.full(50, 100), 100, metric, 10, correction).mean == pytest.approx(metric(ranks, 10))


@pytest.mark.parametrize("metric", [hit_ratio, ndcg, lambda ranks, k: mrr(ranks)])
@pytest.mark.parametrize("replacement", [True, False])
def test_a_smaller_tradeoff_means_less_bias_and_more_variance_and_none_the_least_bias(metric, replacement):
    tradeoffs = [1.0, 0.1, 0.01, 1e-4, 0.0]
    estimates = [bias_variance(metric, 10, 400, 20, tradeoff=t, replacement=replacement) for t in tradeoffs]
    others = [correction(metric, 10, 400, 20) for correction in (naive, unbiased_rank)]
    measured = [bias_and_variance(g, metric, 10, 400, replacement=replacement) for g in estimates + others]
    squared_bias = np.array([np.mean(bias**2) for bias, _ in measured])
    variance = np.array([np.mean(variance) for _, variance in measured])
    assert (np.diff(squared_bias[:5]) < 0).all() and (np.diff(variance[:5]) > 0).all()
    assert squared_bias.argmin() == 4


def test_the_least_bias_of_99_samples_is_kept_from_rounding():
    estimates, small = (bias_variance(hit_ratio, 10, 3_600, 99, tradeoff=t, replacement=False) for t in (0.0, 1e-6))
    bias, rest = (bias_and_variance(g, hit_ratio, 10, 3_600, replacement=False)[0] for g in (estimates, small))
    assert np.isfinite(estimates).all() and np.mean(bias**2) < np.mean(rest**2)


def test_sampled_ranks_that_cannot_occur_are_worth_nothing():
    for tradeoff in (0.0, 0.1, 1.0):
        estimates = bias_variance(
            ndcg, 10, 50, 9, tradeoff=tradeoff, replacement=True, prior=lambda ranks: (ranks == 0).astype(float)
        )
        np.testing.assert_allclose(estimates, [1.0] + [0.0] * 9, atol=1e-12)


def test_a_metric_of_nothing_is_corrected_to_nothing():
    assert not bias_variance(hit_ratio, 10, 50, 9, tradeoff=0.1, replacement=True, prior=lambda r: r > 20).any()


def test_members_are_kept_and_small_unsigned_ranks_read():
    rng = np.random.default_rng(0)
    ranks, others = rng.integers(0, 100, (2, 3, 40), dtype=np.uint8), rng.integers(500, 505, 40, dtype=np.uint16)
    correction = partial(bias_variance, tradeoff=0.1, replacement=False)
    estimates = estimate(ranks, others, 99, ndcg, 10, correction)
    assert estimates.mean.shape == estimates.standard_error.shape == (2, 3)
    alone = estimate(ranks[1, 2].astype(int), others.astype(int), 99, ndcg, 10, correction)
    assert (estimates.mean[1, 2], estimates.standard_error[1, 2]) == pytest.approx(alone)
    assert corrected_values(ranks[0], others, 99, ndcg, 10, naive).shape == (3, 40)
    assert corrected_values(ranks[..., :0], others[:0], 99, ndcg, 10, naive).shape == (2, 3, 0)


# ---- against a simulated truth


def sampled_by_drawing(rng: np.random.Generator, ranks: np.ndarray, others: np.ndarray, num_sampled: int) -> np.ndarray:
    """How many of the negatives, drawn from items 0 ... n - 1 in the model's order, come before the positive."""
    drawn = [rng.choice(n, num_sampled, replace=False) for n in others]
    return (np.array(drawn) < ranks[:, None]).sum(axis=1)


@pytest.mark.parametrize("metric", [hit_ratio, ndcg])
def test_corrections_come_closer_to_the_exact_metric_than_the_sampled_one(metric):
    rng = np.random.default_rng(0)
    others = rng.choice([180, 200, 230], 3_000)
    ranks = np.floor((others + 1) * rng.beta(0.5, 2.0, 3_000)).astype(int)  # most are near the top
    sampled = sampled_by_drawing(rng, ranks, others, 20)
    exact = metric(ranks, 10)
    tradeoffs = (0.1, 0.01, 0.001)
    corrections = [partial(bias_variance, tradeoff=tradeoff, replacement=False) for tradeoff in tradeoffs]
    plain, plugged, *estimates = (
        estimate(sampled, others, 20, metric, 10, correction) for correction in (naive, unbiased_rank, *corrections)
    )
    errors = [abs(one.mean - exact) for one in estimates]
    assert max(errors) < 0.15 * abs(plain.mean - exact) and abs(plugged.mean - exact) < 0.5 * abs(plain.mean - exact)
    assert estimates[0].standard_error < estimates[1].standard_error < estimates[2].standard_error
    assert errors[2] < 3 * estimates[2].standard_error


def test_the_standard_error_is_the_spread_of_estimates_of_other_users_and_other_negatives():
    rng = np.random.default_rng(0)
    ranks = np.floor(301 * rng.beta(0.5, 2.0, (400, 500))).astype(int)
    sampled = rng.hypergeometric(ranks, 300 - ranks, 20)
    correction = partial(bias_variance, tradeoff=0.01, replacement=False)
    estimates = estimate(sampled, np.full(500, 300), 20, ndcg, 10, correction)
    assert estimates.mean.std(ddof=1) == pytest.approx(
        estimates.standard_error.mean(), rel=0.15
    )  # 400 are sure to 3.5 %


# ---- what cannot be corrected


@pytest.mark.parametrize(
    ("ranks", "others"), [((5,), (6,)), ((5, 2), (5,)), ((5,), (1, 5)), ((), (1,)), ((2, 5), (2, 5))]
)
def test_ranks_of_other_users_are_refused(ranks, others):
    with pytest.raises(ValueError, match=r"ranks: expected int\[\.\.\., users\] and num_others int\[users\].* got \("):
        corrected_values(np.zeros(ranks, int), np.full(others, 20), 10, ndcg, 10, naive)


@pytest.mark.parametrize("rank", [11, -1])
def test_a_rank_that_is_none_among_the_samples_is_refused(rank):
    with pytest.raises(ValueError, match=f"sampled ranks: expected 0 to 10, got .*{rank}"):
        estimate(np.array([0, rank]), np.array([20, 20]), 10, ndcg, 10, naive)


def test_one_user_has_no_standard_error():
    with pytest.raises(ValueError, match="sampled ranks: expected two or more users, got 1"):
        estimate(np.array([0]), np.array([20]), 10, ndcg, 10, naive)


@pytest.mark.parametrize("correction", [naive, unbiased_rank, partial(bias_variance, tradeoff=0.1, replacement=True)])
@pytest.mark.parametrize(("num_others", "num_sampled"), [(0, 5), (5, 0), (-1, 5)])
def test_no_items_are_refused(correction, num_others, num_sampled):
    with pytest.raises(ValueError, match=f"items: expected one or more others and samples, got {num_others} and"):
        correction(ndcg, 10, num_others, num_sampled)


def test_more_samples_than_items_are_refused_without_replacement():
    with pytest.raises(ValueError, match="samples: expected at most 5 without replacement, got 6"):
        bias_variance(ndcg, 10, 5, 6, tradeoff=0.1, replacement=False)
    with pytest.raises(ValueError, match="samples: expected at most 5 without replacement, got 6"):
        sampled_rank_probabilities(5, 6, replacement=False)
    assert sampled_rank_probabilities(5, 6, replacement=True).shape == (6, 7)


@pytest.mark.parametrize("tradeoff", [-0.1, 1.1, np.nan])
def test_a_tradeoff_outside_zero_to_one_is_refused(tradeoff):
    with pytest.raises(ValueError, match=f"tradeoff: expected 0 to 1, got {tradeoff}"):
        bias_variance(ndcg, 10, 20, 10, tradeoff=tradeoff, replacement=True)


@pytest.mark.parametrize(
    "prior", [np.zeros_like, lambda r: np.ones(3), lambda r: r - 1.0, lambda r: np.full(len(r), np.inf)]
)
def test_weights_that_make_no_prior_are_refused(prior):
    with pytest.raises(ValueError, match="prior: expected 21 weights, none negative, not all zero, got"):
        bias_variance(ndcg, 10, 20, 10, tradeoff=0.1, replacement=True, prior=prior)


def test_errors_over_models_by_hand():
    """Off by 0.3 and -0.1: mean 0.1, root of (0.09 + 0.01) / 2; the estimates turn the order of the two."""
    estimates = [CorrectedEstimate(0.5, 0.02), CorrectedEstimate(0.3, 0.04)]
    errors = estimator_errors(np.array([0.2, 0.4]), estimates)
    assert errors == pytest.approx((np.sqrt(0.05), 0.1, 0.03, -1.0))
