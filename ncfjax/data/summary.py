"""What is left of a data set where a model is used without it: what users and items are called, and who had what."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from ncfjax.data.content import of_arrays
from ncfjax.data.interactions import Interactions, check_count, pair_keys, sorted_distinct
from ncfjax.data.movies import Movies
from ncfjax.data.ratings import Ratings, Scale


@dataclass(frozen=True, eq=False)
class Summary:
    """Of the data that a model was trained on. Raises ValueError for arrays that do not fit together."""

    name: str  # of the data set
    content: str  # as `content.of_arrays`: equal where all that was trained on is equal, names included
    user_ids: np.ndarray  # what users are called in the data set's files: [users], integers or texts
    item_ids: np.ndarray  # [items]
    history_sizes: np.ndarray  # int32[users]
    history_items: np.ndarray  # int32[n], user by user, ascending
    average_ratings: np.ndarray | None = None  # float32[items], NaN where an item has none; None: no ratings
    scale: Scale | None = None  # of the ratings
    movies: Movies | None = None  # a row for each item, in their order; None where no file tells

    def __post_init__(self):
        check_count("history_items", self.history_items, int(self.history_sizes.sum()))
        check_count("history_sizes", self.history_sizes, self.num_users)
        check_count("average_ratings", self.average_ratings, self.num_items)
        check_count("movies", None if self.movies is None else self.movies.ids, self.num_items)

    @property
    def num_users(self) -> int:
        return len(self.user_ids)

    @property
    def num_items(self) -> int:
        return len(self.item_ids)

    @cached_property
    def history_starts(self) -> Int[np.ndarray, " users_and_one"]:
        """history_items[history_starts[u] : history_starts[u + 1]] are those of user u."""
        return np.concatenate([[0], np.cumsum(self.history_sizes, dtype=np.int64)])

    def history(self, user: int) -> Int[np.ndarray, " n"]:
        """The items of a user, ascending."""
        return self.history_items[self.history_starts[user] : self.history_starts[user + 1]]

    @cached_property
    def counts(self) -> Int[np.ndarray, " items"]:
        """How many users have each item."""
        return np.bincount(self.history_items, minlength=self.num_items)

    def interactions(self) -> Interactions:
        """Who had what, without times, strengths and ratings."""
        users = np.repeat(np.arange(self.num_users, dtype=np.int32), self.history_sizes)
        return Interactions(users, self.history_items, self.num_users, self.num_items)


def summarize(name: str, train: Interactions | Ratings, movies: Movies | None = None) -> Summary:
    """The summary of a data set's training part; `movies` has a row for each item."""
    keys = sorted_distinct(pair_keys(train.users, train.items, train.num_items))
    sizes = np.bincount(keys // max(1, train.num_items), minlength=train.num_users).astype(np.int32)
    items = (keys % max(1, train.num_items)).astype(np.int32)
    user_ids, item_ids = _names(train.user_ids, train.num_users), _names(train.item_ids, train.num_items)
    is_rated = isinstance(train, Ratings)
    averages, scale = (_averages(train), train.scale) if is_rated else (None, None)
    values = train.values if is_rated else train.weights
    if values is not None:
        values = values[np.lexsort((values, train.items, train.users))]
    content = of_arrays(user_ids, item_ids, sizes, items, values)
    return Summary(name, content, user_ids, item_ids, sizes, items, averages, scale, movies)


def _names(ids: np.ndarray | None, size: int) -> np.ndarray:
    """Integers, or texts of a fixed width, which can be written without pickle."""
    if ids is None:
        return np.arange(size)
    return ids.astype(np.int64 if ids.dtype.kind in "iu" else str)


def _averages(train: Ratings) -> Float[np.ndarray, " items"]:
    counts = np.bincount(train.items, minlength=train.num_items)
    sums = np.bincount(train.items, train.values, train.num_items)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float32)
