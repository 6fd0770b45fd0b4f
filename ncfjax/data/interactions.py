"""Implicit feedback as plain arrays: who interacted with what, and the one item per user that is held out.

    Interactions   the observed pairs (u, i), each once
    HeldOut        per evaluated user the positive i+ and the candidates that it is ranked against
    LeaveOneOut    both, as in the protocol of He et al., "Neural Collaborative Filtering", WWW 2017, section 4.1

Everything is checked here, because JAX clamps or drops an index that is out of range without a word. Ids are
int32 and the arrays are read-only.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped


def pair_keys(users: Int[np.ndarray, "..."], items: Int[np.ndarray, "..."], num_items: int) -> Int[np.ndarray, "..."]:
    """Returns one int64 per pair (they broadcast), equal for equal pairs, ascending by user, then item."""
    return users.astype(np.int64) * num_items + items


def sorted_distinct(keys: Int[np.ndarray, " n"]) -> Int[np.ndarray, " distinct"]:
    """Returns the distinct keys, ascending (on a million int64 ten times faster than np.unique, which hashes)."""
    keys = np.sort(keys)
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys


def is_among(keys: Int[np.ndarray, " n"], known: Int[np.ndarray, " known"]) -> Bool[np.ndarray, " n"]:
    """Marks the keys that are in `known`."""
    known = np.sort(known)
    position = np.searchsorted(known, keys)
    return np.append(known, -1)[position] == keys


def repeated_pair(users: Int[np.ndarray, " n"], items: Int[np.ndarray, " n"], num_items: int) -> int | None:
    """The row of a pair that occurs in another row too, the pair with the lowest key; None where all are distinct."""
    keys = pair_keys(users, items, num_items)
    ordered = np.sort(keys)
    repeated = np.flatnonzero(ordered[1:] == ordered[:-1])
    return int(np.argmax(keys == ordered[repeated[0]])) if repeated.size else None


def as_ids(name: str, values: np.ndarray, ndim: int = 1) -> np.ndarray:
    """Ids as read-only int32. Raises ValueError for anything else than integers in 0..2**31-1."""
    values = np.asarray(values)
    if values.dtype.kind not in "iu" or values.ndim != ndim:
        raise ValueError(f"{name}: expected integers of {ndim} dimension(s), got {values.dtype} {values.shape}")
    if values.size and (values.min() < 0 or values.max() > np.iinfo(np.int32).max):
        raise ValueError(f"{name}: expected ids in 0..2**31-1, got {values.min()}..{values.max()}")
    values = values.astype(np.int32)  # a copy: what was checked stays as it is
    values.flags.writeable = False
    return values


def as_times(values: np.ndarray, size: int) -> np.ndarray:
    """Time stamps, read-only. Raises ValueError unless there is a finite number for each of `size` rows."""
    values = np.array(values)
    if values.dtype.kind not in "iuf" or values.shape != (size,) or not np.isfinite(values).all():
        raise ValueError(f"timestamps: expected {size} numbers, one per pair, got {values.dtype} {values.shape}")
    values.flags.writeable = False
    return values


def _as_weights(values: np.ndarray, size: int) -> np.ndarray:
    values = np.array(values, np.float32)
    if values.shape != (size,):
        raise ValueError(f"weights: expected {size} numbers, one per pair, got shape {values.shape}")
    wrong = ~(np.isfinite(values) & (values > 0))
    if wrong.any():
        raise ValueError(f"weights: expected numbers > 0, got {values[wrong.argmax()]:g}")
    values.flags.writeable = False
    return values


def check_below(name: str, values: np.ndarray, size: int) -> None:
    """Raises ValueError for an id that is not below `size`."""
    if values.size and values.max() >= size:
        raise ValueError(f"{name}: expected ids below {size}, got {values.max()}")


def check_count(name: str, values: np.ndarray | None, size: int) -> None:
    """Raises ValueError unless there are `size` of them, or none at all."""
    if values is not None and len(values) != size:
        raise ValueError(f"{name}: expected {size} of them, got {len(values)}")


@dataclass(frozen=True, eq=False)
class Interactions:
    """Distinct observed pairs, in the order of their source.

    `weights` are strengths: say 1 for a visit, 5 for a purchase. `user_ids` and `item_ids` are what users and items are
    called in their files; None: they are called by their numbers. Raises ValueError for ids out of range, arrays of
    unequal length, a pair that occurs twice, and a weight that is not above 0.
    """

    users: np.ndarray  # int32[n]; checked below and not by type, because anything may come in here
    items: np.ndarray  # int32[n]
    num_users: int
    num_items: int
    timestamps: np.ndarray | None = None  # numbers[n] of any unit, larger is later; None where the source has none
    weights: np.ndarray | None = None  # float32[n] > 0; None where all pairs are alike
    user_ids: np.ndarray | None = None  # [num_users]
    item_ids: np.ndarray | None = None  # [num_items]

    def __post_init__(self):
        for name, size in (("users", self.num_users), ("items", self.num_items)):
            values = as_ids(name, getattr(self, name))
            check_below(name, values, size)
            object.__setattr__(self, name, values)
        if self.users.shape != self.items.shape:
            raise ValueError(f"items: expected {len(self.users)} ids, one per user, got {len(self.items)}")
        if self.timestamps is not None:
            object.__setattr__(self, "timestamps", as_times(self.timestamps, len(self.users)))
        if self.weights is not None:
            object.__setattr__(self, "weights", _as_weights(self.weights, len(self.users)))
        check_count("user_ids", self.user_ids, self.num_users)
        check_count("item_ids", self.item_ids, self.num_items)
        row = repeated_pair(self.users, self.items, self.num_items)
        if row is not None:
            pair = self.named(int(self.users[row]), int(self.items[row]))
            raise ValueError(f"interactions: expected distinct pairs, got {pair} twice")

    def __len__(self) -> int:
        return len(self.users)

    def named(self, user: int, item: int) -> str:
        """A user and an item in the ids of their files, for messages."""
        names = ((user, self.user_ids), (item, self.item_ids))
        own_user, own_item = (number if ids is None else ids[number] for number, ids in names)
        return f"user {own_user}, item {own_item}"

    def where(self, rows: Shaped[np.ndarray, " n"]) -> "Interactions":
        """Some of the pairs, by a mask or by their rows, of the same users and items."""
        optional = {name: getattr(self, name) for name in ("timestamps", "weights")}
        kept = {name: None if values is None else values[rows] for name, values in optional.items()}
        return replace(self, users=self.users[rows], items=self.items[rows], **kept)

    @property
    def order(self) -> str:
        """What the time stamps say of each user's rows.

        "newest first" | "file": times are known, and rows are in another order | "unknown": no times, or all alike.
        """
        times = self.timestamps
        if times is None or not len(times) or np.all(times == times[0]):
            return "unknown"
        by_user = np.argsort(self.users, kind="stable")
        users, times = self.users[by_user], times[by_user]
        is_later = times[1:] > times[:-1]  # no difference: it may be larger than an integer
        return "file" if np.any(is_later & (users[1:] == users[:-1])) else "newest first"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One held-out positive for each evaluated user, and the negatives that it is ranked against.

    A row of `negatives` may list the user's own positive (156 rows of ML-1M do): it stays here as it was read, and
    evaluation masks it. Raises ValueError for unequal lengths, and for a user that occurs twice.
    """

    users: np.ndarray  # int32[n]
    positives: np.ndarray  # int32[n]
    negatives: np.ndarray  # int32[n, candidates]

    def __post_init__(self):
        for name, ndim in (("users", 1), ("positives", 1), ("negatives", 2)):
            object.__setattr__(self, name, as_ids(name, getattr(self, name), ndim))
        for name in ("positives", "negatives"):
            if len(getattr(self, name)) != len(self.users):
                raise ValueError(
                    f"{name}: expected {len(self.users)} rows, one per user, got {len(getattr(self, name))}"
                )
        if len(np.unique(self.users)) != len(self.users):
            raise ValueError("held-out users: expected each user once, got a repeated one")

    def __len__(self) -> int:
        return len(self.users)


