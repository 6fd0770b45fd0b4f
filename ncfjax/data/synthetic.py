"""Implicit feedback drawn from a known preference, with the true scores as its oracle.

    score(u, i) = popularity(i) + <p_u, q_i>        popularity(i) = -popularity_skew * log(place of i), i shuffled
    p_u, q_i ~ N(0, s^2 I), s such that the dot product has standard deviation `preference_stddev`
    items of u  ~ without replacement, chances proportional to exp(score(u, .))

The sampling is Gumbel-top-k (Kool et al., ICML 2019, arXiv 1903.06059): add Gumbel noise to a user's scores and keep
the k largest. One of them, at random, is held out. Ranking by the true scores is the best that any model can do, up to
chance.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float

from ncfjax.data.interactions import HeldOut, Interactions, LeaveOneOut, SyntheticOracle, sorted_distinct
from ncfjax.data.splits import draw_negatives, drawn

MAX_BYTES = 10**9  # of the true scores in float64; drawing holds a few arrays of this size


def expect_products(name: str, sizes: Mapping[str, int | float]) -> None:
    """Raises ValueError for num_users, num_items and rank whose arrays take more than MAX_BYTES."""
    for one, other in (("num_users", "num_items"), ("num_users", "rank"), ("num_items", "rank")):
        num_bytes = 8 * sizes[one] * sizes[other]
        if num_bytes > MAX_BYTES:
            raise ValueError(
                f"{name}: expected {one} * {other} of at most {MAX_BYTES // 8:,} ({MAX_BYTES / 1e9:.0f} GB), "
                f"got {sizes[one]:,} * {sizes[other]:,} ({num_bytes / 1e9:.1f} GB)"
            )


@dataclass(frozen=True)
class SyntheticOptions:
    """Sizes and shape of a synthetic data set.

    `interactions_per_user` is the mean: a user has from 0.8 to 1.2 times as many, the held-out one included. Raises
    ValueError for sizes that are not positive, and for more pairs of user and item than fit in MAX_BYTES.
    """

    num_users: int = 1000
    num_items: int = 500
    rank: int = 8
    interactions_per_user: int = 25
    popularity_skew: float = 0.7
    preference_stddev: float = 2.0
    seed: int = 0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name in ("popularity_skew", "preference_stddev", "seed") else 1
            if value == np.inf:
                raise ValueError(f"synthetic.{field.name}: expected a finite number, got {value}")
            if not value >= least:  # NaN is refused too
                raise ValueError(f"synthetic.{field.name}: expected at least {least}, got {value}")
        if self.interactions_per_user < 2:
            raise ValueError("synthetic.interactions_per_user: expected at least 2, one of them held out, got 1")
        expect_products("synthetic", vars(self))

    @property
    def most_interactions(self) -> int:
        """The largest number of interactions that a user may have."""
        return self.interactions_per_user + self.interactions_per_user // 5


def make_synthetic(options: SyntheticOptions, *, num_negatives: int = 99, seed: int = 0) -> LeaveOneOut:
    """Draws a data set; `options.seed` chooses the data, `seed` the negatives.

    Items are in no particular order, nor are a user's train rows. An item that nobody drew is an item all the same,
    with a true score, and a candidate; `note` tells how many there are. Raises ValueError if the items do not suffice
    for a user's interactions and negatives.
    """
    needed = options.most_interactions + num_negatives
    if options.num_items < needed:
        raise ValueError(
            f"synthetic.num_items: expected at least {needed} ({options.most_interactions} interactions and "
            f"{num_negatives} negatives), got {options.num_items}"
        )
    rng = np.random.default_rng(options.seed)
    with np.errstate(over="ignore", invalid="ignore"):
        scores = _true_scores(options, rng)
    if not np.isfinite(scores).all():
        shape = f"{options.popularity_skew:g} and {options.preference_stddev:g}"
        raise ValueError(f"synthetic: expected a popularity_skew and preference_stddev of finite scores, got {shape}")
    users, items = np.nonzero(_sample_interactions(scores, options, rng))
    order = np.lexsort((rng.random(len(users)), users))
    users, items = users[order], items[order]
    is_held_out = np.diff(users, prepend=-1) > 0
    train = Interactions(users[~is_held_out], items[~is_held_out], options.num_users, options.num_items)
    negatives = draw_negatives(
        users[is_held_out], users, items, num_items=options.num_items, num_negatives=num_negatives, seed=seed
    )
    held_out = HeldOut(users[is_held_out], items[is_held_out], negatives)
    num_unused = options.num_items - len(sorted_distinct(items))
    note = f"{num_unused} of {options.num_items} items are in no row" if num_unused else ""
    oracle = SyntheticOracle(scores)
    return LeaveOneOut("synthetic", "test", train, held_out, drawn(num_negatives, seed), note, oracle)


def _true_scores(options: SyntheticOptions, rng: np.random.Generator) -> Float[np.ndarray, "users items"]:
    popularity = -options.popularity_skew * np.log(1 + rng.permutation(options.num_items))
    # A sum of `rank` products, each of standard deviation s^2.
    s = np.sqrt(options.preference_stddev / np.sqrt(options.rank))
    p = s * rng.standard_normal((options.num_users, options.rank))
    q = s * rng.standard_normal((options.num_items, options.rank))
    return (popularity + p @ q.T).astype(np.float32)


def _sample_interactions(
    scores: Float[np.ndarray, "users items"], options: SyntheticOptions, rng: np.random.Generator
) -> Bool[np.ndarray, "users items"]:
    """Marks for each user a random number of items by Gumbel-top-k."""
    spread = options.interactions_per_user // 5
    counts = rng.integers(options.interactions_per_user - spread, options.most_interactions + 1, options.num_users)
    perturbed = scores + rng.gumbel(size=scores.shape)  # float64: no ties
    descending = -np.sort(-perturbed, axis=1)
    threshold = np.take_along_axis(descending, counts[:, None] - 1, axis=1)
    return perturbed >= threshold
