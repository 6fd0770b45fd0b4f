"""Ranking metrics of He et al. (WWW 2017, arXiv:1708.05031): one held-out item per user, ranked among candidates.

    HR@k     = [rank < k]                     rank is zero-based
    recall@k = HR@k                           one of one relevant item
    NDCG@k   = [rank < k] / log2(rank + 2)
    MRR@k    = [rank < k] / (rank + 1)        MRR is without a cut-off

All are means over the last axis, the users; leading axes (members of a grid) are kept.

With `ties`, how many candidates tie with each held-out item, `ranks` are those of an item that comes last of them, and
every order of the equal ones is as likely: each user's value is the mean over the ranks from rank - ties to rank.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Integer

Metric = Callable[..., np.ndarray]  # of ranks, k and perhaps ties, a mean over the last axis: hit_ratio, ndcg
Ranks = Integer[np.ndarray, "*members users"]
Mean = float | Float[np.ndarray, "*members"]


def hit_ratio(ranks: Ranks, k: int, ties: Ranks | None = None) -> Mean:
    """Share of users whose held-out item is among the first k."""
    return _mean(lambda ranks: ranks < k, ranks, ties)


def recall(ranks: Ranks, k: int, ties: Ranks | None = None) -> Mean:
    """Share of a user's relevant items that are among the first k; with one held-out item per user it is HR@k."""
    return hit_ratio(ranks, k, ties)


def ndcg(ranks: Ranks, k: int, ties: Ranks | None = None) -> Mean:
    """Discounted gain of the held-out item, zero beyond the first k; with one relevant item the ideal gain is one."""
    return _mean(lambda ranks: np.where(ranks < k, 1.0 / np.log2(ranks + 2.0), 0.0), ranks, ties)


def mrr(ranks: Ranks, k: int | None = None, ties: Ranks | None = None) -> Mean:
    """Mean reciprocal rank: without a cut-off, or zero beyond the first k."""
    return _mean(lambda ranks: np.where(True if k is None else ranks < k, 1.0 / (ranks + 1.0), 0.0), ranks, ties)


def _mean(gain: Callable[[np.ndarray], np.ndarray], ranks: Ranks, ties: Ranks | None) -> Mean:
    """Of the gains of some ranks, or of their means over the orders of the ties."""
    ranks = np.asarray(ranks)
    if ties is None:
        return np.mean(gain(ranks), axis=-1)
    last, ties = ranks.astype(np.int64), np.asarray(ties, np.int64)
    sums = np.concatenate([[0.0], np.cumsum(gain(np.arange(last.max(initial=0) + 1)), dtype=np.float64)])
    averages = (sums[last + 1] - sums[last - ties]) / (ties + 1)
    return np.mean(np.where(ties == 0, gain(ranks), averages), axis=-1)
