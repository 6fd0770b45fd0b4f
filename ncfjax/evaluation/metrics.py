"""Ranking metrics of He et al. (WWW 2017, arXiv:1708.05031): one held-out item per user, ranked among candidates.

    HR@k   = [rank < k]                     rank is zero-based
    NDCG@k = [rank < k] / log2(rank + 2)
    MRR    = 1 / (rank + 1)

All are means over the last axis, the users; leading axes (members of a grid) are kept.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer


def rank_of_positive(
    positive: Float[Array, " batch"],
    candidates: Float[Array, "batch candidates"],
    valid: Bool[Array, "batch candidates"],
) -> Int[Array, " batch"]:
    """How many valid candidates the positive does not beat; zero is the best rank.

    Ties count against the model, and so does a NaN on either side: a constant scorer and a diverged one rank last.
    """
    return jnp.sum(~(positive[:, None] > candidates) & valid, axis=-1, dtype=jnp.int32)


def hit_ratio(ranks: Integer[np.ndarray, "*members users"], k: int) -> float | Float[np.ndarray, "*members"]:
    """Share of users whose held-out item is among the first k."""
    return np.mean(np.asarray(ranks) < k, axis=-1)


def ndcg(ranks: Integer[np.ndarray, "*members users"], k: int) -> float | Float[np.ndarray, "*members"]:
    """Discounted gain of the held-out item, zero beyond the first k; with one relevant item the ideal gain is one."""
    ranks = np.asarray(ranks)
    return np.mean(np.where(ranks < k, 1.0 / np.log2(ranks + 2.0), 0.0), axis=-1)


def mrr(ranks: Integer[np.ndarray, "*members users"]) -> float | Float[np.ndarray, "*members"]:
    """Mean reciprocal rank, without a cut-off."""
    return np.mean(1.0 / (np.asarray(ranks) + 1.0), axis=-1)
