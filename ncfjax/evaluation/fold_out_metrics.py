"""Metrics of Liang et al. (WWW 2018, arXiv:1802.05814): several held-out items of each user, in the whole catalogue.

    recall@k   of a user's n held-out items those of rank < k, by min(k, n)
    NDCG@k     sum over them of 1 / log2(rank + 2), by the same sum over ranks 0 ... min(k, n) - 1

Ranks are zero-based and distinct within a user (`fold_out.fold_out_ranks`). With min(k, n) a perfect order has recall 1
for every k; other papers divide by n, and their numbers do not compare.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer


def recall(
    ranks: Integer[np.ndarray, " n"], users: Integer[np.ndarray, " n"], k: int
) -> Float[np.ndarray, " users_asked"]:
    """Of every user that has a held-out item, by ascending id; `users` are those of the ranks."""
    hits, counts = _sums(ranks < k, users)
    return hits / np.minimum(k, counts)


def ndcg(
    ranks: Integer[np.ndarray, " n"], users: Integer[np.ndarray, " n"], k: int
) -> Float[np.ndarray, " users_asked"]:
    """Likewise."""
    places = np.asarray(ranks, np.int64)
    gains, counts = _sums(np.where(places < k, 1.0 / np.log2(places + 2.0), 0.0), users)
    ideal = np.cumsum(1.0 / np.log2(np.arange(k) + 2.0))
    return gains / ideal[np.minimum(k, counts) - 1]


def _sums(values: np.ndarray, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each user that has a row, and how many rows it has."""
    counts = np.bincount(users)
    return np.bincount(users, values)[counts > 0], counts[counts > 0]


class FoldOutColumn(NamedTuple):
    label: str  # what a reader calls it
    metric: Callable[..., np.ndarray]
    k: int


# Those that papers with this split report.
FOLD_OUT_COLUMNS = {
    "recall@20": FoldOutColumn("R@20", recall, 20),
    "recall@50": FoldOutColumn("R@50", recall, 50),
    "ndcg@100": FoldOutColumn("NDCG@100", ndcg, 100),
}


def fold_out_metrics(ranks: Integer[np.ndarray, " n"], users: Integer[np.ndarray, " n"]) -> dict[str, float]:
    """Column -> its mean over the users that have a held-out item."""
    return {name: float(np.mean(column.metric(ranks, users, column.k))) for name, column in FOLD_OUT_COLUMNS.items()}
