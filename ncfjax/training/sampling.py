"""What an epoch draws: its order and its negatives; and the training interactions on the device that they index.

Everything is drawn by a key that is given. How ids are drawn decides what is estimated, see objectives.py.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from ncfjax.data.history import History, count_before, make_history
from ncfjax.data.interactions import Interactions

_FEISTEL_ROUNDS = 8  # with 6, an id still follows its predecessor 5 % too often
MOST_POSITIONS = math.isqrt(2**31) ** 2  # the largest square, see `feistel_permutation`, whose places fit into int32


def check_positions(what: str, count: int, why: str = "") -> None:
    """Raises ValueError for more than an index can tell apart: JAX would count on from the negative numbers."""
    if count > MOST_POSITIONS:
        raise ValueError(f"{what}: expected at most {MOST_POSITIONS:,}, as positions have 32 bits, got {count:,}{why}")


class TrainingData(NamedTuple):
    """Training interactions on the device: pairs for the sampled objective, histories and their lengths for the
    expected one, and what is left between the items of a history for negatives that reject them."""

    users: Int[Array, " positives"]
    items: Int[Array, " positives"]
    count: Int[Array, " num_users"]
    history: History
    start: Int[Array, " num_users"]  # of each user in `gaps`
    gaps: Int[Array, " positives"]  # sorted by user and item: how many other items come before a positive
    weights: Float[Array, " positives"] | None = None  # c of the pairs; None where all are alike
    sorted_weights: Float[Array, " positives"] | None = None  # the same, sorted by user and item


def make_training_data(interactions: Interactions, as_bits: bool = True) -> TrainingData:
    """Moves the training interactions to the device; `as_bits`: see `ncfjax.data.history`."""
    users, items = interactions.users, interactions.items
    count = np.bincount(users, minlength=interactions.num_users).astype(np.int32)
    start = (np.cumsum(count) - count).astype(np.int32)
    order = np.lexsort((items, users))
    gaps = (items[order] - (np.arange(len(items)) - start[users[order]])).astype(np.int32)
    weights = interactions.weights
    weighted = () if weights is None else (weights, weights[order])
    pairs, sorted_by_user = map(jnp.asarray, (users, items, count)), map(jnp.asarray, (start, gaps, *weighted))
    return TrainingData(*pairs, make_history([interactions], as_bits), *sorted_by_user)


def weights_of_users(
    data: TrainingData, users: Int[Array, " batch"], positives: Bool[Array, "batch items"]
) -> Float[Array, "batch items"] | None:
    """The weights of the `positives` of some users, zero elsewhere; None where all are alike."""
    if data.sorted_weights is None:
        return None
    places = data.start.at[users].get(mode="clip")[:, None] + count_before(data.history, users, positives.shape[1])
    return jnp.where(positives, data.sorted_weights.at[places].get(mode="clip"), 0.0)


def weights_of_pairs(data: TrainingData, rows: Int[Array, " batch"]) -> Float[Array, "batch 1"] | float:
    """The weights of some pairs by their rows; 1 where all are alike."""
    return 1.0 if data.weights is None else data.weights.at[rows].get(mode="clip")[:, None]


def shuffled(key: Array, count: int, batch_size: int) -> Int[Array, "batches batch"]:
    """A random order of 0..count-1 in batches; the last batch is filled up with `count`, which is past the end.

    One sort by 32-bit random keys. Equal keys stay in their order: about count^2 / 2^33 pairs, 115 of the 994,169 of
    MovieLens-1M, a fifth of a second per epoch cheaper than `jax.random.permutation`, which sorts twice.
    """
    check_positions("shuffled", count)
    keys = jax.random.bits(key, (count,))
    _, order = jax.lax.sort((keys, jnp.arange(count, dtype=jnp.int32)), num_keys=1)
    num_batches = -(-count // batch_size)
    padding = jnp.full(num_batches * batch_size - count, count, jnp.int32)
    return jnp.concatenate([order, padding]).reshape(num_batches, batch_size)


def feistel_permutation(key: Array, count: int, batch_size: int) -> Int[Array, "batches batch"]:
    """0..count-1 in pseudorandom order in batches, among them a few ids past the end, which are padding.

    A Feistel network (Luby and Rackoff, SIAM J. Computing 1988) over the smallest square that holds `count`: for the
    five million examples of MovieLens-1M 0.03 s, where sorting by random keys takes 1.7 s.
    """
    check_positions("shuffled", count)
    side = math.isqrt(count - 1) + 1
    places = jnp.arange(side * side, dtype=jnp.uint32)
    left, right = places // side, places % side
    for round_key in jax.random.bits(key, (_FEISTEL_ROUNDS,)):
        left, right = right, (left + _hash(right + round_key) % side) % side
    padding = jnp.full(-(side * side) % batch_size, count, jnp.int32)
    order = jnp.concatenate([(left * side + right).astype(jnp.int32), padding])
    return order.reshape(-1, batch_size)


def _hash(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """Mixes all bits (the finaliser of MurmurHash3)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ (x >> shift)) * jnp.uint32(factor)
    return x ^ (x >> 16)


def sample_negatives(key: Array, shape: tuple[int, ...], num_items: int) -> Int[Array, "..."]:
    """Uniform item ids, with repeats, positives not excluded.

    The modulo favours low ids by num_items / 2^32.
    """
    return (jax.random.bits(key, shape) % jnp.uint32(num_items)).astype(jnp.int32)


def sample_unobserved(
    key: Array, users: Int[Array, " batch"], num_negatives: int, data: TrainingData, num_items: int
) -> Int[Array, "batch negatives"]:
    """Uniform ids of items that the user has not in training, with repeats: what rejecting positives ends in.

    The r-th such item is r + k, where k positives come before it: those with at most r other items before them, found
    by halving. So nothing is drawn twice and a user of many items costs what others do. A user who has every item
    gets the last one.
    """
    others = jnp.maximum(num_items - data.count[users], 1)[:, None].astype(jnp.uint32)
    r = (jax.random.bits(key, (len(users), num_negatives)) % others).astype(jnp.int32)
    first, last = jnp.zeros_like(r), jnp.broadcast_to(data.count[users][:, None], r.shape)

    def halve(_, bounds):
        first, last = bounds
        middle = (first + last) // 2
        comes_before = data.gaps.at[data.start[users][:, None] + middle].get(mode="clip") <= r
        is_open = first < last
        return jnp.where(is_open & comes_before, middle + 1, first), jnp.where(is_open & ~comes_before, middle, last)

    k, _ = jax.lax.fori_loop(0, num_items.bit_length(), halve, (first, last))
    return jnp.minimum(r + k, num_items - 1)


def draw_unobserved(
    key: Array, batches: Int[Array, "batches batch"], num_negatives: int, data: TrainingData, num_items: int
) -> Int[Array, "batches batch negatives"]:
    """`sample_unobserved` for all batches of an epoch, each by its own key."""

    def draw(batch, index):
        users = data.users.at[batch].get(mode="clip")
        return sample_unobserved(jax.random.fold_in(key, index), users, num_negatives, data, num_items)

    return jax.vmap(draw)(batches, jnp.arange(len(batches)))
