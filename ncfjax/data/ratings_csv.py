"""Any interactions as comma-separated text with a header, split by time.

    user,item,rating,timestamp      the header is required; its columns may stand in any order
    alice,tea,5,1700000000          user and item are any text, compared as text; rating is optional and not used

Timestamps are numbers of any unit, larger is later. Fields may be quoted. The split is that of `splits.leave_one_out`.
"""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from ncfjax.data.interactions import LeaveOneOut
from ncfjax.data.splits import leave_one_out
from ncfjax.data.text import bad_line, read_content

_COLUMNS = ("user", "item", "timestamp")


def read_csv(path: Path, *, name: str, num_negatives: int = 99, seed: int = 0) -> LeaveOneOut:
    """Returns the split of one file, plain or gzip.

    Users are numbered by ascending id, as numbers if all of them are. Raises ValueError with file and line for a
    missing column, a row that is too long, an empty id, and a timestamp that is missing or not a number.
    """
    table = _read_fields(path)
    for column in ("user", "item"):
        missing = table[column].isna().to_numpy() | (table[column] == "").to_numpy()
        if missing.any():
            raise bad_line(path, int(missing.argmax()) + 1, f"a value for {column}", "none")
    timestamps = pd.to_numeric(table.timestamp, errors="coerce").to_numpy()
    wrong = ~np.isfinite(timestamps)
    if wrong.any():
        row = int(wrong.argmax())
        raise bad_line(path, row + 1, "a number as timestamp", repr(table.timestamp[row]))
    users, items = _number_users(table.user), pd.factorize(table["item"])[0]
    return leave_one_out(users, items, timestamps, name=name, num_negatives=num_negatives, seed=seed)


def _read_fields(path: Path) -> pd.DataFrame:
    """Returns the needed columns as text; row r is line r + 2."""
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
    if any(header.count(column) != 1 for column in _COLUMNS):
        raise bad_line(path, 0, "a header with user, item and timestamp", repr(content.split(b"\n")[0].decode()))
    if len(table) == 1:
        raise bad_line(path, 1, "at least one row after the header", "the end of the file")
    return table.iloc[1:].set_axis(header, axis=1)[list(_COLUMNS)].reset_index(drop=True)


def _number_users(ids: pd.Series) -> np.ndarray:
    codes, distinct = pd.factorize(ids)
    numbers = pd.to_numeric(pd.Series(distinct), errors="coerce").to_numpy()
    ascending = np.argsort(distinct if np.isnan(numbers).any() else numbers, kind="stable")
    return np.argsort(ascending)[codes]
