"""What files tell of movies: title, year of release, genres.

    u.item, u.genre    MovieLens-100K: id|title|date|video date|address|a flag per genre; name|column of the genre
    movies.dat         MovieLens-1M and 10M: id::title (year)::genre|genre|...
    movies.csv         newer MovieLens sets: movieId,title,genres with a header, title and genres alike
    movie_titles.csv   Netflix: id,year,title; the year may be NULL, the title have commas

Text is UTF-8, or Latin-1 where it is not.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ncfjax.data.fields import ids_in, read_fields
from ncfjax.data.header import Column
from ncfjax.data.numbering import numbers_of
from ncfjax.data.text import bad_line, read_text

_NO_GENRE = "(no genres listed)"
_YEAR = re.compile(r"\((\d{4})[^()]*\)\s*$")


class Movies(NamedTuple):
    """Movies in the order of their file."""

    path: Path
    ids: Int[np.ndarray, " movies"]
    titles: tuple[str, ...]  # as in the file, most of MovieLens's with the year
    years: Float[np.ndarray, " movies"]  # NaN where it is not known
    genres: tuple[str, ...]
    has_genre: Bool[np.ndarray, "movies genres"]


def read_movies(path: Path) -> Movies:
    """Returns movies.dat or movies.csv, told apart by the end of the name; genres are sorted by name.

    Raises ValueError with file and line for a wrong number of fields, an id that is no integer or there twice.
    """
    if path.name.lower().removesuffix(".gz").endswith(".csv"):
        table = read_fields(path, [Column(name) for name in ("movieid", "title", "genres")]).table
        ids, titles, genres = ids_in(path, table, "movieid").tolist(), table["title"].tolist(), table["genres"]
        rows = table.index.tolist()
    else:
        lines = _split_lines(path, "::", 3, "3 fields (MovieID::Title::Genres)")
        ids, titles, genres = [line[0] for line in lines], [line[1] for line in lines], [line[2] for line in lines]
        rows = None
    lists = [[] if names.strip() == _NO_GENRE else _without_blanks(names.split("|")) for names in genres]
    known = sorted({name for names in lists for name in names})
    has_genre = np.array([[name in names for name in known] for names in lists], bool).reshape(len(lists), len(known))
    return _movies(path, ids, titles, [_year_in(title) for title in titles], known, has_genre, rows)


def read_ml_100k_movies(path: Path, genre_path: Path) -> Movies:
    """Returns u.item with the genres of u.genre, in their order; the year is that of the date, else of the title.

    Raises ValueError with file and line as `read_movies` does, and for a flag that is neither 0 nor 1.
    """
    genres = _read_genres(genre_path)
    num_fields = 5 + len(genres)
    lines = _split_lines(path, "|", num_fields, f"{num_fields} fields, 5 and one for each genre of {genre_path}")
    for row, line in enumerate(lines):
        wrong = [flag for flag in line[5:] if flag not in ("0", "1")]
        if wrong:
            raise bad_line(path, row, "0 or 1 for each genre", repr(wrong[0]))
    years = [float(date[-4:]) if re.search(r"\d{4}$", date) else _year_in(title) for _, title, date, *_ in lines]
    has_genre = np.array([line[5:] for line in lines]) == "1"
    return _movies(path, [line[0] for line in lines], [line[1] for line in lines], years, genres, has_genre)


def _without_blanks(names: Sequence[str]) -> list[str]:
    return [name.strip() for name in names if name.strip()]


def _read_genres(path: Path) -> list[str]:
    """The genres of u.genre in the order of their columns; its lines may have another."""
    lines = _split_lines(path, "|", 2, "2 fields (genre|column)", id_column=1)
    genres: dict[int, str] = {}
    for row, (name, column) in enumerate(lines):
        if int(column) in genres or int(column) >= len(lines):
            raise bad_line(path, row, f"each column from 0 to {len(lines) - 1} once", column)
        genres[int(column)] = name
    return [genres[column].strip() for column in range(len(lines))]


def read_netflix_titles(path: Path) -> Movies:
    """Returns movie_titles.csv; no genres. Raises ValueError with file and line as `read_movies` does."""
    lines = _split_lines(path, ",", 3, "3 fields (id,year,title)", most_splits=2)
    years = []
    for row, (_, year, _) in enumerate(lines):
        if not re.fullmatch("[0-9]{4}|NULL", year):
            raise bad_line(path, row, "a year or NULL", repr(year))
        years.append(np.nan if year == "NULL" else float(year))
    has_genre = np.zeros((len(lines), 0), bool)
    return _movies(path, [line[0] for line in lines], [line[2] for line in lines], years, (), has_genre)


def movies_of(movies: Movies, ids: Int[np.ndarray, " items"]) -> Movies:
    """The movies of some ids, in this order; one that is not known has no title, year and genre."""
    rows, is_there = numbers_of(ids, movies.ids)
    titles = tuple(movies.titles[row] if known else "" for row, known in zip(rows, is_there, strict=True))
    years, has_genre = np.where(is_there, movies.years[rows], np.nan), movies.has_genre[rows] & is_there[:, None]
    return movies._replace(ids=ids, titles=titles, years=years, has_genre=has_genre)


def _split_lines(
    path: Path, separator: str, num_fields: int, expected: str, id_column: int = 0, most_splits: int = -1
) -> list[list[str]]:
    lines = [line.split(separator, most_splits) for line in read_text(path).split("\n")]
    for row, line in enumerate(lines):
        if len(line) != num_fields:
            raise bad_line(path, row, expected, f"{len(line)} in {separator.join(line)[:60]!r}")
        line[id_column] = line[id_column].strip()
        if not re.fullmatch("[0-9]{1,18}", line[id_column]):
            raise bad_line(path, row, "an integer id", repr(line[id_column]))
    return lines


def _year_in(title: str) -> float:
    """The number in the parentheses at the end; NaN where there is none."""
    match = _YEAR.search(title)
    return float(match[1]) if match else np.nan


def _movies(
    path: Path,
    ids: Sequence[str | int],
    titles: Sequence[str],
    years: Sequence[float],
    genres: Sequence[str],
    has_genre: np.ndarray,
    rows: Sequence[int] | None = None,  # lines, from 0; None: one each
) -> Movies:
    numbers = np.array([int(text) for text in ids])
    _, first = np.unique(numbers, return_index=True)
    if len(first) < len(numbers):
        row = int(np.setdiff1d(np.arange(len(numbers)), first)[0])
        raise bad_line(path, row if rows is None else rows[row], "each id once", f"{numbers[row]} again")
    return Movies(path, numbers, tuple(titles), np.array(years, np.float64), tuple(genres), has_genre)
