"""How much of what exact search finds another search finds too."""

import numpy as np
from jaxtyping import Float, Int


def recall(
    found: Int[np.ndarray, "queries n"], expected: Int[np.ndarray, "queries k"]
) -> Float[np.ndarray, " queries"]:
    """recall@k of each query: the share of the expected items, -1 is none, that are among those found.

    NaN for a query of which nothing is expected.
    """
    is_item = expected >= 0
    hits = (expected[:, :, None] == found[:, None, :]).any(axis=2) & is_item
    counts = is_item.sum(axis=1)
    return np.where(counts > 0, hits.sum(axis=1) / np.maximum(counts, 1), np.nan)
