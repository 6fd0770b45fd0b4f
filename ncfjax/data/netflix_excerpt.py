"""A small excerpt of Netflix's ratings: two files of comma-separated text, movie_id,user_id,rating,date.

Its ids are not Netflix's. Time stamps are days since 1970-01-01.
"""

from pathlib import Path

import numpy as np

from ncfjax.data.fields import days_in, ids_in, numbers_in, read_fields
from ncfjax.data.header import Column
from ncfjax.data.numbering import number_pairs
from ncfjax.data.rating_rows import check_scale, ratings_of_rows
from ncfjax.data.rating_splits import RatingSplit
from ncfjax.data.ratings import STARS, Ratings
from ncfjax.data.text import bad_line


def read_netflix_excerpt(train_path: Path, test_path: Path) -> Ratings:
    """Returns the ratings of both files, plain or gzip, train before test.

    Raises ValueError with file and line for a bad one: an id that is no integer, a rating that is none of 1 to 5, a
    date that is none, and a pair that is in another line, too.
    """
    return _read(train_path, test_path)[0]


def split_netflix_excerpt(train_path: Path, test_path: Path) -> RatingSplit:
    """Returns the two files as training and test; raises ValueError as `read_netflix_excerpt` does."""
    ratings, num_train = _read(train_path, test_path)
    is_test = np.arange(len(ratings)) >= num_train
    return RatingSplit("given", ratings.where(~is_test), ratings.where(is_test), f"{train_path.name}, {test_path.name}")


def _read(train_path: Path, test_path: Path) -> tuple[Ratings, int]:
    """Returns the ratings, and how many of them are the train file's."""
    parts = [_read_part(path) for path in (train_path, test_path)]
    movies, users, values, days, lines = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    num_train = len(parts[0][0])
    _check_distinct(users, movies, lines, train_path, test_path, num_train)
    return ratings_of_rows(users, movies, values, days, STARS), num_train


def _read_part(path: Path) -> tuple[np.ndarray, ...]:
    """Returns movies, users, ratings, days, and the lines that they stand in, from 0."""
    rows = read_fields(path, [Column(name) for name in ("movie_id", "user_id", "rating", "date")]).table
    movies, users = (ids_in(path, rows, column) for column in ("movie_id", "user_id"))
    values = numbers_in(path, rows, "rating")
    lines = rows.index.to_numpy()
    check_scale(path, values, STARS, lines)
    return movies, users, values, days_in(path, rows, "date"), lines


def _check_distinct(
    users: np.ndarray, movies: np.ndarray, lines: np.ndarray, train_path: Path, test_path: Path, num_train: int
) -> None:
    """Raises ValueError with file and line for a pair that was in an earlier line."""
    pairs = number_pairs(users[::-1], movies[::-1]).rows  # the first line of each pair, from the end
    is_first = np.zeros(len(users), bool)
    is_first[len(users) - 1 - pairs] = True
    if not is_first.all():
        row = int((~is_first).argmax())
        path = train_path if row < num_train else test_path
        expected = "a pair that is in no line before" + ("" if row < num_train else f", nor in {train_path}")
        raise bad_line(path, int(lines[row]), expected, f"user {users[row]}, movie {movies[row]}")
