"""Means with 95 % intervals, over seeds or over users.

over seeds    mean +- t(0.975, n - 1) s / sqrt(n)      Student's t; one seed alone has none
over users    mean +- 1.96 s / sqrt(n)                 s of a user's mean over runs: users are many
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import special, stats


class SeedMean(NamedTuple):
    mean: float
    half_width: float  # of the 95 % interval; NaN for a single value
    n: int


def seed_mean(values: Float[np.ndarray, " seeds"]) -> SeedMean:
    """Mean and 95 % t-interval over seeds; NaN is left out."""
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    if n < 2:
        return SeedMean(mean, math.nan, n)
    return SeedMean(mean, float(special.stdtrit(n - 1, 0.975) * values.std(ddof=1) / math.sqrt(n)), n)


def half_width_over_users(values: Float[np.ndarray, "runs users"]) -> float:
    """Half the interval of the mean over users."""
    return float(1.96 * stats.sem(values.mean(axis=0)))
