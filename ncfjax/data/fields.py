"""Text with a header, comma-separated or otherwise, as named columns of text; fields may be quoted.

A quote at the start of a field begins a quoted one, which ends with a quote before the next separator and has its own
quotes doubled: anything else in quotes is refused, because a stray quote would swallow the rows up to the next one. A
quote further inside of a field is a character like others (7" single). Ids and other fields that are used have no line
break; columns that are not used may have some.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ncfjax.data.header import Column, find_columns, separator_of
from ncfjax.data.text import bad_line, check_memory, decoded, read_content

_BLANKS = [char for char in map(chr, range(0x3001)) if char.isspace() and char not in " \n"]
# What stands around an id and is no part of it: all white space, and what has no width, as a byte-order mark has none
# at the start of a file that was put behind another one.
_AROUND = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\u2060\ufeff"
_CLOSED = "a quoted field to end with a quote before the next separator (quotes inside of it are doubled)"
_UNIT = "\x1f"  # stands for a separator of several bytes, which pandas reads ten times slower, if at all


class Fields(NamedTuple):
    """Columns of a table, as text. The index of a row is the line that it starts in, from 0."""

    table: pd.DataFrame
    note: str  # whatever a result's row must say
    names: dict[str, str]  # what the header calls the columns; none without a header


def read_fields(path: Path, columns: Sequence[Column], separator: str | None = ",") -> Fields:
    """Returns columns of a plain or gzip file in UTF-8, under their names; optional ones if they are there.

    Blank lines before the header do not count. With `separator` None it is found by the header, see `separator_of`.
    Raises ValueError with file and line for a column that is missing or there twice, a quote that is not closed as it
    should be, a line break in a column that is returned, a row that is too long, and a file without a row.
    """
    text = decoded(path, read_content(path))
    first = text.count("\n", 0, re.match(r"(?:[^\S\n]*\n)*", text).end())  # type: ignore[union-attr]
    text = text.split("\n", first)[-1] if first else text
    line = text.split("\n", 1)[0]
    separator = separator_of(line, columns, separator)
    try:
        table = _parse(path, text, first, separator)
    except ValueError:  # of any line: that the first one is no header says more
        find_columns(path, first, line, [field.strip(' "') for field in line.split(separator)], columns, separator)
        raise
    places, has_header = find_columns(path, first, line, [str(field) for field in table.iloc[0]], columns, separator)
    has_breaks = text.count("\n") + 1 > len(table)
    num_breaks = _count_breaks(table) if has_breaks else np.zeros(len(table), int)
    lines = first + np.arange(len(table)) + np.cumsum(num_breaks) - num_breaks
    rows = table.iloc[int(has_header) :, list(places.values())]
    rows = rows.set_axis(list(places), axis=1).set_axis(lines[int(has_header) :])
    if not len(rows):
        raise bad_line(path, first + 1, "at least one row after the header", "the end of the file")
    if has_breaks:
        _check_breaks(path, rows)
        _check_swallowed(path, text, first, separator, num_breaks, table.shape[1])
    is_given = has_header or any(column.given for column in columns)
    notes = [] if is_given else ["no header, columns as in MovieLens's ratings.dat"]
    notes += [f"{num_breaks.sum()} line breaks inside quoted fields"] if has_breaks else []
    names = {name: str(table.iat[0, place]).strip() for name, place in places.items()} if has_header else {}
    return Fields(rows, "; ".join(notes), names)


def _parse(path: Path, text: str, first: int, separator: str) -> pd.DataFrame:
    """Returns all fields of a text whose first line is line `first` of the file."""
    given, is_long = separator, len(separator.encode()) > 1
    if is_long:
        if _UNIT in text:
            raise bad_line(path, first + text.count("\n", 0, text.index(_UNIT)), "text", repr(_UNIT))
        text, separator = text.replace(separator, _UNIT), _UNIT
    has_quotes = '"' in text
    if has_quotes:
        _check_quotes(path, text, first, separator, given)
        if any(blank in text and f'{blank}"' in text for blank in _BLANKS):  # pandas sees a quote behind spaces alone
            field = re.escape(separator)
            text = re.sub(rf'(?m)(^|{field})[^\S\n{field}]*("(?:[^"]|"")*+")', r"\1\2", text)
    options = {
        "sep": separator,
        "header": None,
        "dtype": str,
        "na_filter": False,
        "skip_blank_lines": False,
        "skipinitialspace": True,
        "lineterminator": "\n",
        "quoting": csv.QUOTE_MINIMAL if has_quotes else csv.QUOTE_NONE,
    }
    try:
        table = pd.read_csv(io.StringIO(text), **options)
        is_kept = is_long and has_quotes  # within quotes the separator is a text like others
        return table.apply(lambda column: column.str.replace(_UNIT, given, regex=False)) if is_kept else table
    except pd.errors.ParserError as error:
        check_memory(error)
        mismatch = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if not mismatch:
            raise ValueError(f"{path}: expected fields separated by {separator!r}, got {error}") from None
        expected, row, got = map(int, mismatch.groups())
        before = pd.read_csv(io.StringIO(text), **options, nrows=row - 1)
        line = first + row - 1 + int(_count_breaks(before).sum())
        raise bad_line(path, line, f"{expected} fields, as in the header", str(got)) from None


def _check_quotes(path: Path, text: str, first: int, separator: str, shown: str) -> None:
    """Raises ValueError for the line where a quoted field begins that does not end as it should.

    Its message has the separator as it is in the file, `shown`.
    """
    if _has_simple_quotes(text, separator):
        return
    blank, end = rf"[^\S\n{re.escape(separator)}]*+", rf"[{re.escape(separator)}\n]"
    quoted, plain = rf'"(?:[^"]|"")*+"{blank}(?={end}|\Z)', rf'(?!")[^{re.escape(separator)}\n]*+'
    place = re.match(rf"(?:{blank}(?:{quoted}|{plain})(?:{end}|\Z))*+", text).end()  # type: ignore[union-attr]
    if place < len(text):
        got = text[place:].lstrip().split("\n", 1)[0].replace(separator, shown)[:60]
        raise bad_line(path, first + text.count("\n", 0, place), _CLOSED, repr(got))


def _has_simple_quotes(text: str, separator: str) -> bool:
    """Whether each quote is at an end of its field: in most files, and six times faster to see than the rest."""
    content = np.frombuffer(f"\n{text}\n".encode(), np.uint8)
    quotes = np.flatnonzero(content == ord('"'))
    at_ends = np.where(np.arange(len(quotes)) % 2, content[quotes + 1], content[quotes - 1])
    return len(quotes) % 2 == 0 and bool(np.isin(at_ends, [ord("\n"), ord(separator)]).all())


def _count_breaks(table: pd.DataFrame) -> np.ndarray:
    """Counts the line breaks in the fields of each row."""
    counts = [table[column].str.count("\n").fillna(0).to_numpy(int) for column in table]
    return np.sum(counts, axis=0) if counts else np.zeros(0, int)


def _check_breaks(path: Path, rows: pd.DataFrame) -> None:
    for column in rows:
        has_break = rows[column].str.contains("\n", regex=False).to_numpy(bool)
        if has_break.any():
            row = int(has_break.argmax())
            got = repr(rows[column].iloc[row][:60])
            raise bad_line(path, int(rows.index[row]), f"a value for {column} on one line", got)


def _check_swallowed(
    path: Path, text: str, first: int, separator: str, num_breaks: np.ndarray, num_fields: int
) -> None:
    """Raises ValueError for a row of several lines that are a row each, but for a quote in the first and the last one.

    So two stray quotes in a column that is not used look, and lines of a text hardly ever.
    """
    lines, start = text.split("\n"), 0
    for num in num_breaks.tolist():
        part = lines[start : start + num + 1]
        if num and all(line.count(separator) == num_fields - 1 for line in part):
            got = f"{part[0][:60]!r} and {num} more that look like rows"
            raise bad_line(path, first + start, _CLOSED, got)
        start += num + 1


def number_ids(path: Path, rows: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ids of a column as 0, 1, ... by first appearance, and what they are called: without blanks around,
    those without a width among them.

    Raises ValueError with file and line for one that is empty or has a line break of any alphabet.
    """
    codes, distinct = pd.factorize(rows[column])
    names = [str(name).strip(_AROUND) for name in distinct]
    wrong = [code for code, name in enumerate(names) if len(name.splitlines()) != 1]
    if wrong:
        row = int(np.isin(codes, wrong).argmax())
        got, line = names[codes[row]], int(rows.index[row])
        raise bad_line(path, line, f"a value for {column}{' on one line' if got else ''}", repr(got) if got else "none")
    numbers, ids = pd.factorize(np.array(names, object))
    return numbers[codes], ids


