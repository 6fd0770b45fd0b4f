"""Ranking metrics of He et al. (WWW 2017, arXiv:1708.05031): one held-out item per user, ranked among candidates.

    HR@k     = [rank < k]                     rank is zero-based
    recall@k = HR@k                           one of one relevant item
    NDCG@k   = [rank < k] / log2(rank + 2)
    MRR@k    = [rank < k] / (rank + 1)        MRR is without a cut-off

All are means over the last axis, the users; leading axes (members of a grid) are kept.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Integer

Metric = Callable[[np.ndarray, int], np.ndarray]  # of ranks and k, a mean over the last axis: hit_ratio, ndcg


def hit_ratio(ranks: Integer[np.ndarray, "*members users"], k: int) -> float | Float[np.ndarray, "*members"]:
    """Share of users whose held-out item is among the first k."""
    return np.mean(np.asarray(ranks) < k, axis=-1)


def recall(ranks: Integer[np.ndarray, "*members users"], k: int) -> float | Float[np.ndarray, "*members"]:
    """Share of a user's relevant items that are among the first k; with one held-out item per user it is HR@k."""
    return hit_ratio(ranks, k)


def ndcg(ranks: Integer[np.ndarray, "*members users"], k: int) -> float | Float[np.ndarray, "*members"]:
    """Discounted gain of the held-out item, zero beyond the first k; with one relevant item the ideal gain is one."""
    ranks = np.asarray(ranks)
    return np.mean(np.where(ranks < k, 1.0 / np.log2(ranks + 2.0), 0.0), axis=-1)


def mrr(ranks: Integer[np.ndarray, "*members users"], k: int | None = None) -> float | Float[np.ndarray, "*members"]:
    """Mean reciprocal rank: without a cut-off, or zero beyond the first k."""
    ranks = np.asarray(ranks)
    within = True if k is None else ranks < k
    return np.mean(np.where(within, 1.0 / (ranks + 1.0), 0.0), axis=-1)
