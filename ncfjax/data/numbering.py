"""Rows of any ids as numbered pairs, each once; and ids that are numbers already, without those that never occur.

Numbering is NCF's: users by ascending id, items by first appearance. Of a repeated pair the latest row counts; among
equal times, and where no time is known, the later row of the source is the later one.

A number between two ids that occurs nowhere is nobody, and no item: it must not have a row in a table, nor be drawn as
a negative that every model that counts beats.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Shaped

from ncfjax.data.interactions import pair_keys, repeated_pair, sorted_distinct


class NumberedPairs(NamedTuple):
    """Distinct pairs, in the order of their source."""

    users: Int[np.ndarray, " pairs"]
    items: Int[np.ndarray, " pairs"]
    user_ids: Shaped[np.ndarray, " users"]  # what they are called in the source
    item_ids: Shaped[np.ndarray, " items"]
    rows: Int[np.ndarray, " pairs"]  # of the source, ascending: the latest of each pair
    pairs: Int[np.ndarray, " rows"]  # for each row of the source the place of its pair

    @property
    def num_repeated(self) -> int:
        """Rows whose pair has a later one."""
        return len(self.pairs) - len(self.rows)


def number_pairs(
    users: Shaped[np.ndarray, " rows"],
    items: Shaped[np.ndarray, " rows"],
    timestamps: Shaped[np.ndarray, " rows"] | None = None,
) -> NumberedPairs:
    """Numbers the users and items of some rows, and keeps the latest row of each pair; ids are numbers or texts."""
    user_ids, users = np.unique(users, return_inverse=True)
    items, item_ids = _by_first_appearance(items)
    rows, pairs = _latest_rows(users, items, len(item_ids), timestamps)
    return NumberedPairs(users[rows], items[rows], user_ids, item_ids, rows, pairs)


def _by_first_appearance(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns ids as 0, 1, ... in the order in which they first appear, and the ids in this order."""
    distinct, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return np.argsort(order)[inverse], distinct[order]


def _latest_rows(
    users: np.ndarray, items: np.ndarray, num_items: int, timestamps: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows that are kept, ascending, and for every row the place of its pair among them."""
    every = np.arange(len(users))
    if repeated_pair(users, items, num_items) is None:
        return every, every
    keys = pair_keys(users, items, num_items)
    order = np.lexsort((every if timestamps is None else timestamps, keys))  # stable: an equal time keeps the order
    is_last = np.append(keys[order[1:]] != keys[order[:-1]], True)
    latest = order[is_last]
    rows, pairs = np.sort(latest), np.empty(len(users), np.int64)
    pairs[order] = np.searchsorted(rows, latest)[np.cumsum(is_last) - is_last]
    return rows, pairs


def numbers_of(
    ids: Shaped[np.ndarray, " n"], known: Shaped[np.ndarray, " known"]
) -> tuple[Int[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """For each id its place in `known`, and whether it has one; where it has none the place is any."""
    order = np.argsort(known)
    places = order[np.minimum(np.searchsorted(known, ids, sorter=order), len(known) - 1)]
    return places, known[places] == ids


class Numbering(NamedTuple):
    """Ids as 0, 1, ... in ascending order."""

    size: int
    ids: Int[np.ndarray, " size"] | None  # None where they are 0, 1, ... already
    note: str  # how many of them never occur; empty for none

    def of(self, ids: Int[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
        """Their numbers, of ids that occur."""
        return ids if self.ids is None else np.searchsorted(self.ids, ids)

    def name(self, number: int) -> int:
        """The id of a number."""
        return number if self.ids is None else int(self.ids[number])


def number_ids(kind: str, *columns: Int[np.ndarray, "..."]) -> Numbering:
    """Numbers the ids >= 0 of some columns, at least one id; `kind` is what the note calls them: "user", "item"."""
    ids = sorted_distinct(np.concatenate([sorted_distinct(column.ravel()) for column in columns]))
    last, size = int(ids[-1]), len(ids)
    if last == size - 1:
        return Numbering(size, None, "")
    return Numbering(size, ids, f"{last + 1 - size} of the {kind} ids 0 to {last} never occur")
