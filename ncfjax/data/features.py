"""Features of items: what a content-based method knows of an item that nobody has rated.

    genres   1 where the movie has the genre
    year     of release, less the mean of the items and divided by their standard deviation; 0 where it is not known
    words    1 where the title has the word; words of at least `min_count` titles

A choice of these parts is the choice of how coarse the features are.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from ncfjax.data.movies import Movies
from ncfjax.data.numbering import numbers_of
from ncfjax.data.ratings import Ratings

PARTS = ("genres", "year", "words")
_WORD = re.compile(r"[^\W_]+")
_YEAR = re.compile(r"\s*\(\d{4}[^()]*\)\s*$")


class Features(NamedTuple):
    """Of each item of some ratings, in their order."""

    names: tuple[str, ...]  # of the columns: "genre Comedy", "year", "word love"
    values: Float32[np.ndarray, "items k"]
    titles: tuple[str, ...]  # of the items
    source: str  # the name of the file


def features_of(movies: Movies, ratings: Ratings, parts: Sequence[str], *, min_count: int = 5) -> Features:
    """Returns the features of every item of `ratings`, by `item_ids`; `parts` are some of PARTS.

    `min_count` belongs to the words. Raises ValueError for no part or one that is none, for a part that the file does
    not have, and for an item that is not in the file, by the id that it has in its own.
    """
    wrong = [part for part in parts if part not in PARTS]
    if wrong or not parts:
        raise ValueError(f"features: expected some of {', '.join(PARTS)}, got {', '.join(wrong) or 'none'}")
    rows = _rows_of_items(movies, ratings)
    titles = tuple(movies.titles[row] for row in rows)
    makers = {
        "genres": lambda: _genres(movies, rows),
        "year": lambda: _year(movies, rows),
        "words": lambda: _words(titles, min_count),
    }
    made = [makers[part]() for part in PARTS if part in parts]
    names = tuple(name for part, _ in made for name in part)
    return Features(names, np.concatenate([values for _, values in made], axis=1), titles, movies.path.name)


def _rows_of_items(movies: Movies, ratings: Ratings) -> np.ndarray:
    ids, known = np.arange(ratings.num_items) if ratings.item_ids is None else ratings.item_ids, movies.ids
    if ids.dtype.kind not in "iu":  # of a table whose ids are any text
        ids, known = ids.astype(str), known.astype(str)
    rows, is_there = numbers_of(ids, known)
    if not is_there.all():
        missing = ids[~is_there]
        others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
        raise ValueError(f"{movies.path}: expected a line for every rated item, got none for {missing[0]}{others}")
    return rows


Part = tuple[list[str], np.ndarray]  # names and float32[items, columns]


def _genres(movies: Movies, rows: np.ndarray) -> Part:
    if not movies.genres:
        raise ValueError(f"{movies.path}: expected genres, got none")
    return [f"genre {name}" for name in movies.genres], movies.has_genre[rows].astype(np.float32)


def _year(movies: Movies, rows: np.ndarray) -> Part:
    years = movies.years[rows]
    known = years[~np.isnan(years)]
    if not len(known):
        raise ValueError(f"{movies.path}: expected years, got none")
    spread = known.std() or 1.0  # all of one year
    return ["year"], np.nan_to_num((years - known.mean()) / spread)[:, None].astype(np.float32)


def _words(titles: Sequence[str], min_count: int) -> Part:
    sets = [set(_WORD.findall(_YEAR.sub("", title).lower())) for title in titles]
    counts = Counter(word for words in sets for word in words)
    frequent = sorted(word for word, count in counts.items() if count >= min_count)
    if not frequent:
        raise ValueError(f"features: expected a word of at least {min_count} titles, got none")
    column = {word: place for place, word in enumerate(frequent)}
    values = np.zeros((len(titles), len(frequent)), np.float32)
    pairs = [(row, column[word]) for row, words in enumerate(sets) for word in words if word in column]
    values[tuple(np.array(pairs).T)] = 1.0
    return [f"word {word}" for word in frequent], values
