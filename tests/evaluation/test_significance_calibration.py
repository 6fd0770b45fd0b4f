"""The tests and intervals of significance.py against a simulated truth: how often they err, and how often they find."""

import numpy as np
import pytest

from ncfjax.evaluation import significance
from ncfjax.evaluation.metrics import hit_ratio
from ncfjax.evaluation.significance import compare, interval, mcnemar, over_seeds, p_of_interval


def simulated(rng: np.random.Generator, num_seeds: int, taste: float, fortune: float) -> np.ndarray:
    """Hits of two equally good models: users' tastes for either, fortunes of its seeds, and chance in every one."""
    easy = rng.normal(0.5, 1.5, 300)
    logits = easy + rng.normal(0.0, taste, (2, 1, 300)) + rng.normal(0.0, fortune, (2, num_seeds, 1))
    return (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)


@pytest.mark.parametrize(
    ("num_seeds", "taste", "fortune"),
    [
        (8, 0.0, 0.0),  # chance only
        (8, 0.5, 0.05),
        (3, 1.0, 0.05),  # as the dot product at two sizes on MovieLens-1M: users first, then chance, then seeds
        (20, 0.3, 0.5),  # seeds first
    ],
)
def test_the_interval_of_equal_models_covers_zero_in_about_95_of_100_cases(monkeypatch, num_seeds, taste, fortune):
    monkeypatch.setattr(significance, "NUM_REPLICATES", 500)
    rng = np.random.default_rng(0)
    covered = 0
    for case in range(400):
        low, high = interval(*simulated(rng, num_seeds, taste, fortune), seed=case)
        covered += low <= 0 <= high
    assert 0.92 <= covered / 400 <= 0.98  # the standard error is 0.011


def test_the_chance_of_single_users_is_counted_once(monkeypatch):
    """The width is that of the true sampling distribution, where crossing users and seeds would make it 1.7 times."""
    monkeypatch.setattr(significance, "NUM_REPLICATES", 500)
    rng = np.random.default_rng(0)
    cases = [simulated(rng, 8, 0.0, 0.0) for _ in range(300)]
    true = np.std([ours.mean() - other.mean() for ours, other in cases])
    widths = np.array([np.ptp(interval(*case, seed=0)) for case in cases])
    assert 0.9 <= widths.mean() / (2 * 1.96 * true) <= 1.2


def test_p_values_of_equal_models_are_below_one_in_twenty_in_about_5_of_100_cases(monkeypatch):
    monkeypatch.setattr(significance, "NUM_REPLICATES", 10)
    rng = np.random.default_rng(0)
    ranks = [np.where(simulated(rng, 4, 0.5, 0.0) > 0, 0, 10) for _ in range(400)]
    assert 0.02 <= np.mean([compare(*case, hit_ratio, 10).p_value < 0.05 for case in ranks]) <= 0.08


@pytest.mark.parametrize("num_seeds", [1, 4])
def test_the_sign_test_of_equal_models_finds_a_winner_in_at_most_about_5_of_100_cases(num_seeds):
    rng = np.random.default_rng(0)
    hits = [simulated(rng, num_seeds, 0.5, 0.0) > 0 for _ in range(400)]
    assert 0.01 <= np.mean([mcnemar(*case).p_value < 0.05 for case in hits]) <= 0.08  # exact: at most 0.05


def test_equally_good_models_with_other_numbers_of_runs_mislead_the_tests_of_signs_but_not_the_interval(monkeypatch):
    """Of rare hits, a mean of eight runs gives a little to many users, a single run all to few."""
    monkeypatch.setattr(significance, "NUM_REPLICATES", 500)
    rng = np.random.default_rng(0)
    chances = 1 / (1 + np.exp(-rng.normal(-3.0, 1.5, (100, 1, 1_000))))
    cases = [[np.where(rng.random((n, 1_000)) < of_users, 0, 10) for n in (8, 1)] for of_users in chances]
    comparisons = [compare(*case, hit_ratio, 10) for case in cases]
    assert np.mean([comparison.p_value < 0.05 for comparison in comparisons]) > 0.9
    assert np.mean([mcnemar(*(ranks < 10 for ranks in case)).p_value < 0.05 for case in cases]) > 0.9
    assert (
        np.mean([comparison.low <= 0 <= comparison.high for comparison in comparisons]) >= 0.88
    )  # the standard error is 0.022
    assert np.mean([p_of_interval(comparison) < 0.05 for comparison in comparisons]) <= 0.12
    single = [mcnemar(*(ranks[:1] < 10 for ranks in case)).p_value < 0.05 for case in cases]
    assert np.mean(single) <= 0.1


@pytest.mark.parametrize("fortune", [0.0, 0.5])
def test_over_seeds_equal_models_differ_in_about_5_of_100_cases(fortune):
    rng = np.random.default_rng(0)
    ranks = [np.where(simulated(rng, 5, 0.0, fortune) > 0, 0, 10) for _ in range(400)]
    assert 0.02 <= np.mean([over_seeds(*case, hit_ratio, 10).p_value < 0.05 for case in ranks]) <= 0.08


def test_over_seeds_speaks_of_these_users_alone(monkeypatch):
    """Models that please other users, equally well in all: these 300 give one of them an edge that every seed sees."""
    monkeypatch.setattr(significance, "NUM_REPLICATES", 10)
    rng = np.random.default_rng(0)
    ranks = [np.where(simulated(rng, 8, 2.0, 0.0) > 0, 0, 10) for _ in range(200)]
    assert np.mean([over_seeds(*case, hit_ratio, 10).p_value < 0.05 for case in ranks]) > 0.3
    assert np.mean([compare(*case, hit_ratio, 10).p_value < 0.05 for case in ranks]) <= 0.09


def test_a_model_that_is_better_is_found_in_most_cases_and_with_its_sign(monkeypatch):
    """HR@10 of 0.6 against 0.5, on 300 users and by 4 runs each."""
    monkeypatch.setattr(significance, "NUM_REPLICATES", 200)
    rng = np.random.default_rng(0)
    cases = [[np.where(rng.random((4, 300)) < share, 0, 10) for share in (0.6, 0.5)] for _ in range(100)]
    compared = [compare(*case, hit_ratio, 10) for case in cases]
    signs = [mcnemar(*(ranks < 10 for ranks in case)) for case in cases]
    seeds = [over_seeds(*case, hit_ratio, 10) for case in cases]
    assert np.mean([comparison.low > 0 for comparison in compared]) > 0.9
    for tests in (compared, signs, seeds):
        assert np.mean([test.p_value < 0.05 and test.effect_size > 0 for test in tests]) > 0.9
