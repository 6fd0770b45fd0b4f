"""Time stamps as they stand in files."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.data.times import times_in


def times(*texts: str) -> np.ndarray:
    """Of the rows from line 2 on."""
    return times_in(Path("mine.csv"), pd.Series(texts, range(1, len(texts) + 1), dtype=str))


def order(values: np.ndarray) -> list[int]:
    return np.unique(values, return_inverse=True)[1].tolist()


@given(st.lists(st.decimals(-(2**66), 2**66, allow_nan=False, places=3) | st.integers(-(2**66), 2**66), min_size=1))
def test_numbers_are_in_their_exact_order(numbers):
    ranks = {number: rank for rank, number in enumerate(sorted({Decimal(number) for number in numbers}))}
    assert order(times(*map(str, numbers))) == [ranks[Decimal(number)] for number in numbers]


@pytest.mark.parametrize(
    "texts",
    [
        ["1700000000000000001", "1700000000000000000", "1.5"],
        ["18446744073709551617", "18446744073709551616", "5"],
        ["9223372036854775809", "9223372036854775808", "-1"],
        ["1700000000.12345678", "1700000000.12345677", "0"],
        ["2e-400", "1e-400", "0"],
    ],
    ids=["one-float-among-integers", "above-2**64", "above-2**63-and-negative", "many-digits", "next-to-zero"],
)
def test_numbers_that_float64_would_tie_stay_apart(texts):
    assert order(times(*texts)) == [2, 1, 0]


def test_whole_numbers_and_short_fractions_are_as_they_stand():
    assert times("30", " 20 ", "\u00a025").tolist() == [30, 20, 25] and times("30").dtype == np.int64
    assert times("30", "10.5").tolist() == [30, 10.5]


MOMENTS = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))


@given(st.lists(MOMENTS, min_size=1), st.sampled_from([" ", "T"]), st.sampled_from(["", "Z", "+00:00", " UTC"]))
def test_dates_and_times_are_in_their_order(moments, between, zone):
    texts = [moment.isoformat(between) + zone for moment in moments]
    ranks = {moment: rank for rank, moment in enumerate(sorted(set(moments)))}
    assert order(times(*texts)) == [ranks[moment] for moment in moments]
    assert order(times(*(f"{moment:%Y-%m-%d}" for moment in moments))) == order(
        np.array([m.toordinal() for m in moments])
    )


def test_a_fraction_may_begin_with_a_comma_as_iso_8601_has_it():
    assert order(times("2024-01-01 10:00:00,25", "2024-01-01T10:00:00.5", "2024-01-01 10:00")) == [1, 2, 0]


def test_zones_and_nanoseconds_count():
    assert order(times("2024-01-01T12:00+02:00", "2024-01-01T10:30Z", "2024-01-01T04:00-0500")) == [1, 2, 0]
    assert order(times("2024-01-01T00:00:00.000000002", "2024-01-01", "2024-01-01 00:00:00.000000001")) == [2, 0, 1]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["1", ""], "mine.csv:3: expected a number as timestamp, got ''"),
        (["1", "2024-01-01"], "mine.csv:3: expected a number as timestamp, got '2024-01-01'"),
        (["2024-01-01", "1"], "mine.csv:3: expected an ISO date as timestamp, as in the rows before, got '1'"),
        (["soon"], "mine.csv:2: expected a number or an ISO date as timestamp, got 'soon'"),
        (["now"], "mine.csv:2: expected a number or an ISO date as timestamp, got 'now'"),
        (["31/12/2024"], "mine.csv:2: expected a number or an ISO date as timestamp, got '31/12/2024'"),
        (["2024-01-01", "2023-02-29"], "mine.csv:3: expected an ISO date"),
        (["2024-01-01T00:00:00.1234567891"], "mine.csv:2: expected a number or an ISO date"),
        (["2024-01-01T10:00Z", "2024-01-01T11:00"], "mine.csv:3: expected a timestamp with a zone, as in the rows"),
        (["2024-01-01", "2024-01-01T11:00Z"], "mine.csv:3: expected a timestamp without a zone, as in the rows"),
        (["1", "nan"], "mine.csv:3: expected a number as timestamp, got 'nan'"),
        (["1", "1e999"], "mine.csv:3: expected a number as timestamp, got '1e999'"),
        (["1", "1e-99999999999999999999"], "mine.csv:3: expected a number as timestamp, got '1e-99999999999999999999'"),
    ],
)
def test_what_is_no_time_stamp_is_refused_with_its_line(texts, message):
    with pytest.raises(ValueError) as refused:
        times(*texts)
    assert str(refused.value).startswith(message)
