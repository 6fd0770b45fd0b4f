"""What may not be found: one bit per (query, item), as a history has them (`ncfjax.data.history`).

    bit i % 8 (from the lowest) of byte [u, i // 8] is set iff item i is denied to query u

One row is for all queries. So what a user has seen is `pack_history(train)[users]`, and filters are combined by `|`:

    denied = pack_history(train)[users] | deny(withdrawn, num_items) | allow(comedies, num_items)
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt8

from ncfjax.data.history import unpack_history

Ids = Sequence[int] | Int[np.ndarray, " n"]


def deny(items: Ids, num_items: int) -> UInt8[np.ndarray, "1 bytes"]:
    """Denies these items to all queries.

    Raises:
        ValueError: an id that is no item.
    """
    return deny_each([items], num_items)


def allow(items: Ids, num_items: int) -> UInt8[np.ndarray, "1 bytes"]:
    """Denies all other items to all queries.

    Raises:
        ValueError: an id that is no item.
    """
    return ~deny(items, num_items)


def deny_each(lists: Sequence[Ids], num_items: int) -> UInt8[np.ndarray, "queries bytes"]:
    """Denies each query the items of its own list; `~` of it allows each query its own items only.

    Raises:
        ValueError: an id that is no item.
    """
    packed = np.zeros((len(lists), -(-num_items // 8)), np.uint8)
    for row, items in zip(packed, lists, strict=True):
        ids = np.unique(np.asarray(items, np.int64))
        if len(ids) and not 0 <= ids[0] <= ids[-1] < num_items:
            raise ValueError(f"items: expected ids from 0 to {num_items - 1}, got {ids[0]} to {ids[-1]}")
        np.bitwise_or.at(row, ids // 8, np.left_shift(1, ids % 8).astype(np.uint8))
    return packed


def rows_of(denied: UInt8[Array, "_ bytes"] | None, num_queries: int) -> UInt8[Array, "queries bytes"] | None:
    """A row for every query."""
    if denied is None:
        return None
    if len(denied) not in (1, num_queries):
        raise ValueError(f"denied: expected 1 row or one for each of {num_queries} queries, got {len(denied)}")
    return jnp.broadcast_to(denied, (num_queries, denied.shape[1]))


def denied_all(denied: UInt8[Array, "queries bytes"] | None, num_items: int) -> Bool[Array, "queries items"] | None:
    """Which items each query is denied."""
    return None if denied is None else unpack_history(denied, jnp.arange(len(denied)), num_items)


def denied_items(
    denied: UInt8[Array, "queries bytes"], rows: Int[Array, " batch"], items: Int[Array, "batch candidates"]
) -> Bool[Array, "batch candidates"]:
    """Which of its candidates each query of `rows` is denied; -1, which is no item, is not."""
    bits = denied[rows[:, None], jnp.maximum(items, 0) // 8] >> (items % 8).astype(jnp.uint8)
    return (bits & jnp.uint8(1)).astype(bool) & (items >= 0)
