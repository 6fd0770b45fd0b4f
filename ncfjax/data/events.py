"""Events of millions of users, read in pieces: who had which item, in the order of the file.

    ml-20m   ratings.csv: userId,movieId,rating,timestamp; an event is a rating above 3.5
    msd      train_triplets.txt: user, song and play count, separated by tabs; every line is an event

A piece is numbered while it is read, so that text ids are never there for all lines at once: 8 bytes are kept for an
event. Users are numbered by ascending id, as `pandas.DataFrame.groupby` orders them: integers as numbers, text by code
point. Items are numbered by first appearance.
"""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int, Shaped

from ncfjax.data.text import bad_line, check_memory, is_gzip, read_chunks

ROWS_AT_ONCE = 1_000_000
ABOVE = 3.5  # ratings of ML-20M that are events (Liang et al., 2018)


class Events(NamedTuple):
    """In the order of their file."""

    users: Int[np.ndarray, " n"]
    items: Int[np.ndarray, " n"]
    user_ids: Shaped[np.ndarray, " users"]
    item_ids: Shaped[np.ndarray, " items"]


class _Form(NamedTuple):
    """How a file is written."""

    expected: str  # of a line, in words
    line: re.Pattern  # of one that is as it should be
    options: dict[str, Any]  # for pandas


_RATINGS = _Form(
    "userId,movieId,rating,timestamp",
    re.compile(r"\d{1,9},\d{1,9},\d+(\.\d+)?,\d+"),
    {
        "usecols": ["userId", "movieId", "rating"],
        "dtype": {"userId": np.int32, "movieId": np.int32, "rating": np.float32},
    },
)
_TRIPLETS = _Form(
    "user, song and play count, separated by tabs",
    re.compile(r"[^\t]+\t[^\t]+\t\d+"),
    {
        "sep": "\t",
        "header": None,
        "names": ["userId", "movieId", "count"],
        "dtype": {"userId": str, "movieId": str, "count": np.int64},
    },
)


def read_movielens_events(path: Path) -> Events:
    """Returns the ratings above ABOVE of a ratings.csv, plain or gzip; raises ValueError with file and line."""
    return _numbered(piece[piece["rating"] > ABOVE] for piece in _pieces(path, _RATINGS))


def read_triplets(path: Path) -> Events:
    """Returns the lines of a train_triplets.txt, plain or gzip; raises ValueError with file and line."""
    return _numbered(_pieces(path, _TRIPLETS))


def _pieces(path: Path, form: _Form) -> Iterator[pd.DataFrame]:
    with path.open("rb") as file:
        how = {"compression": "gzip" if is_gzip(file) else None, "chunksize": ROWS_AT_ONCE, "na_filter": False}
        try:
            with pd.read_csv(file, **form.options, **how) as pieces:
                for piece in pieces:
                    if (piece[["userId", "movieId"]] == "").any(axis=None):
                        raise ValueError("an empty id")
                    yield piece
        except (ValueError, EOFError, OSError, zlib.error) as error:
            check_memory(error)
            raise _first_problem(path, form) or ValueError(f"{path}: expected {form.expected}, got {error}") from error


def _first_problem(path: Path, form: _Form) -> ValueError | None:
    """The error of the first line that is not as it should be, which pandas does not number."""
    row = 0
    for piece in read_chunks(path):
        for line in piece.decode("utf-8", "replace").split("\n")[:-1]:
            is_header = row == 0 and "header" not in form.options
            is_right = line == form.expected if is_header else form.line.fullmatch(line)
            if not is_right:
                return bad_line(path, row, form.expected, repr(line[:60]))
            row += 1
    return None


class _Numbers:
    """Ids as integers by first appearance."""

    def __init__(self):
        self.known: dict[Any, int] = {}

    def of(self, ids: pd.Series) -> Int[np.ndarray, " n"]:
        codes, distinct = pd.factorize(ids)
        numbers = (self.known.setdefault(one, len(self.known)) for one in distinct)
        return np.fromiter(numbers, np.int32, len(distinct))[codes]

    def ids(self) -> np.ndarray:
        return np.array(list(self.known))


def _numbered(pieces: Iterator[pd.DataFrame]) -> Events:
    users, items, parts = _Numbers(), _Numbers(), []
    for piece in pieces:
        parts.append((users.of(piece["userId"]), items.of(piece["movieId"])))
    user_ids = users.ids()
    order = np.argsort(user_ids, kind="stable")
    places = np.empty(len(order), np.int32)
    places[order] = np.arange(len(order))
    empty = np.zeros(0, np.int32)
    return Events(
        places[np.concatenate([empty, *(part[0] for part in parts)])],
        np.concatenate([empty, *(part[1] for part in parts)]),
        user_ids[order],
        items.ids(),
    )
