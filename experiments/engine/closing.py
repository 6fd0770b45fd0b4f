"""What a study says at its end: a table of its runs, seeds averaged, the best first, and where everything is."""

import pandas as pd

from experiments.engine.progress import pluralize
from experiments.engine.task import Task
from ncfjax.data.notes import without_remarks
from ncfjax.store import Store


def closing_table(task: Task, store: Store, run_ids: set[str]) -> str:
    """The text of `averaged` of some runs."""
    runs = store.runs()
    return as_text(task, averaged(task, runs[runs["run_id"].isin(list(run_ids))]))


def averaged(task: Task, runs: pd.DataFrame) -> pd.DataFrame:
    """A row per configuration: means over its seeds, how many they are, how many diverged; the best first, NaN last.

    A diverged run has no metrics: the means are those of the other seeds, and the column `diverged` tells.
    """
    if "note" in runs:
        runs = runs.assign(note=runs["note"].map(without_remarks, na_action="ignore").astype(runs["note"].dtype))
    by = [*task.always_shown, *(column for column in task.settings(runs) if _tells_apart(task, runs, column))]
    groups = runs.assign(diverged=runs["status"] == "diverged").groupby(by, sort=False, dropna=False)
    rows = groups[list(task.shown)].mean()
    for column, count in task.averaged_over.items():
        rows[count] = groups[column].nunique()
    rows["diverged"] = groups["diverged"].sum()
    if task.best_by:
        rows = rows.sort_values(list(task.best_by), ascending=task.lowest_is_best, kind="stable", na_position="last")
    rows = rows.reset_index()
    # Scores on the holdout and on test do not compare: what was tuned comes below.
    return rows.sort_values("phase", key=lambda phase: phase == "tune", kind="stable") if "phase" in rows else rows


def _tells_apart(task: Task, runs: pd.DataFrame, column: str) -> bool:
    """Whether a column is shown: two runs that agree in what is always shown differ in it.

    A number that all runs have is also shown if any two runs differ in it: a rate that was chosen for each model is
    shown, but not the layers, which some models do not have.
    """
    if column in task.always_shown:
        return False
    trained = runs[runs[task.always_shown[-1]].notna()]  # references have no configuration
    if trained[column].notna().all() and pd.api.types.is_numeric_dtype(trained[column]):
        return trained[column].nunique() > 1
    return trained.groupby(list(task.always_shown), dropna=False)[column].nunique(dropna=False).max() > 1


def _text(task: Task, column: str, value: object) -> str:
    if pd.isna(value) or (column in (*task.averaged_over.values(), "diverged") and value == 0):
        return ""
    return f"{value:.4f}" if column in task.shown else f"{value:g}" if isinstance(value, float) else str(value)


def as_text(task: Task, rows: pd.DataFrame, max_rows: int = 40) -> str:
    """Rows of means as text; a metric that no row has is left out."""
    empty = [column for column in task.shown if rows[column].isna().all()]
    rows = rows.drop(columns=empty + ["diverged"] * (not rows["diverged"].any()))
    texts = [
        [_text(task, column, value) for column, value in row.items()] for row in rows.head(max_rows).to_dict("records")
    ]
    lines = [[task.shown.get(column, column) for column in rows], *texts]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    shown = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(shown + [f"... and {len(rows) - max_rows} more in runs.csv"] * (len(rows) > max_rows))


def where_it_is(store: Store, rows: pd.DataFrame) -> str:
    """The last line: what was written where."""
    num_diverged = int((rows["status"] == "diverged").sum())
    diverged = f", {num_diverged} diverged" if num_diverged else ""
    parts = [f"runs.csv ({pluralize(len(rows), 'row')}{diverged})"]
    parts += [name for name in ("curves.csv", "ranks/", "models/") if (store.folder / name).exists()]
    return f"results in {store.folder}/: {', '.join(parts)}"