def numbers_in(path: Path, rows: pd.DataFrame, column: str) -> np.ndarray:
    """Returns a column as numbers; raises ValueError with file and line for a field that is no finite number."""
    codes, distinct = pd.factorize(rows[column])
    numbers = pd.to_numeric(pd.Series(distinct, dtype=str).str.strip(), errors="coerce").to_numpy()[codes]
    _check(path, rows, column, np.isfinite(numbers), "a number")
    return numbers


def days_in(path: Path, rows: pd.DataFrame, column: str) -> np.ndarray:
    """Returns a column of dates, YYYY-MM-DD, as int32 days since 1970-01-01.

    Raises ValueError with file and line for a field that is no date.
    """
    dates = pd.to_datetime(rows[column].str.strip(), format="%Y-%m-%d", errors="coerce")
    _check(path, rows, column, dates.notna().to_numpy(), "a date (YYYY-MM-DD)")
    return dates.to_numpy().astype("datetime64[D]").astype(np.int32)


def ids_in(path: Path, rows: pd.DataFrame, column: str) -> np.ndarray:
    """Returns a column of integer ids; raises ValueError with file and line for a field that is none."""
    texts = rows[column].str.strip()
    _check(path, rows, column, texts.str.fullmatch("[0-9]{1,18}").to_numpy(bool), "an integer")
    return texts.to_numpy().astype(np.int64)


def _check(path: Path, rows: pd.DataFrame, column: str, is_right: np.ndarray, expected: str) -> None:
    if not is_right.all():
        row = int(is_right.argmin())
        raise bad_line(path, int(rows.index[row]), f"{expected} as {column}", repr(rows[column].iloc[row]))
