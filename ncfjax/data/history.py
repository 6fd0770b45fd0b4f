"""Who interacted with what, as one bit per (user, item): 2.8 MB for MovieLens-1M, small enough to live on the device.

Unpacking a block of users with shifts is cheaper than scattering their histories: a scatter costs about 50 ns per
interaction on a CPU.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt8

from ncfjax.data.interactions import Interactions

USERS_PER_CHUNK = 4096  # bounds the dense intermediate to USERS_PER_CHUNK x num_items bytes


def pack_history(interactions: Interactions) -> UInt8[np.ndarray, "users bytes"]:
    """Bit i % 8 (from the lowest) of byte [u, i // 8] is set iff user u interacted with item i."""
    packed = np.zeros((interactions.num_users, -(-interactions.num_items // 8)), np.uint8)
    order = np.argsort(interactions.users, kind="stable")
    users, items = interactions.users[order], interactions.items[order]
    for start in range(0, interactions.num_users, USERS_PER_CHUNK):
        stop = min(start + USERS_PER_CHUNK, interactions.num_users)
        first, last = np.searchsorted(users, [start, stop])
        dense = np.zeros((stop - start, interactions.num_items), bool)
        dense[users[first:last] - start, items[first:last]] = True
        packed[start:stop] = np.packbits(dense, axis=1, bitorder="little")
    return packed


def unpack_history(
    packed: UInt8[Array, "users bytes"], users: Int[Array, " batch"], num_items: int
) -> Bool[Array, "batch items"]:
    """The histories of `users`; an id past the last user (padding) has none."""
    rows = packed.at[users].get(mode="fill", fill_value=0)
    bits = (rows[:, :, None] >> jnp.arange(8, dtype=jnp.uint8)[None, None, :]) & jnp.uint8(1)
    return bits.reshape(len(users), -1)[:, :num_items].astype(bool)


def count_before(
    packed: UInt8[Array, "users bytes"], users: Int[Array, " batch"], num_items: int
) -> Int[Array, "batch items"]:
    """How many items of a user's history come before each item: the place of one of them in the sorted history."""
    rows = packed.at[users].get(mode="fill", fill_value=0)
    per_byte = jax.lax.population_count(rows).astype(jnp.int32)
    before_byte = jnp.cumsum(per_byte, axis=1) - per_byte
    lower_bits = jnp.left_shift(jnp.uint8(1), jnp.arange(8, dtype=jnp.uint8)) - jnp.uint8(1)
    in_byte = jax.lax.population_count(rows[:, :, None] & lower_bits[None, None, :]).astype(jnp.int32)
    return (before_byte[:, :, None] + in_byte).reshape(len(users), -1)[:, :num_items]
