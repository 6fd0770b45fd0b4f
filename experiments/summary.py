"""What a sweep, or a study of baselines, says at its end: a table of its runs, seeds averaged, the best first."""

import pandas as pd

from experiments.columns import COLUMNS

# What tells configurations apart; a column is shown if trained runs differ in it,
_CONFIGURATION = [
    "phase", "dataset", "note", "split", "negatives", "objective", "batch_size", "num_negatives", "reject_positives",
    "shuffle_examples", "optimizer", "pretraining", "num_epochs", "select_epoch", "learning_rate", "regularization",
    "stddev", "negative_weight",
]  # fmt: skip
# and one of these if runs of one model and dimension do: models differ in them by nature.
_OF_MODEL = ["layers", "regularize_weights"]


def averaged(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per configuration of a sweep, see `mean_over_seeds`."""
    trained = runs[runs["embedding_dim"].notna()]  # the oracle and popularity have no configuration
    models = trained.groupby(["model", "embedding_dim"])[_OF_MODEL].nunique().max()
    own = [column for column in _OF_MODEL if models[column] > 1]
    by = ["model", "embedding_dim", *own, *(column for column in _CONFIGURATION if trained[column].nunique() > 1)]
    return mean_over_seeds(runs, by)


def mean_over_seeds(runs: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """A row per group of `by`: means over its seeds, how many seeds, how many diverged; by NDCG@10, NaN last.

    A diverged run has no metrics: the means are those of the other seeds, and the column `diverged` tells.
    """
    # Scores on the holdout and on test do not compare: what was tuned comes below.
    groups = runs.assign(diverged=runs["status"] == "diverged").groupby(by, sort=False, dropna=False)
    rows = groups[list(COLUMNS)].mean()
    rows["seeds"] = groups["seed"].nunique()
    rows["diverged"] = groups["diverged"].sum()
    rows = rows.sort_values("ndcg@10", ascending=False, kind="stable", na_position="last").reset_index()
    return rows.sort_values("phase", key=lambda phase: phase == "tune", kind="stable") if "phase" in rows else rows


def _text(column: str, value: object) -> str:
    if pd.isna(value) or (column in ("seeds", "diverged") and value == 0):
        return ""
    return f"{value:.4f}" if column in COLUMNS else f"{value:g}" if isinstance(value, float) else str(value)


def table(runs: pd.DataFrame, max_rows: int = 40) -> str:
    """The text of `averaged`, shortened where it is long."""
    return text_of(averaged(runs), max_rows)


def text_of(rows: pd.DataFrame, max_rows: int = 40) -> str:
    """Rows of means as text."""
    if not rows["diverged"].any():
        rows = rows.drop(columns="diverged")
    texts = [[_text(column, value) for column, value in row.items()] for row in rows.head(max_rows).to_dict("records")]
    lines = [[COLUMNS[column].label if column in COLUMNS else column for column in rows], *texts]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    shown = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(shown + [f"... and {len(rows) - max_rows} more in runs.csv"] * (len(rows) > max_rows))
