"""What a figure draws of a table of test runs: lines over embedding_dim, with means and intervals over seeds.

    mean +- t(0.975, n - 1) * s / sqrt(n)        95 % interval of Student's t; one seed alone has none

A line is a (model, objective). Where it has several settings of hyperparameters at a dimension, the one with the most
seeds is drawn; settings that tie are lines of their own, named by what differs. Test scores never choose.
"""

import math
import textwrap
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import stdtrit

# What may differ between two runs of one line at one dimension, apart from the seed.
SETTINGS = [
    "learning_rate", "regularization", "stddev", "negative_weight", "num_negatives", "optimizer", "batch_size",
    "num_epochs", "negatives", "note",
]  # fmt: skip
MODELS = {"dot": "MF"}


class Estimate(NamedTuple):
    mean: float
    half_width: float  # of the 95 % interval; NaN for a single value
    n: int


class Line(NamedTuple):
    label: str
    rows: pd.DataFrame

    def points(self, column: str) -> list[tuple[int, Estimate]]:
        """Per dimension that has a value, in order."""
        found = [(int(dim), estimate(of[column].to_numpy(float))) for dim, of in self.rows.groupby("embedding_dim")]
        return [(dim, point) for dim, point in found if point.n]


def estimate(values: Float[np.ndarray, " seeds"]) -> Estimate:
    """Mean and 95 % t-interval over seeds; NaN is left out."""
    values = values[~np.isnan(values)]
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    if n < 2:
        return Estimate(mean, math.nan, n)
    return Estimate(mean, float(stdtrit(n - 1, 0.975) * values.std(ddof=1) / math.sqrt(n)), n)


def completed(tested: pd.DataFrame) -> pd.DataFrame:
    """Completed runs, each seed of a setting once: the final run of a tuning may repeat another."""
    rows = tested[tested["status"] == "completed"]
    return rows.drop_duplicates(["dataset", "model", "objective", "embedding_dim", *SETTINGS, "seed"])


def _settings(rows: pd.DataFrame) -> pd.Series:
    """Each row's hyperparameters as text: only those that differ among the rows."""
    varied = [column for column in SETTINGS if rows[column].nunique(dropna=False) > 1]
    texts = ["\n".join(_setting(*cell) for cell in row.items()) for row in rows[varied].to_dict("records")]
    return pd.Series(texts, index=rows.index, dtype=str)


def _setting(name: str, value: Any) -> str:
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _with_most_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """At each dimension, the setting (or settings, if they tie) with the most seeds."""
    num_seeds = rows.groupby(["embedding_dim", _settings(rows)])["seed"].transform("size")
    return rows[num_seeds == num_seeds.groupby(rows["embedding_dim"]).transform("max")]


def lines(rows: pd.DataFrame) -> list[Line]:
    """The lines of one data set's completed runs, in the order of their names and settings."""
    found = []
    for (model, objective), group in rows.groupby(["model", "objective"]):
        kept = _with_most_seeds(group).sort_values(SETTINGS)
        settings = _settings(kept)
        if settings.groupby(kept["embedding_dim"]).nunique().max() == 1:
            settings[:] = ""  # no tie: one line, whatever differs from one dimension to the next
        for setting, of in kept.groupby(settings, sort=False):
            name = ", ".join(filter(None, [MODELS.get(model, model), objective]))
            n = span(list(of.groupby("embedding_dim").size()))
            label = [f"{name} (n = {n})", *(textwrap.shorten(part, 34) for part in setting.split("\n") if part)]
            found.append(Line("\n".join(label), of))
    return found


def span(counts: list[int]) -> str:
    """ "8", or "2 to 8"."""
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
