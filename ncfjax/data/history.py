"""Who interacted with what, on the device, in one of two forms that give the same.

    bits     one per (user, item): 2.8 MB for MovieLens-1M, 1.07 GB for Netflix
    lists    the items of each user: 4 bytes per interaction

Unpacking a block of users with shifts is cheaper than scattering their histories: a scatter costs about 50 ns per
interaction on a CPU. So bits are used where they fit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt8

from ncfjax.data.interactions import Interactions

BYTES_PER_CHUNK = 16_000_000  # of users x items, one each, before they are packed; no fewer than those of one user
_ITEMS_AT_ONCE = 64  # of each list of a block


class HistoryLists(NamedTuple):
    """The items of user u are items[start[u]:start[u + 1]]."""

    start: Int[Array, " num_users_and_one"]
    items: Int[Array, " interactions"]


History = UInt8[Array, "num_users bytes"] | HistoryLists


def fits_as_bits(interactions: Interactions, memory_bytes: int | None) -> bool:
    """Whether two histories as bits, one to train and one to evaluate with, take at most half of the memory, on all
    devices; also where lists would be no smaller. None is any memory."""
    packed = interactions.num_users * -(-interactions.num_items // 8)
    is_small = memory_bytes is None or 2 * packed * jax.device_count() <= memory_bytes / 2
    return is_small or packed <= 4 * (len(interactions) + interactions.num_users)


def history_bytes(interactions: Interactions, as_bits: bool) -> int:
    """Of one history."""
    if as_bits:
        return interactions.num_users * -(-interactions.num_items // 8)
    return 4 * (len(interactions) + interactions.num_users + 1)


def make_history(parts: Sequence[Interactions], as_bits: bool = True) -> History:
    """What is in any of some disjoint parts of the same users and items."""
    if as_bits:
        first, *others = map(pack_history, parts)
        for other in others:
            first |= other
        return jnp.asarray(first)
    users, items = (np.concatenate([getattr(part, side) for part in parts]) for side in ("users", "items"))
    start = np.zeros(parts[0].num_users + 1, np.int32)
    np.cumsum(np.bincount(users, minlength=parts[0].num_users), out=start[1:])
    return HistoryLists(jnp.asarray(start), jnp.asarray(items[np.argsort(users, kind="stable")]))


def pack_history(interactions: Interactions) -> UInt8[np.ndarray, "users bytes"]:
    """Bit i % 8 (from the lowest) of byte [u, i // 8] is set iff user u interacted with item i."""
    packed = np.zeros((interactions.num_users, -(-interactions.num_items // 8)), np.uint8)
    order = np.argsort(interactions.users, kind="stable")
    users, items = interactions.users[order], interactions.items[order]
    at_once = max(1, BYTES_PER_CHUNK // max(1, interactions.num_items))
    for start in range(0, interactions.num_users, at_once):
        stop = min(start + at_once, interactions.num_users)
        first, last = np.searchsorted(users, [start, stop])
        dense = np.zeros((stop - start, interactions.num_items), bool)
        dense[users[first:last] - start, items[first:last]] = True
        packed[start:stop] = np.packbits(dense, axis=1, bitorder="little")
    return packed


def unpack_history(history: History, users: Int[Array, " batch"], num_items: int) -> Bool[Array, "batch items"]:
    """The histories of `users`; an id past the last user (padding) has none."""
    if isinstance(history, HistoryLists):
        return _marked(history, users, num_items)
    rows = history.at[users].get(mode="fill", fill_value=0)
    bits = (rows[:, :, None] >> jnp.arange(8, dtype=jnp.uint8)[None, None, :]) & jnp.uint8(1)
    return bits.reshape(len(users), -1)[:, :num_items].astype(bool)


def _marked(lists: HistoryLists, users: Int[Array, " batch"], num_items: int) -> Bool[Array, "batch items"]:
    """Some items of every list at a time, until the longest one of the block has ended."""
    first, last = (lists.start.at[users + end].get(mode="fill", fill_value=0) for end in (0, 1))
    rows, steps = jnp.arange(len(users))[:, None], jnp.arange(_ITEMS_AT_ONCE)[None, :]

    def mark(state):
        marked, offset = state
        places = first[:, None] + offset + steps
        items = jnp.where(places < last[:, None], lists.items.at[places].get(mode="clip"), num_items)
        return marked.at[rows, items].set(True, mode="drop"), offset + _ITEMS_AT_ONCE

    start = jnp.zeros((len(users), num_items), bool), jnp.int32(0)
    return jax.lax.while_loop(lambda state: jnp.any(first + state[1] < last), mark, start)[0]


def count_before(history: History, users: Int[Array, " batch"], num_items: int) -> Int[Array, "batch items"]:
    """How many items of a user's history come before each item: the place of one of them in the sorted history."""
    if isinstance(history, HistoryLists):
        marked = _marked(history, users, num_items).astype(jnp.int32)
        return jnp.cumsum(marked, axis=1) - marked
    rows = history.at[users].get(mode="fill", fill_value=0)
    per_byte = jax.lax.population_count(rows).astype(jnp.int32)
    before_byte = jnp.cumsum(per_byte, axis=1) - per_byte
    lower_bits = jnp.left_shift(jnp.uint8(1), jnp.arange(8, dtype=jnp.uint8)) - jnp.uint8(1)
    in_byte = jax.lax.population_count(rows[:, :, None] & lower_bits[None, None, :]).astype(jnp.int32)
    return (before_byte[:, :, None] + in_byte).reshape(len(users), -1)[:, :num_items]
