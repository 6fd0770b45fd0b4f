"""Pairs of random vectors with their noisy dot product: the data of the study's second experiment.

    p_u, q_i ~ N(0, s^2 I)      s^4 d = trivial_rmse^2 - noise^2      label(u, i) = <p_u, q_i> + N(0, noise^2)

So the labels have standard deviation `trivial_rmse`, which is what predicting 0 is off by, and `noise` is what the dot
product itself is off by. 1.13 and 0.85 are about what the global mean and the best models reach on Netflix ratings
(Rendle et al., RecSys 2020, arXiv:2005.09683, section 4).

Pairs are indices: a label is computed where it is needed, from the vectors and the noise that is kept of it. The
study's script draws pairs user by user, a tenth more than it keeps, and cuts them before it shuffles, so that about the
last 9 % of the users are in no pair; here pairs are uniform over all users and items unless `drop_last_users` is set.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

DRAW_BYTES = 50  # of memory for each pair, at most, while they are drawn


@dataclass(frozen=True)
class DotPairOptions:
    """Sizes of one draw; there are as many items as users.

    Raises ValueError for an odd or too small dimension, more pairs than combinations, and sizes that are not positive.
    """

    num_users: int
    embedding_dim: int
    pairs_per_user: int = 100  # on average, of training and test together
    num_fresh: int = 100_000  # pairs of vectors that are in no other pair
    trivial_rmse: float = 1.13
    noise: float = 0.85
    drop_last_users: bool = False

    def __post_init__(self):
        for name in ("num_users", "pairs_per_user", "num_fresh"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.embedding_dim < 2 or self.embedding_dim % 2:
            raise ValueError(f"embedding_dim: expected an even number from 2 on, got {self.embedding_dim}")
        if not 0 <= self.noise < self.trivial_rmse < np.inf:
            raise ValueError(f"noise: expected 0 <= noise < trivial_rmse = {self.trivial_rmse}, got {self.noise}")
        if self.num_pairs < 10:
            raise ValueError(
                f"num_users: expected at least 10 pairs, a tenth of them for the test, got {self.num_pairs}"
            )
        most = self.num_paired_users * self.num_users
        if self.num_pairs > most:
            raise ValueError(
                f"pairs_per_user: expected at most the {most:,} combinations of user and item, got "
                f"{self.num_users:,} * {self.pairs_per_user} = {self.num_pairs:,}"
            )

    @property
    def num_pairs(self) -> int:
        return self.num_users * self.pairs_per_user

    @property
    def num_paired_users(self) -> int:
        """Users that may be in a pair: the first ones."""
        return self.num_users * 10 // 11 if self.drop_last_users else self.num_users

    @property
    def stddev(self) -> float:
        """Of an entry of a vector."""
        return ((self.trivial_rmse**2 - self.noise**2) / self.embedding_dim) ** 0.25


class Pairs(NamedTuple):
    """Pairs of a user and an item, and what is added to their score to make their label."""

    users: Int[np.ndarray, " pairs"]
    items: Int[np.ndarray, " pairs"]
    noise: Float[np.ndarray, " pairs"]


class Vectors(NamedTuple):
    """The vectors that pairs index."""

    user: Float[np.ndarray, "users dim"]
    item: Float[np.ndarray, "items dim"]


class DotPairs(NamedTuple):
    """One draw: pairs of one set of vectors to train and to test on, and fresh pairs of vectors of their own."""

    vectors: Vectors
    train: Pairs
    test: Pairs
    fresh_vectors: Vectors
    fresh: Pairs


def draw_dot_pairs(options: DotPairOptions, seed: int) -> DotPairs:
    """Draws vectors and distinct pairs of them, nine tenths to train on and a tenth to test on; float32 and int32."""
    rng = np.random.default_rng(seed)
    vectors = _draw_vectors(rng, options, options.num_users)
    train, test = split_pairs(rng, options.num_paired_users, options.num_users, options.num_pairs, options.noise)
    fresh_vectors = _draw_vectors(rng, options, options.num_fresh)
    each = np.arange(options.num_fresh, dtype=np.int32)
    fresh = Pairs(each, each, _draw_noise(rng, options.noise, options.num_fresh))
    return DotPairs(vectors, train, test, fresh_vectors, fresh)


def split_pairs(
    rng: np.random.Generator, num_users: int, num_items: int, num_pairs: int, noise: float
) -> tuple[Pairs, Pairs]:
    """Distinct pairs, uniform over all, in random order: nine tenths to train on and a tenth to test on."""
    ids = distinct_below(rng, num_users * num_items, num_pairs)
    users, items = (ids // num_items).astype(np.int32), (ids % num_items).astype(np.int32)
    pairs = Pairs(users, items, _draw_noise(rng, noise, num_pairs))
    num_train = num_pairs - num_pairs // 10
    return Pairs(*(x[:num_train] for x in pairs)), Pairs(*(x[num_train:] for x in pairs))


def distinct_below(rng: np.random.Generator, count: int, size: int) -> Int[np.ndarray, " size"]:
    """`rng.choice(count, size, replace=False)` to the bit, in memory O(size), up to DRAW_BYTES for each.

    NumPy shuffles the end of 0, 1, ..., count - 1 where more than a fiftieth is drawn: an array of all combinations of
    user and item, where some of them are wanted.
    """
    if not _is_shuffled(count, size) or 8 * count <= DRAW_BYTES * size:
        return rng.choice(count, size, replace=False)
    # Step t swaps place count - 1 - t with a drawn one, which is not after it.
    steps = np.arange(size)
    places = rng.integers(0, count - 1 - steps, endpoint=True)
    order = np.argsort(places, kind="stable")
    is_again = places[order[1:]] == places[order[:-1]]
    before = np.full(size, -1)  # the last step that drew the same place
    before[order[1:][is_again]] = order[:-1][is_again]
    del order, is_again
    at_end = np.flatnonzero(places >= count - size)
    last = np.full(size, -1)  # the last step before t that drew the place of step t: what it left lies there
    last[count - 1 - places[at_end]] = at_end  # of several the last one counts
    del at_end
    last = np.where(last == steps, before, last)
    origin = np.where(last < 0, steps, last)  # the step at whose place lay at first what now lies at the place of t
    del last, steps
    while not np.array_equal(further := origin[origin], origin):
        origin = further
    return np.where(before < 0, places, count - 1 - origin[before])[::-1]


def _is_shuffled(count: int, size: int) -> bool:
    """As NumPy decides it."""
    return count > 10_000 and size > count // 50


def draw_bytes(count: int, size: int) -> int:
    """Of memory while `size` pairs of `count` combinations are drawn and made users and items."""
    if _is_shuffled(count, size):
        drawing = min(8 * (count + size), DRAW_BYTES * size)
    else:  # the set of those that were drawn, in a power of two of places
        drawing = 8 * size + 8 * 2 ** int(1.2 * size).bit_length()
    return max(drawing, 28 * size)


def _draw_vectors(rng: np.random.Generator, options: DotPairOptions, count: int) -> Vectors:
    shape = (count, options.embedding_dim)
    user, item = (np.float32(options.stddev) * rng.standard_normal(shape, np.float32) for _ in range(2))
    return Vectors(user, item)


def _draw_noise(rng: np.random.Generator, stddev: float, count: int) -> Float[np.ndarray, " pairs"]:
    return np.float32(stddev) * rng.standard_normal(count, np.float32)
