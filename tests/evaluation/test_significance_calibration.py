"""The tests and intervals of significance.py against a simulated truth: how often they err, and how often they find."""

import numpy as np
import pytest

from benchmarks.calibration import false_alarms
from ncfjax.evaluation.metrics import hit_ratio
from ncfjax.evaluation.significance import Comparison, compare, mcnemar, over_seeds


def simulated(rng: np.random.Generator, num_seeds: int, taste: float, fortune: float) -> np.ndarray:
    """Hits of two equally good models: users' tastes for either, fortunes of its seeds, and chance in every one."""
    easy = rng.normal(0.5, 1.5, 300)
    logits = easy + rng.normal(0.0, taste, (2, 1, 300)) + rng.normal(0.0, fortune, (2, num_seeds, 1))
    return (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)


def compared(ours: np.ndarray, other: np.ndarray) -> Comparison:
    return compare(*(np.where(hits > 0, 0, 10) for hits in (ours, other)), hit_ratio, 10)


@pytest.mark.parametrize(
    ("num_seeds", "taste", "fortune"),
    [
        (8, 0.0, 0.0),  # chance only
        (8, 0.5, 0.05),
        (3, 1.0, 0.05),  # as the dot product at two sizes on MovieLens-1M: users first, then chance, then seeds
        (20, 0.3, 0.5),  # seeds first
    ],
)
def test_the_interval_of_equal_models_covers_zero_in_95_of_100_cases_or_more(num_seeds, taste, fortune):
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        comparison = compared(*simulated(rng, num_seeds, taste, fortune))
        covered += comparison.low <= 0 <= comparison.high
        assert (comparison.low <= 0 <= comparison.high) == (comparison.p_value >= 0.05)
    assert 0.93 <= covered / 400  # the standard error is 0.011


def test_the_chance_of_single_users_is_counted_once():
    """The width is nearly that of the true sampling distribution: crossing users and seeds would make it 1.7 times.

    A quarter is what seeds, which might differ, could add.
    """
    rng = np.random.default_rng(0)
    cases = [simulated(rng, 8, 0.0, 0.0) for _ in range(300)]
    true = np.std([ours.mean() - other.mean() for ours, other in cases])
    widths = [comparison.high - comparison.low for comparison in (compared(*case) for case in cases)]
    assert 0.9 <= np.mean(widths) / (2 * 1.96 * true) <= 1.3


def test_wilcoxons_p_values_of_equal_models_are_below_one_in_twenty_in_about_5_of_100_cases():
    rng = np.random.default_rng(0)
    ranks = [np.where(simulated(rng, 4, 0.5, 0.0) > 0, 0, 10) for _ in range(400)]
    assert 0.02 <= np.mean([compare(*case, hit_ratio, 10).wilcoxon < 0.05 for case in ranks]) <= 0.08


@pytest.mark.parametrize("num_seeds", [1, 4])
def test_the_sign_test_of_equal_models_finds_a_winner_in_at_most_about_5_of_100_cases(num_seeds):
    rng = np.random.default_rng(0)
    hits = [simulated(rng, num_seeds, 0.5, 0.0) > 0 for _ in range(400)]
    assert 0.01 <= np.mean([mcnemar(*case).p_value < 0.05 for case in hits]) <= 0.08  # exact: at most 0.05


def test_equally_good_models_with_other_numbers_of_runs_mislead_the_tests_of_signs_but_not_the_interval():
    """Of rare hits, a mean of eight runs gives a little to many users, a single run all to few."""
    rng = np.random.default_rng(0)
    chances = 1 / (1 + np.exp(-rng.normal(-3.0, 1.5, (100, 1, 1_000))))
    cases = [[np.where(rng.random((n, 1_000)) < of_users, 0, 10) for n in (8, 1)] for of_users in chances]
    comparisons = [compare(*case, hit_ratio, 10) for case in cases]
    assert np.mean([comparison.wilcoxon < 0.05 for comparison in comparisons]) > 0.9
    assert np.mean([mcnemar(*(ranks < 10 for ranks in case)).p_value < 0.05 for case in cases]) > 0.9
    assert np.mean([comparison.p_value < 0.05 for comparison in comparisons]) <= 0.12  # the standard error is 0.022
    single = [mcnemar(*(ranks[:1] < 10 for ranks in case)).p_value < 0.05 for case in cases]
    assert np.mean(single) <= 0.1


@pytest.mark.parametrize("fortune", [0.0, 0.5])
def test_over_seeds_equal_models_differ_in_about_5_of_100_cases(fortune):
    rng = np.random.default_rng(0)
    ranks = [np.where(simulated(rng, 5, 0.0, fortune) > 0, 0, 10) for _ in range(400)]
    assert 0.02 <= np.mean([over_seeds(*case, hit_ratio, 10).p_value < 0.05 for case in ranks]) <= 0.08


def test_over_seeds_speaks_of_these_users_alone():
    """Models that please other users, equally well in all: these 300 give one of them an edge that every seed sees."""
    rng = np.random.default_rng(0)
    ranks = [np.where(simulated(rng, 8, 2.0, 0.0) > 0, 0, 10) for _ in range(200)]
    assert np.mean([over_seeds(*case, hit_ratio, 10).p_value < 0.05 for case in ranks]) > 0.3
    assert np.mean([compare(*case, hit_ratio, 10).p_value < 0.05 for case in ranks]) <= 0.09


def test_a_model_that_is_better_is_found_in_most_cases_and_with_its_sign():
    """HR@10 of 0.6 against 0.5, on 300 users and by 4 runs each."""
    rng = np.random.default_rng(0)
    cases = [[np.where(rng.random((4, 300)) < share, 0, 10) for share in (0.6, 0.5)] for _ in range(100)]
    comparisons = [compare(*case, hit_ratio, 10) for case in cases]
    signs = [mcnemar(*(ranks < 10 for ranks in case)) for case in cases]
    seeds = [over_seeds(*case, hit_ratio, 10) for case in cases]
    assert np.mean([comparison.low > 0 for comparison in comparisons]) > 0.9
    for tests in (comparisons, signs, seeds):
        assert np.mean([test.p_value < 0.05 and test.effect_size > 0 for test in tests]) > 0.9


@pytest.mark.parametrize("num_runs", [(4, 4), (8, 8), (8, 4)])
@pytest.mark.parametrize(("seed_share", "noise_share"), [(0.0, 0.02), (0.3, 0.02), (1.0, 0.2), (3.0, 0.2)])
def test_far_in_the_tail_equal_models_differ_no_more_often_than_the_level_says(seed_share, noise_share, num_runs):
    """The level of one test, and that of the first of 66 that Holm corrects."""
    for level, bound in ((0.05, 1.03), (0.05 / 66, 1.2)):
        assert false_alarms(num_runs, seed_share, noise_share, level, 400_000) < bound


def test_without_seeds_that_differ_the_level_is_reached():
    assert false_alarms((4, 4), 0.0, 0.02, 0.05, 400_000) == pytest.approx(0.96, abs=0.03)
