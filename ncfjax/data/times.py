"""Time stamps as they stand in files: numbers of any unit, or dates of ISO 8601; and which line of a file is at fault.

1700000000                          int64, as it is
1700000000.25, 1e9, 2**64           float64, or the rank among all of them where float64 would make two of them equal
2024-05-31, 2024-05-31 10:00,       int64 since 1970-01-01 UTC, of the finest unit that a file needs;
2024-05-31T10:00:00.25+02:00        all of a file's times have a zone, or none has
"""

from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import pandas as pd

from ncfjax.data.text import bad_line

_DATE = r"\d{4}-\d\d(?:-\d\d)?|\d{8}(?=T)"
_ZONE = r"(?:Z|[+-]\d\d(?::?\d\d)?)"
# No 10th digit of a second: nanoseconds are the finest unit.
_TIME = rf"[T ]\d\d(?::?\d\d(?::?\d\d(?:[.,]\d{{1,9}}0*)?)?)?(?: ?{_ZONE})?"
_ISO = rf"(?:{_DATE})(?:{_TIME})?"


def times_in(path: Path, texts: pd.Series) -> np.ndarray:
    """Returns what the text of each row stands for, in their order without exception; the index is the lines, from 0.

    Raises ValueError with file and line for a field that is no time stamp, or not of the kind of the first one.
    """
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.dtype == np.int64:
        return numbers.to_numpy()
    if not np.isfinite(numbers).all():
        texts = texts.str.strip()
        numbers = pd.to_numeric(texts, errors="coerce")
    wrong = ~np.isfinite(numbers.to_numpy())
    if not wrong.any():
        return _exact(path, numbers, texts)
    if wrong[0]:
        return _dates(path, texts)
    raise _wrong_time(path, texts, wrong, "a number as timestamp")


def _exact(path: Path, numbers: pd.Series, texts: pd.Series) -> np.ndarray:
    """Returns the numbers, or else their ranks, so that different ones stay different."""
    if numbers.dtype == np.int64:
        return numbers.to_numpy()
    is_float = numbers.dtype == np.float64
    # Different numbers of at most 15 digits are different in float64, unless they are next to zero.
    if is_float and max(map(len, texts.to_numpy())) <= 15 and numbers.abs().min() > 1e-300:
        return numbers.to_numpy()
    codes, distinct = pd.factorize(texts)
    exact = [_decimal(text) for text in distinct]
    if None in exact:
        wrong = np.array([value is None for value in exact])[codes]
        raise _wrong_time(path, texts, wrong, "a number as timestamp")
    ranks = {value: rank for rank, value in enumerate(sorted(set(exact)))}
    if is_float and numbers.nunique() == len(ranks):
        return numbers.to_numpy()
    return np.array([ranks[value] for value in exact])[codes]


def _decimal(text: str) -> Decimal | None:
    """None where the exponent is too long, which float64 takes for 0."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _dates(path: Path, texts: pd.Series) -> np.ndarray:
    texts = texts.str.replace(r" ?(?:UTC|GMT)$", "Z", regex=True)
    is_date = texts.str.fullmatch(_ISO).to_numpy(bool)
    points = texts.where(is_date).str.replace(",", ".", regex=False)
    times = pd.to_datetime(points, format="ISO8601", utc=True, errors="coerce")
    wrong = times.isna().to_numpy()
    if wrong.any():
        expected = (
            "a number or an ISO date as timestamp" if wrong[0] else "an ISO date as timestamp, as in the rows before"
        )
        raise _wrong_time(path, texts, wrong, expected)
    zoned = texts.str.contains(rf"[T ].*{_ZONE}$").to_numpy(bool)
    if zoned.any() and not zoned.all():
        expected = f"a timestamp with{'' if zoned[0] else 'out'} a zone, as in the rows before"
        raise _wrong_time(path, texts, zoned != zoned[0], expected)
    return times.astype(np.int64).to_numpy()


def _wrong_time(path: Path, texts: pd.Series, wrong: np.ndarray, expected: str) -> ValueError:
    row = int(wrong.argmax())
    return bad_line(path, int(texts.index[row]), expected, repr(texts.iloc[row]))
