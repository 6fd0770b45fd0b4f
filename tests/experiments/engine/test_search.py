"""The trials of a search: spread over ranges, near the best, and the same whenever it is asked."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.engine.checks import ConfigError
from experiments.engine.search import (
    NEAR,
    Interval,
    Options,
    around,
    at_an_end,
    check_space,
    drawn,
    overrides_of,
    with_keys,
)
from ncfjax.keys import COUNT

RATE, SHARE = Interval("grid.rate", 1e-3, 1e-1, True), Interval("grid.share", 0.0, 1.0, False)
WIDTH, SIZE = Options("size", ("8", "16", "32")), Interval("temperature", 0.1, 10.0, True)
SPACE = (RATE, SHARE, WIDTH, SIZE)


@given(st.integers(1, 40), st.integers(0, 2**31 - 1))
def test_every_trial_lies_within_its_ranges_and_a_seed_draws_the_same_ones(count: int, seed: int):
    trials = drawn(SPACE, count, seed)
    assert len(trials) == count and trials == drawn(SPACE, count, seed)
    for rate, share, width, size in trials:
        assert 1e-3 <= float(rate) <= 1e-1 and 0 <= float(share) <= 1 and width in WIDTH.values
        assert 0.1 <= float(size) <= 10


def test_trials_are_spread_evenly_a_log_range_over_its_decades():
    trials = drawn((RATE, SHARE), 64, 0)
    decades = [math.floor(math.log10(float(rate))) for rate, _ in trials]
    assert 28 <= decades.count(-3) <= 36 and 28 <= sum(float(share) < 0.5 for _, share in trials) <= 36


def test_two_trials_share_what_is_compiled_and_differ_in_the_rest():
    trials = drawn(SPACE, 8, 3)
    for one, other in zip(trials[::2], trials[1::2], strict=True):
        assert one[2:] == other[2:] and one[:2] != other[:2]
    assert len({trial[2:] for trial in trials}) == 4


@given(st.integers(0, 1000))
def test_trials_around_are_near_their_own_and_beyond_an_end_only_where_a_range_has_none(seed: int):
    best = [("0.1", "1", "16", "1"), ("0.01", "0.5", "8", "0.2")]
    near = around(SPACE, best, 6, seed)
    assert len(near) == 6 and near == around(SPACE, best, 6, seed)
    for trial, parent in zip(near, [best[0]] * 3 + [best[1]] * 3, strict=True):
        assert trial[2] == parent[2]
        for dimension, text, of_parent in zip((RATE, SHARE), trial, parent, strict=False):
            assert abs(dimension.place(text) - dimension.place(of_parent)) <= NEAR + 0.01  # three digits
        assert 0 <= float(trial[1]) <= 1


def test_a_logarithmic_range_grows_where_its_end_was_best():
    near = around((RATE,), [("0.1",)], 8, 0)
    assert any(float(rate) > 0.1 for (rate,) in near) and any(float(rate) < 0.1 for (rate,) in near)


@given(st.integers(0, 1000))
def test_trials_around_one_beyond_an_end_are_near_it_on_both_sides(seed: int):
    decay = Interval("grid.decay", 0.9, 1.0, False, is_valid=lambda value: 0 < value <= 1)
    near = [float(text) for (text,) in around((decay,), [("0.8",)], 8, seed)]
    assert all(abs(value - 0.8) <= NEAR * 0.1 + 0.001 for value in near) and min(near) < 0.8 < max(near)
    for end, of_values in (("0.9", min), ("1", max)):
        values = [float(text) for (text,) in around((decay,), [(end,)], 8, seed)]
        assert of_values(values) == float(end) and len(set(values)) > 1, "an end holds for those within"


def test_what_a_key_does_not_take_is_left_where_it_was():
    share = Interval("grid.share", 0.2, 0.5, False, is_valid=lambda value: 0 <= value <= 1)
    near = [float(text) for (text,) in around((share,), [("1",)], 8, 0)]
    assert max(near) == 1 and all(0.95 < value for value in near), "not thrown back to the range's own end"


def test_an_end_that_is_rounded_outwards_holds():
    narrow = Interval("grid.decay", 0.98764, 1.0, False)
    assert float(narrow.at(0.0)) < 0.98764
    assert min(float(narrow.near(narrow.at(0.0), -step / 100)) for step in range(15)) == float(narrow.at(0.0))


def test_a_winner_in_the_outer_tenth_of_what_was_tried_is_named():
    tried = [("0.01", "0.5"), ("0.2", "0.4")]  # beyond the range's own end
    assert at_an_end((RATE, SHARE), ("0.01", "0.5"), tried) == []
    assert at_an_end((RATE, SHARE), ("0.09", "0.5"), tried) == [], "0.1 is no end any more"
    (said,) = at_an_end((RATE, SHARE), ("0.2", "0.5"), tried)
    assert said == "grid.rate=0.2 is near an end of what was tried, 0.001 to 0.2"
    assert len(at_an_end((RATE, SHARE), ("0.001", "0.95"), tried)) == 1, (
        "what has no logarithm has ends that mean something"
    )


def test_a_value_beyond_an_end_is_one_that_its_key_takes():
    decay = Interval("grid.decay", 0.5, 1.0, True, is_valid=lambda value: value <= 1)
    assert decay.near("1", 0.2) == "1" and float(decay.near("0.5", -0.2)) < 0.5


def test_a_narrow_range_has_as_many_digits_as_it_needs():
    narrow = Interval("grid.decay", 0.995, 1.0, False)
    assert len({narrow.at(k / 50) for k in range(51)}) == 51 and SHARE.at(0.123456) == "0.123"


def test_a_range_of_what_is_no_real_number_is_refused():
    with pytest.raises(ConfigError, match="size: expected a list or choice"):
        with_keys((Interval("size", 1.0, 8.0, False),), {"size": COUNT})


def test_a_trial_is_the_text_of_its_overrides():
    assert overrides_of(SPACE, ("0.01", "0.5", "8", "2")) == [
        "grid.rate=0.01",
        "grid.share=0.5",
        "size=8",
        "temperature=2",
    ]


@pytest.mark.parametrize(
    ("low", "high", "is_log"), [(1.0, 1.0, False), (2.0, 1.0, True), (0.0, 1.0, True), (-1.0, 1.0, True)]
)
def test_a_range_that_is_none_is_refused(low: float, high: float, is_log: bool):
    with pytest.raises(ConfigError, match=r"grid.rate: expected interval\(LOW, HIGH\) with"):
        check_space((Interval("grid.rate", low, high, is_log),))
