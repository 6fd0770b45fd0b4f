"""What a figure draws of a table of test runs: lines over embedding_dim, with means and intervals over seeds.

    mean +- t(0.975, n - 1) * s / sqrt(n)        95 % interval of Student's t; one seed alone has none

A line is a (model, objective); pretraining makes another, and so does an epoch that was chosen on the test split, which
flatters a run. Where it has several settings of hyperparameters at a dimension, the one with the most seeds is drawn;
settings that tie are lines of their own, named by what differs. Two towers of one model at one dimension are two lines,
however many seeds they have, and go on at other dimensions by their shape. Test scores never choose.
"""

import math
import textwrap
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import stdtrit

# What may differ between two runs of one line at one dimension, apart from the seed.
SETTINGS = [
    "layers", "regularize_weights", "learning_rate", "regularization", "stddev", "negative_weight", "num_negatives",
    "reject_positives", "shuffle_examples", "optimizer", "pretraining", "batch_size", "num_epochs", "select_epoch",
    "negatives", "note",
]  # fmt: skip
MODELS = {"dot": "MF", "gmf": "GMF", "mlp": "MLP", "neumf": "NeuMF"}
ON_TEST = "epoch chosen on test"


class Estimate(NamedTuple):
    mean: float
    half_width: float  # of the 95 % interval; NaN for a single value
    n: int


class Line(NamedTuple):
    name: str  # of the model
    objective: str
    details: list[str]  # what tells it from other lines of the same name and objective
    rows: pd.DataFrame

    @property
    def label(self) -> str:
        """Of a legend, in lines that are not long."""
        n = span(list(self.rows.groupby("embedding_dim").size()))
        first = f"{', '.join(filter(None, [self.name, self.objective]))} (n = {n})"
        return "\n".join([first, *(textwrap.shorten(part, 34) for part in self.details)])

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
    """Completed runs, each seed of a setting once: the final run of a tuning may repeat another.

    It does so too where the holdout chose a number of epochs that was also run as the last one.
    """
    rows = tested[tested["status"] == "completed"]
    rows = rows.assign(select_epoch=rows["select_epoch"].replace("holdout", ""))
    return rows.drop_duplicates(["dataset", "model", "objective", "embedding_dim", *SETTINGS, "seed"])


def is_pretrained(rows: pd.DataFrame) -> pd.Series:
    """bool per row."""
    return rows["pretraining"] != ""


def name_of(model: str, pretrained: bool) -> str:
    """ "MF", "NeuMF, pretrained"; a model that the paper does not have goes by its own name."""
    return MODELS.get(model, model) + ", pretrained" * pretrained


def settings(rows: pd.DataFrame) -> pd.Series:
    """Each row's hyperparameters as text: only those that differ between rows of one dimension."""
    is_varied = rows.groupby("embedding_dim")[SETTINGS].nunique(dropna=False).max() > 1
    varied = [column for column in SETTINGS if is_varied[column]]
    texts = ["\n".join(_setting(*cell) for cell in row.items()) for row in rows[varied].to_dict("records")]
    return pd.Series(texts, index=rows.index, dtype=str)


def _setting(name: str, value: Any) -> str:
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _with_most_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """At each dimension, the setting (or settings, if they tie) with the most seeds."""
    num_seeds = rows.groupby(["embedding_dim", settings(rows)])["seed"].transform("size")
    return rows[num_seeds == num_seeds.groupby(rows["embedding_dim"]).transform("max")]


def _shape(layers: str, embedding_dim: int) -> str:
    """Layers in units of the dimension: "2d-d-d/2" of 32-16-8 at 16."""
    return "-".join(multiple(Fraction(int(width), int(embedding_dim))) for width in layers.split("-") if width)


def multiple(factor: Fraction) -> str:
    numerator = "" if factor.numerator == 1 else factor.numerator
    return f"{numerator}d" + f"/{factor.denominator}" * (factor.denominator > 1)


def _towers(rows: pd.DataFrame) -> Iterator[tuple[list[str], pd.DataFrame]]:
    """The rows of each tower and its name: of one without a name where a dimension has only one tower."""
    if rows.groupby("embedding_dim")["layers"].nunique().max() == 1:
        yield [], rows
        return
    shapes = pd.Series(map(_shape, rows["layers"], rows["embedding_dim"]), index=rows.index, dtype=str)
    for shape, of in rows.groupby(shapes):
        yield [f"layers {shape if of['layers'].nunique() > 1 else of['layers'].iloc[0]}"], of


def lines(rows: pd.DataFrame) -> list[Line]:
    """The lines of one data set's completed runs in the order of their names and settings, those flattered last."""
    on_test = rows["select_epoch"] == "test"
    found = []
    kinds = rows.groupby([on_test, rows["model"], rows["objective"], is_pretrained(rows)])
    for (is_flattered, model, objective, pretrained), group in kinds:
        for tower, of_tower in _towers(group):
            kept = _with_most_seeds(of_tower).sort_values(SETTINGS)
            for setting, of in kept.groupby(settings(kept), sort=False):
                details = [*tower, *filter(None, setting.split("\n")), *([ON_TEST] if is_flattered else [])]
                found.append(Line(name_of(model, pretrained), objective, details, of))
    return found


def span(counts: list[int]) -> str:
    """ "8", or "2 to 8"."""
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
