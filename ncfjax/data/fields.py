"""Comma-separated text with a header, as named columns of text; fields may be quoted."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ncfjax.data.text import bad_line, read_content


def read_fields(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Returns columns of a plain or gzip file in UTF-8, as text; row r is line r + 2.

    Names are compared in lower case. Raises ValueError with file and line for a column that is missing or there twice,
    a row that is too long, and a file without a row.
    """
    content = read_content(path)
    try:
        text = io.StringIO(content.decode())
        table = pd.read_csv(
            text, header=None, dtype=str, na_filter=False, skip_blank_lines=False, skipinitialspace=True
        )
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start)
        raise bad_line(path, row, "text in UTF-8", repr(content[error.start : error.end])) from None
    except pd.errors.ParserError as error:
        mismatch = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if not mismatch:
            raise ValueError(f"{path}: expected comma-separated text, got {error}") from None
        raise bad_line(path, int(mismatch[2]) - 1, f"{mismatch[1]} fields, as in the header", mismatch[3]) from None
    header = [str(field).strip().lower() for field in table.iloc[0]]
    if any(header.count(column) != 1 for column in columns) or any(header.count(column) > 1 for column in optional):
        expected = f"a header with {', '.join(columns[:-1])} and {columns[-1]}"
        raise bad_line(path, 0, expected, repr(content.split(b"\n")[0].decode()))
    if len(table) == 1:
        raise bad_line(path, 1, "at least one row after the header", "the end of the file")
    wanted = [*columns, *(column for column in optional if column in header)]
    return table.iloc[1:].set_axis(header, axis=1)[wanted].reset_index(drop=True)


def check_filled(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raises ValueError with file and line for a field that is empty or missing."""
    for column in columns:
        missing = table[column].isna().to_numpy() | (table[column] == "").to_numpy()
        if missing.any():
            raise bad_line(path, int(missing.argmax()) + 1, f"a value for {column}", "none")


def numbers_in(path: Path, table: pd.DataFrame, column: str) -> np.ndarray:
    """Returns a column as numbers; raises ValueError with file and line for a field that is no finite number."""
    numbers = pd.to_numeric(table[column], errors="coerce").to_numpy()
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        row = int(wrong.argmax())
        raise bad_line(path, row + 1, f"a number as {column}", repr(table[column][row]))
    return numbers


def days_in(path: Path, table: pd.DataFrame, column: str) -> np.ndarray:
    """Returns a column of dates, YYYY-MM-DD, as int32 days since 1970-01-01.

    Raises ValueError with file and line for a field that is no date.
    """
    dates = pd.to_datetime(table[column], format="%Y-%m-%d", errors="coerce")
    wrong = dates.isna().to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise bad_line(path, row + 1, f"a date (YYYY-MM-DD) as {column}", repr(table[column][row]))
    return dates.to_numpy().astype("datetime64[D]").astype(np.int32)


def ids_in(path: Path, table: pd.DataFrame, column: str) -> np.ndarray:
    """Returns a column of integer ids; raises ValueError with file and line for a field that is none."""
    wrong = ~table[column].str.fullmatch("[0-9]{1,18}").to_numpy(bool)
    if wrong.any():
        row = int(wrong.argmax())
        raise bad_line(path, row + 1, f"an integer as {column}", repr(table[column][row]))
    return table[column].to_numpy().astype(np.int64)
