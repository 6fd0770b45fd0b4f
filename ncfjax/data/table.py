"""Tables of ids and numbers without a header or quotes: read whole and fast, or refused with file and line.

The usual case is parsed by pandas' C parser and checked by columns. Only when that fails are the blanks at both ends of
the fields taken away, all that Unicode calls white space; and only when that fails, too, is the file walked line by
line, to say which line is at fault.
"""

import csv
import io
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ncfjax.data.text import bad_line, check_memory, decoded, without_blanks
from ncfjax.data.times import times_in

_MAX_ID = np.iinfo(np.int32).max
_INTEGER = re.compile(r"[-+]?\d+", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)


class Layout(NamedTuple):
    """The columns of a table: `num_ids` ids (integers in 0..2**31-1) first, numbers or a time stamp after them."""

    expected: str  # in words, for messages
    widths: tuple[int, ...]  # numbers of fields that are allowed; the first line chooses one
    num_ids: int
    uncounted: int = 0  # leading fields that `expected` does not count
    time: int | None = None  # the column of a time stamp, where the table is as wide


def read_table(path: Path, content: bytes, layout: Layout, separator: str = "\t", num_headers: int = 0) -> pd.DataFrame:
    """Returns the table with columns 0, 1, ...; ids are int64, the others int64 or float64.

    Row r is line r + 1 + `num_headers`, the number of lines before the table. Time stamps are those of `times_in`.

    Raises ValueError with file and line for a wrong number of fields, an id that is not an integer in 0..2**31-1, and
    any other field that is not a number.
    """
    table = _parse(content, layout, separator, num_headers)
    if table is None:
        bare = without_blanks(content, separator)
        table = None if bare == content else _parse(bare, layout, separator, num_headers)
    if table is None:
        raise _first_problem(path, content, layout, separator, num_headers)
    if layout.time in table and table[layout.time].dtype != np.int64:
        decoded(path, content)
        texts = _parse_any(content, separator, num_headers, usecols=[layout.time], dtype=str)[layout.time]
        if (texts == "").any():  # of a row that is too short, maybe
            raise _first_problem(path, content, layout, separator, num_headers)
        table[layout.time] = times_in(path, texts.set_axis(texts.index + num_headers))
    return table


def _parse(content: bytes, layout: Layout, separator: str, num_headers: int) -> pd.DataFrame | None:
    """Returns a table as `layout` says, its time stamps as pandas reads them; None where it is another."""
    try:
        table = _parse_any(content, separator, num_headers)
    except (ValueError, OverflowError) as error:
        check_memory(error)
        return None
    ids, others = table.iloc[:, : layout.num_ids], table.iloc[:, layout.num_ids :]
    others = others.drop(columns=[layout.time], errors="ignore")  # times_in looks at them
    sound = table.shape[1] in layout.widths and (ids.dtypes == np.int64).all()
    sound = sound and all(dtype.kind in "if" for dtype in others.dtypes) and np.isfinite(others).all(axis=None)
    return table if sound and ids.min(axis=None) >= 0 and ids.max(axis=None) <= _MAX_ID else None


def _parse_any(content: bytes, separator: str, num_headers: int, **options: Any) -> pd.DataFrame:
    return pd.read_csv(
        io.BytesIO(content),
        sep=separator,
        header=None,
        skiprows=num_headers,
        quoting=csv.QUOTE_NONE,
        lineterminator="\n",
        skip_blank_lines=False,
        na_filter=False,
        low_memory=False,
        **options,
    )


def _first_problem(path: Path, content: bytes, layout: Layout, separator: str, num_headers: int) -> ValueError:
    """Walks the lines and returns the error of the first one that is at fault."""
    widths, expected = layout.widths, layout.expected
    lines = content.decode("utf-8", "replace").split("\n")[num_headers:]
    if not lines:
        return bad_line(path, num_headers, "at least one row after the header", "the end of the file")
    for row, line in enumerate(lines, num_headers):
        fields = line.split(separator)
        if len(fields) not in widths:
            return bad_line(path, row, expected, f"{len(fields) - layout.uncounted} in {_shorten(line)}")
        if len(widths) > 1:
            widths, expected = (len(fields),), f"{len(fields)} fields, as on the first line"
        for column, field in enumerate(fields):
            is_id, is_time = column < layout.num_ids, column == layout.time
            problem = (None if field else "a timestamp") if is_time else _field_problem(field.strip(), is_id)
            if problem:
                return bad_line(path, row, problem, f"{field!r} in field {column + 1}")
    decoded(path, content)
    return ValueError(f"{path}: expected {layout.expected}, got something else")


def _field_problem(field: str, is_id: bool) -> str | None:
    if not is_id:
        return _number_problem(field)
    digits = field.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return "an integer id"
    return None if 0 <= int(field) <= _MAX_ID else "an id in 0..2**31-1"


def _number_problem(field: str) -> str | None:
    """What was expected in the place of text that is no number for pandas; Python knows more, 1_000 say."""
    if not (_NUMBER.fullmatch(field) and math.isfinite(float(field))):
        return "a number"
    is_small = not _INTEGER.fullmatch(field) or -(2**63) <= int(field) < 2**63
    return None if is_small else "a number in -2**63..2**63-1"


def _shorten(line: str, width: int = 60) -> str:
    return repr(line if len(line) <= width else line[: width - 3] + "...")
