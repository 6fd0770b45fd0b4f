"""MovieLens's own rating files, as ratings and as a leave-one-out split.

    ratings.dat   user::item::rating::timestamp                    stars
    u.data        user <tab> item <tab> rating <tab> timestamp     stars; u1.base, u1.test and so on are alike
    ratings.csv   userId,movieId,rating,timestamp, with a header   half stars

Where `ratings.dat` has a half star (MovieLens-10M) its scale has them, too. Time stamps are seconds since 1970.

Unless `min_rating` is given, every rating counts as an interaction, whatever its value, as in He et al., WWW 2017. The
split is that of `splits.leave_one_out`. NCF's published files are such a split of ML-1M with other negatives, and with
other picks among interactions of equal time.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ncfjax.data.interactions import LeaveOneOut, is_among, pair_keys
from ncfjax.data.numbering import numbers_of
from ncfjax.data.rating_rows import check_scale, ratings_of_rows
from ncfjax.data.rating_splits import RatingSplit
from ncfjax.data.ratings import HALF_STARS, STARS, Ratings, Scale
from ncfjax.data.splits import leave_one_out_of_ratings
from ncfjax.data.table import Layout, read_table
from ncfjax.data.text import about, bad_line, read_content

_RATINGS = Layout("4 fields (user, item, rating, timestamp)", widths=(4,), num_ids=2, time=3)
_HEADER = b"userId,movieId,rating,timestamp"


def read_movielens(
    path: Path, *, name: str, min_rating: float | None = None, num_negatives: int = 99, seed: int = 0
) -> LeaveOneOut:
    """Returns the split of one file, plain or gzip; raises ValueError with file and line for a bad one."""
    options = {"min_rating": min_rating, "num_negatives": num_negatives, "seed": seed}
    with about(path):
        return leave_one_out_of_ratings(read_movielens_ratings(path), name=name, **options)


def read_movielens_ratings(path: Path) -> Ratings:
    """Returns the ratings of one file, plain or gzip, in its order.

    Raises ValueError with file and line for a bad one, a rating off its scale among them.
    """
    rows, scale = _read_rows(path)
    return ratings_of_rows(*(rows[column].to_numpy() for column in range(4)), scale)


def _read_rows(path: Path) -> tuple[pd.DataFrame, Scale]:
    """Returns a table of user, item, rating and time stamp, whose index is the lines, from 0; and the scale that its
    ratings were checked against."""
    content = read_content(path)
    if content.split(b"\n", 1)[0] == _HEADER:
        rows, scale = read_table(path, content, _RATINGS, ",", num_headers=1), HALF_STARS
        rows.index += 1
    else:
        rows = read_table(path, content.replace(b"::", b"\t"), _RATINGS)
        has_halves = b"::" in content[:100] and (rows[2] % 1 > 0).any()
        scale = HALF_STARS if has_halves else STARS
    check_scale(path, rows[2].to_numpy(), scale, rows.index.to_numpy())
    return rows, scale


def read_official_fold(ratings: Ratings, train_path: Path, test_path: Path, *, fold: int) -> RatingSplit:
    """Returns the split of `ratings` that two files of the same data give, such as u1.base and u1.test.

    Raises ValueError with file and line for a row that is in both files, or that is not in `ratings` as it is there.
    """
    (keys, lines), (test_keys, _) = (_keys_in(ratings, path) for path in (train_path, test_path))
    shared = is_among(keys, test_keys)
    if shared.any():
        row = int(shared.argmax())
        user, item = divmod(int(keys[row]), ratings.num_items)
        pair = f"user {ratings.user_id(user)}, item {ratings.item_id(item)}"
        raise bad_line(train_path, int(lines[row]), f"a pair that is not in {test_path}", pair)
    train, test = (ratings.where(is_among(ratings.keys, known)) for known in (keys, test_keys))
    return RatingSplit("official", train, test, f"{train_path.name}, {test_path.name}", fold)


def _keys_in(ratings: Ratings, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns the key and the line of each row of a file, after checking that `ratings` has the row."""
    rows, _ = _read_rows(path)
    users, has_user = numbers_of(rows[0].to_numpy(), ratings.user_ids)
    items, has_item = numbers_of(rows[1].to_numpy(), ratings.item_ids)
    keys = pair_keys(users, items, ratings.num_items)
    places, has_pair = numbers_of(keys, ratings.keys)
    is_there = has_user & has_item & has_pair & (ratings.values[places] == rows[2].to_numpy())
    if not is_there.all():
        row = int((~is_there).argmax())
        user, item, value = (rows[column].iloc[row] for column in range(3))
        raise bad_line(
            path, int(rows.index[row]), "a rating of the whole data set", f"{value:g} of user {user}, item {item}"
        )
    return keys, rows.index.to_numpy()
