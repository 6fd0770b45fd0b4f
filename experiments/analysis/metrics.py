"""The metrics of runs.csv that tables and figures show: what a reader calls them, and how ranks give them.

mean over seeds    mean +- t(0.975, n - 1) * s / sqrt(n)      95 % interval of Student's t; one seed alone has none
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from ncfjax.evaluation.metrics import hit_ratio, ndcg
from ncfjax.evaluation.significance import Metric

K = 10


class Column(NamedTuple):
    name: str  # of the metric
    protocol: str  # "sampled" | "full": which of the stored ranks
    metric: Metric  # (ranks, K) -> its value

    @property
    def label(self) -> str:
        """ "HR@10", "full HR@10"."""
        return f"full {self.name}" if self.protocol == "full" else self.name

    @property
    def title(self) -> str:
        """Of a panel."""
        return f"{self.name}, {'full catalogue' if self.protocol == 'full' else 'sampled protocol'}"


COLUMNS = {
    f"hit_ratio@{K}": Column(f"HR@{K}", "sampled", hit_ratio),
    f"ndcg@{K}": Column(f"NDCG@{K}", "sampled", ndcg),
    f"full_hit_ratio@{K}": Column(f"HR@{K}", "full", hit_ratio),
    f"full_ndcg@{K}": Column(f"NDCG@{K}", "full", ndcg),
}
SAMPLED = [name for name, column in COLUMNS.items() if column.protocol == "sampled"]  # what the papers report


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
    return SeedMean(mean, float(stdtrit(n - 1, 0.975) * values.std(ddof=1) / math.sqrt(n)), n)
