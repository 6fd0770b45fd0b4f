"""Any interactions or ratings as a table of text, comma-separated with a header or as a `TableForm` says.

    user,item,rating,timestamp      columns in any order, under these names or other usual ones (header.py)
    alice,tea,5,1700000000          user and item are any text, compared as text, without blanks around

`rating` is optional and used where it is asked for. `strength` is another column for implicit signals: 1 for a visit, 5
for a purchase. Time stamps are numbers or dates (times.py). Without them the order is unknown, unless the form says
what the rows' order tells. Fields may be quoted (fields.py).
"""

import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ncfjax.data.fields import number_ids, numbers_in, read_fields
from ncfjax.data.header import ORDERS, TableForm, kind_of
from ncfjax.data.interactions import Interactions, LeaveOneOut
from ncfjax.data.notes import joined
from ncfjax.data.numbering import number_pairs
from ncfjax.data.rating_rows import check_scale, ratings_of_rows
from ncfjax.data.ratings import UNARY, Ratings, Scale
from ncfjax.data.splits import leave_one_out, leave_one_out_of_ratings
from ncfjax.data.text import about, bad_line
from ncfjax.data.times import times_in

_SCALE_HINT = "; dataset.scale says which there may be"
_MOST = 1e18  # of a rating: its square fits into a float32
_LEAST = 1e-9  # of a strength; sums over a million of the largest still fit into a float32


def read_csv(
    path: Path,
    *,
    name: str,
    min_rating: float | None = None,
    scale: Scale | None = None,
    strength: bool = False,
    form: TableForm | None = None,
    num_negatives: int = 99,
    seed: int = 0,
) -> LeaveOneOut:
    """Returns the split of one file, plain or gzip, by `splits.leave_one_out`.

    Every row is an interaction, or those rated at least `min_rating`, a word's place where the ratings are words of a
    `scale`. With `strength` they have weights. Users are numbered by ascending id, as numbers if all of them are.
    Raises ValueError with file and line for a missing column, a row that is too long, an id that is empty or has a line
    break, a header between the rows, and a timestamp, rating or strength that is missing or none; and for `min_rating`
    with `strength`.
    """
    negatives = {"num_negatives": num_negatives, "seed": seed}
    if strength and min_rating is not None:
        raise ValueError(f"min_rating: expected none with strength, got {min_rating:g}")
    if strength and scale is not None:
        raise ValueError(f"scale: expected none with strength, got {scale}")
    with about(path):
        if strength:
            observed, note = _read_strengths(path, form)
            return leave_one_out(observed, name=name, note=note, **negatives)
        rated = min_rating is not None or scale is not None
        ratings = read_ratings_csv(path, scale=scale, form=form) if rated else _read_unrated(path, form)
        return leave_one_out_of_ratings(ratings, name=name, min_rating=min_rating, **negatives)


def read_ratings_csv(path: Path, *, scale: Scale | None = None, form: TableForm | None = None) -> Ratings:
    """Returns the ratings of one file, plain or gzip, in its order; of a repeated pair the latest row counts.

    Ratings are numbers, or the words of the scale, in any case. Where no scale is given it is `Scale.of_values` of the
    ratings, and `note` says so. Raises ValueError with file and line as `read_csv` does, and for a rating that is not
    on a given scale.
    """
    rows = _read_rows(path, form, "rating")
    values = _words_in(path, rows.table, scale) if scale and scale.words else _numbers_in(path, rows.table)
    note = rows.note
    if scale is None:
        scale = Scale.of_values(values)
        note = joined(f"scale {scale}, from the values", note)
    check_scale(path, values, scale, rows.table.index.to_numpy(), _SCALE_HINT)
    return _ratings(rows, values, scale, note)


def _read_unrated(path: Path, form: TableForm | None) -> Ratings:
    rows = _read_rows(path, form)
    return _ratings(rows, np.ones(len(rows.table)), UNARY, rows.note)


class _Rows(NamedTuple):
    """Of a file; users are numbered by ascending id, items by first appearance."""

    table: pd.DataFrame
    users: np.ndarray
    user_ids: np.ndarray
    items: np.ndarray
    item_ids: np.ndarray
    timestamps: np.ndarray | None
    note: str


def _read_rows(path: Path, form: TableForm | None, *values: str) -> _Rows:
    """`values` are the columns that are needed beside user and item."""
    form = form or TableForm()
    columns = form.columns("user", "item", *values, optional=() if form.order else ("timestamp",))
    table, note, names = read_fields(path, columns, form.separator)
    users, items = (number_ids(path, table, column) for column in ("user", "item"))
    spellings = (_spellings(kind, ids) for kind, (_, ids) in (("user", users), ("item", items)))
    rows = _Rows(table, *_by_ascending_id(*users), *items, None, joined(form.note, note, *spellings))
    _check_no_header(path, rows, names)
    if form.order:
        times = np.arange(len(table)) * ORDERS[form.order]
        return rows._replace(timestamps=times, note=joined(f"the file's order counts, {form.order}", rows.note))
    return rows._replace(timestamps=times_in(path, table["timestamp"])) if "timestamp" in table else rows