def _check_not_held_out(name: str, known: Interactions, held_out: HeldOut, train: Interactions) -> None:
    keys = pair_keys(held_out.users, held_out.positives, train.num_items)
    leaked = is_among(keys, pair_keys(known.users, known.items, train.num_items))
    if leaked.any():
        pair = train.named(*divmod(int(keys[leaked.argmax()]), train.num_items))
        raise ValueError(f"held_out: expected pairs that are not in {name}, got {pair}")


class SyntheticOracle(NamedTuple):
    """The preference that synthetic data were drawn from: the best possible scorer of them."""

    scores: Float[np.ndarray, "users items"]

    def score_all(self, users):
        """Scores of every item for each of the given users: float[users, items]."""
        return self.scores[users]


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """A data set split for evaluation: what may be trained on, and what is asked.

    `split` is "test" or "holdout" (see `splits.holdout`); `negatives` says where the candidates come from ("file" or
    "99 drawn, seed=0"); `note` holds whatever else a result's row must say. `train` keeps the order of the file: the
    first row of a user is the one that the tuning holdout takes. `set_aside` are pairs that are neither trained on nor
    candidates when a user's whole catalogue is ranked: a holdout's test items. Raises ValueError for ids out of range,
    and for a held-out pair that is also in `train` or `set_aside`.
    """

    name: str
    split: str
    train: Interactions
    held_out: HeldOut
    negatives: str
    note: str = ""
    oracle: SyntheticOracle | None = None
    set_aside: Interactions | None = None

    def __post_init__(self):
        if self.split not in ("test", "holdout"):
            raise ValueError(f"split: expected 'test' or 'holdout', got {self.split!r}")
        held_out, num_items = self.held_out, self.train.num_items
        check_below("held-out users", held_out.users, self.train.num_users)
        check_below("held-out positives", held_out.positives, num_items)
        check_below("held-out negatives", held_out.negatives, num_items)
        _check_not_held_out("train", self.train, held_out, self.train)
        if self.set_aside is not None:
            check_below("set-aside users", self.set_aside.users, self.train.num_users)
            check_below("set-aside items", self.set_aside.items, num_items)
            _check_not_held_out("set_aside", self.set_aside, held_out, self.train)

    @property
    def num_others(self) -> Int[np.ndarray, " users"]:
        """How many items the full catalogue ranks a held-out item against, per held-out user."""
        histories = [self.train] if self.set_aside is None else [self.train, self.set_aside]
        seen = sum(np.bincount(history.users, minlength=self.train.num_users) for history in histories)
        return self.train.num_items - 1 - seen[self.held_out.users]
