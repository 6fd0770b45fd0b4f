"""What is compared across embedding_dim: lines of test runs, with means and intervals over seeds.

A line is a (model, objective); pretraining makes another, and so does an epoch that was chosen on the test split, which
is better by chance. Where it has several settings at a dimension, the one with the most seeds is taken; settings that
tie are lines of their own, named by what differs. Two towers of one model at one dimension are two lines, however many
seeds they have, and go on at other dimensions by their shape. Test scores never choose.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import pandas as pd

from ncfjax.data.notes import without_remarks
from ncfjax.evaluation.columns import METRIC_COLUMNS, RESIDUAL_COLUMNS, TIE_COLUMNS
from ncfjax.evaluation.intervals import SeedMean, seed_mean
from ncfjax.store import ORIGIN_COLUMNS

# The columns that name a run and its line, say what it reached, what it cost or where it comes from. Every other one is
# a setting: what a new similarity or optimizer adds to the table tells runs apart without a word here.
_NAMES = (
    "run_id", "status", "phase", "study", "dataset", "content", "split", "model", "embedding_dim", "objective", "seed",
)  # fmt: skip
_OUTCOME = (
    "epoch", "predictive_factors", "multiplications", *RESIDUAL_COLUMNS, *METRIC_COLUMNS, *TIE_COLUMNS, *ORIGIN_COLUMNS,
)  # fmt: skip
MODELS = {
    "dot": "MF",
    "gmf": "GMF",
    "bilinear": "bilinear",
    "cosine": "cosine",
    "euclid": "Euclid",
    "mlp": "MLP",
    "neumf": "NeuMF",
    "residual": "residual",
    "mixture_of_logits": "mixture of logits",
}
REFERENCES = ("oracle", "popularity")  # rows of a sweep that no training changes
ON_TEST = "epoch chosen on test"


class Line(NamedTuple):
    name: str  # of the model
    objective: str
    details: list[str]  # what tells it from other lines of the same name and objective
    rows: pd.DataFrame

    def by_dim(self) -> Iterator[tuple[int, pd.DataFrame]]:
        for dim, rows in self.rows.groupby("embedding_dim"):
            yield int(dim), rows

    def points(self, column: str) -> list[tuple[int, SeedMean]]:
        """Per dimension that has a value, in order."""
        points = [(dim, seed_mean(rows[column].to_numpy(float))) for dim, rows in self.by_dim()]
        return [(dim, point) for dim, point in points if point.n]


def setting_columns(rows: pd.DataFrame) -> list[str]:
    """The columns that tell two runs of one model at one dimension apart, the seed aside."""
    return [column for column in rows if column not in (*_NAMES, *_OUTCOME)]


def settings_of(notes: pd.Series) -> pd.Series:
    """What is noted of the settings of some runs; what their results make worth telling is left out."""
    return notes.map(without_remarks, na_action="ignore").astype(notes.dtype)


def runs_on_test(runs: pd.DataFrame) -> pd.DataFrame:
    """On the test split, those of a tuning left out; diverged ones too."""
    return runs[(runs["split"] == "test") & (runs["phase"] != "tune")]


def kinds_text(runs: pd.DataFrame, *columns: str) -> str:
    """What there is instead of what was expected: "3 tune holdout, 1 run test"."""
    return ", ".join(f"{n} {' '.join(kind)}" for kind, n in runs.groupby([*columns]).size().items()) or "none"


def completed(tested: pd.DataFrame) -> pd.DataFrame:
    """Completed runs, each seed of a setting once: the final run of a tuning may repeat another.

    It does so too where the holdout chose a number of epochs that was also run as the last one.
    """
    rows = tested[tested["status"] == "completed"]
    rows = rows.assign(select_epoch=rows["select_epoch"].replace("holdout", ""), note=settings_of(rows["note"]))
    return rows.drop_duplicates(["dataset", "model", "objective", "embedding_dim", *setting_columns(rows), "seed"])


def is_pretrained(rows: pd.DataFrame) -> pd.Series:
    """bool per row."""
    return rows["pretraining"] != ""


def model_name(model: str, pretrained: bool) -> str:
    """ "MF", "NeuMF, pretrained"; a model that the paper does not have goes by its own name."""
    return MODELS.get(model, model) + ", pretrained" * pretrained


def setting_texts(rows: pd.DataFrame) -> pd.Series:
    """Each row's settings, a line of text for each: only those that differ between rows of one dimension."""
    columns = setting_columns(rows)
    is_varied = rows.groupby("embedding_dim")[columns].nunique(dropna=False).max() > 1
    varied = [column for column in columns if is_varied[column]]
    texts = [
        "\n".join(f"{name} {setting_text(value)}" for name, value in row.items())
        for row in rows[varied].to_dict("records")
    ]
    # pandas 3.0 makes no records of no columns.
    return pd.Series(texts or [""] * len(rows), index=rows.index, dtype=str)


def setting_text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _with_most_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """At each dimension, the setting (or settings, if they tie) with the most seeds."""
    num_seeds = rows.groupby(["embedding_dim", setting_texts(rows)])["seed"].transform("size")
    return rows[num_seeds == num_seeds.groupby(rows["embedding_dim"]).transform("max")]


def _shape(layers: str, embedding_dim: int) -> str:
    """Layers in units of the dimension: "2d-d-d/2" of 32-16-8 at 16."""
    return "-".join(multiple(Fraction(int(width), int(embedding_dim))) for width in layers.split("-") if width)


def multiple(factor: Fraction) -> str:
    """Of d: "2d", "d/2"."""
    numerator = "" if factor.numerator == 1 else factor.numerator
    return f"{numerator}d" + f"/{factor.denominator}" * (factor.denominator > 1)


def _towers(rows: pd.DataFrame) -> Iterator[tuple[list[str], pd.DataFrame]]:
    """The name and the rows of each tower; it needs no name where every dimension has one tower."""
    if rows.groupby("embedding_dim")["layers"].nunique().max() == 1:
        yield [], rows
        return
    shapes = pd.Series(map(_shape, rows["layers"], rows["embedding_dim"]), index=rows.index, dtype=str)
    for shape, tower in rows.groupby(shapes):
        yield [f"layers {shape if tower['layers'].nunique() > 1 else tower['layers'].iloc[0]}"], tower


def lines(rows: pd.DataFrame) -> list[Line]:
    """The lines of one data set's completed runs by names and settings, those chosen on test last.

    Rows without an embedding_dim are on no line.
    """
    rows = rows[rows["embedding_dim"].notna()]
    on_test, settings = rows["select_epoch"] == "test", setting_columns(rows)
    kinds = rows.groupby([on_test, rows["model"], rows["objective"], is_pretrained(rows)])
    return [
        Line(
            model_name(model, pretrained),
            objective,
            [*tower_name, *filter(None, setting.split("\n")), *([ON_TEST] if is_on_test else [])],
            line,
        )
        for (is_on_test, model, objective, pretrained), group in kinds
        for tower_name, tower in _towers(group)
        for kept in [_with_most_seeds(tower).sort_values(settings)]
        for setting, line in kept.groupby(setting_texts(kept), sort=False)
    ]