def _spellings(kind: str, ids: np.ndarray) -> str:
    """What to note of ids that look alike: an accent may be part of its letter, or a character of its own."""
    if all(map(str.isascii, ids)):
        return ""
    num_alike = len(ids) - len({unicodedata.normalize("NFC", name) for name in ids})
    return f"{num_alike} {kind} ids differ from others in how their letters are composed alone" if num_alike else ""


def _check_no_header(path: Path, rows: _Rows, names: dict[str, str]) -> None:
    """Raises ValueError with file and line for a header between the rows: the same once more, or one of usual names."""
    if not names:
        _check_first_row(path, rows)
    own = tuple(names.get(column, "").lower() for column in ("user", "item"))
    named = [user for user, name in enumerate(rows.user_ids) if name.lower() == own[0] or kind_of(name)]
    for row in np.flatnonzero(np.isin(rows.users, named)) if named else ():
        user, item = rows.user_ids[rows.users[row]], rows.item_ids[rows.items[row]]
        if (user.lower(), item.lower()) == own or {kind_of(user), kind_of(item)} == {"user", "item"}:
            got = f"a header once more ({user!r}, {item!r})"
            raise bad_line(path, int(rows.table.index[row]), "a row of ids, from one table", got)


def _check_first_row(path: Path, rows: _Rows) -> None:
    """Raises ValueError for a header where columns are given by number: two words above ids that are all numbers."""
    user, item = int(rows.users[0]), int(rows.items[0])
    for one, numbers, ids in ((user, rows.users, rows.user_ids), (item, rows.items, rows.item_ids)):
        is_number = pd.to_numeric(pd.Series(ids, dtype=str), errors="coerce").notna().to_numpy()
        if is_number[one] or is_number.sum() < max(1, len(ids) - 1) or (numbers[1:] == one).any():
            return
    got = f"what looks like a header ({rows.user_ids[user]!r}, {rows.item_ids[item]!r})"
    raise bad_line(path, int(rows.table.index[0]), "a row of ids, as columns are given by number", got)


def _numbers_in(path: Path, table: pd.DataFrame) -> np.ndarray:
    """Returns the ratings."""
    values = numbers_in(path, table, "rating")
    fits = np.abs(values) <= _MOST
    if not fits.all():
        row = int(fits.argmin())
        got = repr(table["rating"].iloc[row])
        raise bad_line(path, int(table.index[row]), f"a rating from {-_MOST:g} to {_MOST:g}", got)
    return values


def _words_in(path: Path, table: pd.DataFrame, scale: Scale) -> np.ndarray:
    """Returns the place of each word."""
    places = {word.lower(): scale.minimum + scale.step * place for place, word in enumerate(scale.words)}
    values = table["rating"].str.strip().str.lower().map(places).to_numpy(np.float64)
    wrong = np.isnan(values)
    if wrong.any():
        row = int(wrong.argmax())
        got = repr(table["rating"].iloc[row]) + _SCALE_HINT
        raise bad_line(path, int(table.index[row]), f"one of {scale} as rating", got)
    return values


def _ratings(rows: _Rows, values: np.ndarray, scale: Scale, note: str) -> Ratings:
    ratings = ratings_of_rows(rows.users, rows.items, values, rows.timestamps, scale, note)
    return replace(ratings, user_ids=rows.user_ids, item_ids=rows.item_ids)


def _read_strengths(path: Path, form: TableForm | None) -> tuple[Interactions, str]:
    """Returns the pairs with the sum of their strengths as weights, and what to note of repeated ones."""
    rows = _read_rows(path, form, "strength")
    strengths = numbers_in(path, rows.table, "strength")
    fits = (strengths >= _LEAST) & (strengths <= 1 / _LEAST)
    if not fits.all():
        row = int(fits.argmin())
        got = repr(rows.table["strength"].iloc[row])
        raise bad_line(path, int(rows.table.index[row]), f"a strength from {_LEAST:g} to {1 / _LEAST:g}", got)
    times = rows.timestamps
    pairs = number_pairs(rows.users, rows.items, times)  # of all numbers from 0 on, in the same order: they stay
    names = {"user_ids": rows.user_ids, "item_ids": rows.item_ids}
    sizes = len(rows.user_ids), len(rows.item_ids)
    times, weights = None if times is None else times[pairs.rows], np.bincount(pairs.pairs, strengths)
    observed = Interactions(pairs.users, pairs.items, *sizes, times, weights, **names)
    repeated = f", those of {pairs.num_repeated} repeated pairs added up" if pairs.num_repeated else ""
    return observed, joined(f"weighted by strength{repeated}", rows.note)


def _by_ascending_id(codes: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns ids as 0, 1, ... by ascending id, as numbers if all of them are, and the ids in this order."""
    numbers = pd.to_numeric(pd.Series(ids), errors="coerce").to_numpy()
    ascending = np.argsort(ids if np.isnan(numbers).any() else numbers, kind="stable")
    return np.argsort(ascending)[codes], ids[ascending]
