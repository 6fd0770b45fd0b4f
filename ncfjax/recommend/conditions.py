"""Which items of a data set meet a condition: a genre, years, words of the title, how many ratings.

    genre         one of these genres, none of those
    years         first to last, both included; an item of unknown year has none
    title         all of these words, whole and in any order; capitals do not count
    num_ratings   from so many to so many ratings, or users, in training

A label is a genre or a decade ("1990s"): what a preference speaks of. Capitals and punctuation of a genre do not count:
"scifi" is Sci-Fi, "childrens" Children's.
"""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from ncfjax.data.movies import Movies
from ncfjax.data.summary import Summary
from ncfjax.keys import nearest
from ncfjax.recommend.request import Refused

_DECADE = re.compile(r"(\d{3}0)s")


def has_genre(data: Summary, names: Sequence[str]) -> Bool[np.ndarray, " items"]:
    """Which items have one of these genres at least.

    Raises:
        Refused: a genre that there is not, or a data set whose files tell of none.
    """
    movies = _movies(data, "genres")
    columns = [_genre_column(movies, name) for name in names]
    return movies.has_genre[:, columns].any(axis=1)


def has_label(data: Summary, label: str) -> Bool[np.ndarray, " items"]:
    """Which items have a genre, or are of a decade. Raises Refused as `has_genre` does."""
    decade = _DECADE.fullmatch(label.strip())
    if decade is None:
        return has_genre(data, [label])
    first = int(decade[1])
    return of_years(data, first, first + 9)


def of_years(data: Summary, first: float | int | None, last: float | int | None) -> Bool[np.ndarray, " items"]:
    """Which items are from these years; None is no limit. Raises Refused where the files tell of none."""
    years = _movies(data, "years").years
    if first is None and last is None:
        return np.ones(len(years), bool)
    low, high = -np.inf if first is None else first, np.inf if last is None else last
    return (years >= low) & (years <= high)  # NaN is in no range


def has_words(data: Summary, words: Sequence[str]) -> Bool[np.ndarray, " items"]:
    """Which titles have all of these words. Raises Refused where the files tell of no titles."""
    wanted = {part for word in words for part in _words(word)}
    return np.array([wanted <= set(_words(title)) for title in _movies(data, "titles").titles], bool)


def has_ratings(data: Summary, least: float | int | None, most: float | int | None) -> Bool[np.ndarray, " items"]:
    """Which items have so many ratings, or users, in training; None is no limit."""
    counts = data.counts
    return (counts >= (least or 0)) & (counts <= (np.inf if most is None else most))


def genres_of(data: Summary, item: int) -> tuple[str, ...]:
    """Of one item; none where the files tell of none."""
    if data.movies is None:
        return ()
    return tuple(np.array(data.movies.genres, object)[data.movies.has_genre[item]])


def _movies(data: Summary, what: str) -> Movies:
    if data.movies is None:
        raise Refused(f"expected a data set whose files tell the {what} of its items, got {data.name}")
    return data.movies


def _genre_column(movies: Movies, name: str) -> int:
    plain = [_plain(genre) for genre in movies.genres]
    if _plain(name) not in plain:
        raise Refused(f"genre {name!r}: no such genre, {nearest(name, movies.genres)}")
    return plain.index(_plain(name))


def _plain(name: str) -> str:
    return "".join(re.findall(r"\w+", name.casefold()))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
