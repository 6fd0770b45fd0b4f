"""Means and intervals over seeds and over users."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ncfjax.evaluation.intervals import seed_mean


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_the_interval_is_that_of_scipy(values):
    point = seed_mean(np.array(values))
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values) + 1e-300)
    assert (point.mean - point.half_width, point.mean + point.half_width) == pytest.approx((low, high), abs=1e-12)
    assert point.n == len(values)


def test_the_interval_of_three_seeds_by_hand():
    point = seed_mean(np.array([0.1, 0.2, 0.3, np.nan]))
    assert point.mean == pytest.approx(0.2)
    assert point.half_width == pytest.approx(4.30265 * 0.1 / math.sqrt(3), rel=1e-5)
    assert point.n == 3


def test_one_seed_has_no_interval_and_none_has_no_mean():
    assert seed_mean(np.array([0.5]))[0] == 0.5 and math.isnan(seed_mean(np.array([0.5])).half_width)
    assert math.isnan(seed_mean(np.array([np.nan])).mean)


def test_intervals_cover_the_truth_19_times_in_20():
    samples = np.random.default_rng(0).normal(0.7, 0.01, size=(4000, 3))
    points = [seed_mean(sample) for sample in samples]
    covered = np.mean([abs(point.mean - 0.7) <= point.half_width for point in points])
    assert 0.94 < covered < 0.96
