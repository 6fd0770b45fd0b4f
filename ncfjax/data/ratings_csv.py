"""Any interactions or ratings as comma-separated text with a header.

    user,item,rating,timestamp      the header is required; its columns may stand in any order
    alice,tea,5,1700000000          user and item are any text, compared as text

`rating` is optional and used where it is asked for. `strength` is another column for implicit signals: 1 for a visit, 5
for a purchase. Timestamps are numbers of any unit, larger is later; a split by time needs them. Fields may be quoted.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ncfjax.data.fields import check_filled, numbers_in, read_fields
from ncfjax.data.interactions import Interactions, LeaveOneOut
from ncfjax.data.numbering import number_pairs
from ncfjax.data.rating_rows import check_scale, ratings_of_rows
from ncfjax.data.ratings import UNARY, Ratings, Scale
from ncfjax.data.splits import leave_one_out, leave_one_out_of_ratings
from ncfjax.data.text import bad_line

_ROW = ("user", "item", "timestamp")
_LEAST = 1e-9  # of a strength; sums over a million of the largest still fit into a float32


def read_csv(
    path: Path,
    *,
    name: str,
    min_rating: float | None = None,
    scale: Scale | None = None,
    strength: bool = False,
    num_negatives: int = 99,
    seed: int = 0,
) -> LeaveOneOut:
    """Returns the split of one file, plain or gzip, by `splits.leave_one_out`.

    Every row is an interaction, or those rated at least `min_rating`, a word's place where the ratings are words of a
    `scale`. With `strength` they have weights. Users are
    numbered by ascending id, as numbers if all of them are. Raises ValueError with file and line for a missing column,
    a row that is too long, an empty id, and a timestamp, rating or strength that is missing or not a number; and for
    `min_rating` with `strength`.
    """
    negatives = {"num_negatives": num_negatives, "seed": seed}
    if strength and min_rating is not None:
        raise ValueError(f"min_rating: expected none with strength, got {min_rating:g}")
    if strength and scale is not None:
        raise ValueError(f"scale: expected none with strength, got {scale}")
    if strength:
        observed, note = _read_strengths(path)
        return leave_one_out(observed, name=name, note=note, **negatives)
    rated = min_rating is not None or scale is not None
    ratings = read_ratings_csv(path, scale=scale, needs_time=True) if rated else _read_unrated(path)
    return leave_one_out_of_ratings(ratings, name=name, min_rating=min_rating, **negatives)


def read_ratings_csv(path: Path, *, scale: Scale | None = None, needs_time: bool = False) -> Ratings:
    """Returns the ratings of one file, plain or gzip, in its order; of a repeated pair the latest row counts.

    Ratings are numbers, or the words of the scale, in any case. Where no scale is given it is `Scale.of_values` of the
    ratings, and `note` says so. Raises ValueError with file and line as `read_csv` does, and for a rating that is not
    on a given scale.
    """
    columns = ("user", "item", "rating")
    rows = _read_rows(path, (*_ROW, "rating") if needs_time else columns, ("timestamp",))
    values = _words_in(path, rows, scale) if scale and scale.words else numbers_in(path, rows, "rating")
    note = ""
    if scale is None:
        scale = Scale.of_values(values)
        note = f"scale {scale}, from the values"
    check_scale(path, values, scale, num_headers=1)
    timestamps = numbers_in(path, rows, "timestamp") if "timestamp" in rows else None
    return _number(rows, values, timestamps, scale, note)


def _read_unrated(path: Path) -> Ratings:
    rows = _read_rows(path, _ROW)
    return _number(rows, np.ones(len(rows)), numbers_in(path, rows, "timestamp"), UNARY)


def _read_rows(path: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()) -> pd.DataFrame:
    rows = read_fields(path, columns, [column for column in optional if column not in columns])
    check_filled(path, rows, ("user", "item"))
    return rows


def _words_in(path: Path, rows: pd.DataFrame, scale: Scale) -> np.ndarray:
    """Returns the place of each word."""
    places = {word.lower(): scale.minimum + scale.step * place for place, word in enumerate(scale.words)}
    values = rows["rating"].str.strip().str.lower().map(places).to_numpy(np.float64)
    wrong = np.isnan(values)
    if wrong.any():
        row = int(wrong.argmax())
        raise bad_line(path, row + 1, f"one of {scale} as rating", repr(rows["rating"][row]))
    return values


def _number(
    rows: pd.DataFrame, values: np.ndarray, timestamps: np.ndarray | None, scale: Scale, note: str = ""
) -> Ratings:
    (users, user_ids), (items, item_ids) = _number_users(rows["user"]), pd.factorize(rows["item"])
    ratings = ratings_of_rows(users, items, values, timestamps, scale, note)
    return replace(ratings, user_ids=user_ids, item_ids=np.asarray(item_ids))


def _read_strengths(path: Path) -> tuple[Interactions, str]:
    """Returns the pairs with the sum of their strengths as weights, and what to note of repeated ones."""
    rows = _read_rows(path, (*_ROW, "strength"))
    strengths, times = numbers_in(path, rows, "strength"), numbers_in(path, rows, "timestamp")
    fits = (strengths >= _LEAST) & (strengths <= 1 / _LEAST)
    if not fits.all():
        row = int(fits.argmin())
        raise bad_line(path, row + 1, f"a strength from {_LEAST:g} to {1 / _LEAST:g}", repr(rows["strength"][row]))
    (users, user_ids), (items, item_ids) = _number_users(rows["user"]), pd.factorize(rows["item"])
    pairs = number_pairs(users, items, times)  # of all numbers from 0 on, in the same order: they stay as they are
    weights = np.bincount(pairs.pairs, strengths)
    names = {"user_ids": user_ids, "item_ids": np.asarray(item_ids)}
    sizes = len(user_ids), len(item_ids)
    observed = Interactions(pairs.users, pairs.items, *sizes, times[pairs.rows], weights, **names)
    repeated = f", those of {pairs.num_repeated} repeated pairs added up" if pairs.num_repeated else ""
    return observed, f"weighted by strength{repeated}"


def _number_users(ids: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Returns ids as 0, 1, ... by ascending id, and the ids in this order."""
    codes, distinct = pd.factorize(ids)
    numbers = pd.to_numeric(pd.Series(distinct), errors="coerce").to_numpy()
    ascending = np.argsort(distinct if np.isnan(numbers).any() else numbers, kind="stable")
    return np.argsort(ascending)[codes], np.asarray(distinct)[ascending]
