"""Splits of ratings: what is trained on, and what is predicted; and the holdout on which a method is tuned.

    random       a random fold, or a random share of the ratings
    latest       the latest share of all ratings, by time
    cold_items   all ratings of a random share of the items
    cold_users   all ratings of a random share of the users
    official     two files of the data set's authors
    given        any other part that the data come with, as Netflix's probe

Both parts keep the order of the ratings, and all users and items: a cold item has a number, and no rating to train on.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from ncfjax.data.interactions import is_among
from ncfjax.data.ratings import Ratings

NAMES = ("random", "latest", "cold_items", "cold_users", "official", "given")


@dataclass(frozen=True, eq=False)
class RatingSplit:
    """Ratings to train on and ratings to predict.

    `name` is one of NAMES, `fold` counts from 1 where a split has several, `split` is "test" or "holdout", and `note`
    holds whatever else a result's row must say. Raises ValueError for a part without ratings, and for a pair that is in
    both unless the ratings allow repeats.
    """

    name: str
    train: Ratings
    test: Ratings
    note: str = ""
    fold: int = 1
    split: str = "test"

    def __post_init__(self):
        if self.name not in NAMES or self.split not in ("test", "holdout"):
            raise ValueError(f"split: expected test or holdout of {', '.join(NAMES)}, got {self.split} of {self.name}")
        train, test = self.train, self.test
        for part, ratings in (("training", train), ("test", test)):
            if not len(ratings):
                raise ValueError(f"{self.name}: expected {part} ratings, got none ({self.note})")
        if (train.num_users, train.num_items) != (test.num_users, test.num_items):
            sizes = f"{train.num_users} x {train.num_items} and {test.num_users} x {test.num_items}"
            raise ValueError(f"{self.name}: expected both parts to be of the same users and items, got {sizes}")
        shared = is_among(test.keys, train.keys)
        if shared.any() and not train.allows_repeats:
            pair = test.pair(int(shared.argmax()))
            raise ValueError(f"{self.name}: expected test ratings that are not trained on, got {pair} in both")


def random_fold(ratings: Ratings, *, fold: int, num_folds: int, seed: int) -> RatingSplit:
    """One of `num_folds` parts of almost equal size, disjoint and covering, is predicted; `fold` counts from 1.

    Raises ValueError for a fold that is none of them, and for more folds than ratings.
    """
    if not 1 <= fold <= num_folds or num_folds < 2:
        raise ValueError(f"fold: expected 1..{max(num_folds, 2)}, of at least 2 folds, got {fold} of {num_folds}")
    if num_folds > len(ratings):
        raise ValueError(f"folds: expected at most {len(ratings)}, the number of ratings, got {num_folds}")
    order = np.random.default_rng(seed).permutation(len(ratings))
    is_test = np.zeros(len(ratings), bool)
    is_test[order[fold - 1 :: num_folds]] = True
    return _split("random", ratings, is_test, f"{num_folds} folds, seed={seed}", fold)


def random_share(ratings: Ratings, *, share: float, seed: int) -> RatingSplit:
    """A random share of the ratings is predicted, 0.1 say; raises ValueError unless it is between 0 and 1."""
    is_test = _drawn(len(ratings), _count("random", len(ratings), share), seed)
    return _split("random", ratings, is_test, f"{share:g} of the ratings, seed={seed}")


def latest(ratings: Ratings, *, share: float) -> RatingSplit:
    """The latest share of all ratings is predicted; among equal times the later row counts as the later one.

    Raises ValueError without time stamps, where all are alike, and for a share that is not between 0 and 1.
    """
    times = ratings.timestamps
    if times is None or not len(times) or np.all(times == times[0]):
        raise ValueError(f"latest: expected time stamps, got {'none' if times is None else 'all alike'}")
    order = np.argsort(times, kind="stable")
    is_test = np.zeros(len(ratings), bool)
    is_test[order[len(order) - _count("latest", len(ratings), share) :]] = True
    return _split("latest", ratings, is_test, f"{share:g} of the ratings")


def cold_items(ratings: Ratings, *, share: float, seed: int) -> RatingSplit:
    """All ratings of a random share of the rated items are predicted; raises ValueError as `random_share` does."""
    return _cold("cold_items", ratings, ratings.items, share, seed)


def cold_users(ratings: Ratings, *, share: float, seed: int) -> RatingSplit:
    """All ratings of a random share of the users who rated are predicted; raises ValueError as `random_share` does."""
    return _cold("cold_users", ratings, ratings.users, share, seed)


def _cold(name: str, ratings: Ratings, ids: Int[np.ndarray, " n"], share: float, seed: int) -> RatingSplit:
    rated = np.unique(ids)
    chosen = rated[_drawn(len(rated), _count(name, len(rated), share), seed)]
    what = name.removeprefix("cold_")
    return _split(name, ratings, np.isin(ids, chosen), f"{len(chosen)} of {len(rated)} {what}, seed={seed}")


def holdout(split: RatingSplit, *, share: float, seed: int) -> RatingSplit:
    """A share of the training ratings is predicted instead of the test ratings, which are left out altogether.

    It is of the kind that the split is of: the latest ratings, all of a share of the items or users, or else a random
    share of the ratings. Raises ValueError for a holdout of a holdout, and as the splits do.
    """
    if split.split != "test":
        raise ValueError(f"holdout: expected a test split, got the {split.split} of {split.name}")
    seeded = {"cold_items": cold_items, "cold_users": cold_users}
    if split.name == "latest":
        part = latest(split.train, share=share)
    else:
        part = seeded.get(split.name, random_share)(split.train, share=share, seed=seed)
    note = "; ".join(filter(None, [split.note, f"holdout: {part.note}"]))
    return RatingSplit(split.name, part.train, part.test, note, split.fold, "holdout")


def _count(name: str, size: int, share: float) -> int:
    """How many of `size` a share is, to the nearest."""
    if not 0 < share < 1:
        raise ValueError(f"{name}: expected a share between 0 and 1, got {share:g}")
    count = round(share * size)
    if not 0 < count < size:
        raise ValueError(
            f"{name}: expected a share that is some and not all, got {share:g} of {size}, which is {count}"
        )
    return count


def _drawn(size: int, count: int, seed: int) -> Bool[np.ndarray, " size"]:
    """Marks `count` of `size` at random."""
    mask = np.zeros(size, bool)
    mask[np.random.default_rng(seed).permutation(size)[:count]] = True
    return mask


def _split(name: str, ratings: Ratings, is_test: Bool[np.ndarray, " n"], note: str, fold: int = 1) -> RatingSplit:
    return RatingSplit(name, ratings.where(~is_test), ratings.where(is_test), note, fold)
