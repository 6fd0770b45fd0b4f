"""Rows of any ids as numbered pairs, each once.

Numbering is NCF's: users by ascending id, items by first appearance. Of a repeated pair the latest row counts; among
equal times, and where no time is known, the later row of the source is the later one.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Shaped

from ncfjax.data.interactions import pair_keys, repeated_pair


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
