"""Figure 2 of Rendle et al. (2020): HR@10 and NDCG@10 against embedding_dim, sampled protocol and full catalogue.

Drawn are the completed runs on the test split, tuning runs left out; analysis/lines.py says which settings. The paper's
points stand beside them on the sampled panels; they have no GMF. What is not drawn is said below them.

In the table `ours` is mean +- half-width of the interval over seeds, and the number beside it was published for the
same embedding_dim, whatever the layers. Of MF these are the study's means of 8 runs, read off its figure. Those of MLP
and NeuMF are He et al.'s, which the figure repeats: three digits, of the epoch that was best on the test set, so rows
of ours whose epoch was chosen on test are what compares with them. No one published a curve of GMF.
"""

import itertools
import math
import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.lines import REFERENCES, Line, completed, kinds_text, lines, runs_on_test
from experiments.analysis.published import figure2, published_value
from experiments.figures import panels
from experiments.figures.markdown import published_cells, range_text, table
from ncfjax.evaluation.columns import COLUMNS, SAMPLED
from ncfjax.evaluation.intervals import seed_mean

HEAD = (
    "| model | objective | embedding_dim | seeds | HR@10 paper | ours | difference | NDCG@10 paper | ours | difference "
    "| full HR@10 | full NDCG@10 |"
)
_REFERENCE_STYLES = dict(zip(REFERENCES, (("oracle (true scores)", "--"), ("popularity", ":")), strict=True))
_MAX_LINES, _MAX_ROWS = 8, 18  # of our part of the legend
_PAPER = {
    "MF": {"label": "paper: MF (n = 8)", "color": "black", "marker": "D", "ms": 9, "ls": "--", "lw": 2, "zorder": 4},
    "NeuMF, pretrained": {"label": "He et al.: NeuMF, pretrained", "color": "#7a7a7a", "marker": "*", "ls": "-"},
    "NeuMF": {"label": "He et al.: NeuMF", "color": "#949494", "marker": "<", "ls": "-."},
    "MLP": {"label": "He et al.: MLP", "color": "#a8a8a8", "marker": "x", "ls": ":"},
}


def comparison(runs: pd.DataFrame, dataset: str = "ml-1m") -> str:
    """The completed test runs of every model on `dataset` beside the published points; "" where there are none."""
    drawn = lines(completed(runs_on_test(runs[runs["dataset"] == dataset])))
    rows = [_cells(line, dim, dataset) for line in drawn for dim, _ in line.points("ndcg@10")]
    return table(HEAD, rows) if rows else ""


def _cells(line: Line, dim: int, dataset: str) -> list[object]:
    points = {column: dict(line.points(column)).get(dim) for column in COLUMNS}
    digits = figure2()[line.name].digits if line.name in figure2() else 4
    cells = [line.name, ", ".join([line.objective, *line.details]), dim, points["ndcg@10"].n]
    for column in SAMPLED:
        cells += published_cells(published_value(line.name, dataset, column, dim), points[column], digits)
    return cells + [f"{points[column].mean:.4f}" for column in COLUMNS if column not in SAMPLED]


def legend_label(line: Line) -> str:
    """In lines that are not long."""
    n = range_text(list(line.rows.groupby("embedding_dim").size()))
    first = f"{', '.join(filter(None, [line.name, line.objective]))} (n = {n})"
    return "\n".join([first, *(textwrap.shorten(part, 34) for part in line.details)])


def _draw_paper(axes: Axes, dataset: str, column: str) -> None:
    for name, model in figure2().items():
        if curve := model.curve(dataset, column):
            style = {"lw": 1.3, "mfc": "none", "mew": 1.5, "zorder": 2} | _PAPER[name]
            axes.plot(list(curve), list(curve.values()), **style)


def _draw_references(axes: Axes, rows: pd.DataFrame, column: str, is_curve: bool) -> None:
    """Horizontal lines; where one would squeeze curves into less than 2/5 of the panel, its value at the edge."""
    low, high = axes.get_ylim()
    above, below = [], []
    for model, group in rows.groupby("model"):
        label, linestyle = _REFERENCE_STYLES.get(model, (model, "-."))
        value = seed_mean(group[column].to_numpy(float)).mean
        if is_curve and max(high, value) - min(low, value) > 2.5 * (high - low):
            (below if value < low else above).append(f"{label} {value:.3f}")
        elif not math.isnan(value):
            axes.axhline(value, color="#404040", linestyle=linestyle, label=label, zorder=1)
    # Curves rise: the corners at the upper left and at the lower right are free.
    for x, y, ha, va, arrow, texts in (
        (0.02, 0.97, "left", "top", "↑", above),
        (0.98, 0.03, "right", "bottom", "↓", below),
    ):
        axes.text(x, y, "\n".join(f"{arrow} {text}" for text in texts), ha=ha, va=va, transform=axes.transAxes)


def _panels(drawn: list[Line], references: pd.DataFrame, dataset: str) -> Figure:
    dims = {int(dim) for line in drawn for dim in line.rows["embedding_dim"]}
    dims |= {dim for model in figure2().values() for dim in model.curve(dataset, "ndcg@10")}
    figure, by_column = panels.metric_panels()
    for column, axes in by_column.items():
        _draw_paper(axes, dataset, column)
        for number, (line, shift) in enumerate(zip(drawn, panels.shifts(len(drawn)), strict=True)):
            if points := line.points(column):
                panels.draw_means(axes, points, shift, **panels.line_style(number), capsize=5, label=legend_label(line))
        _draw_references(axes, references, column, is_curve=len(dims) > 1)
        panels.finish(axes, COLUMNS[column].title, sorted(dims))
    return figure


def _title(dataset: str, drawn: list[Line]) -> str:
    num_seeds = [n for line in drawn for n in line.rows.groupby("embedding_dim").size()]
    return f"{panels.dataset_title(dataset)}, leave-one-out test" + (
        f": {panels.seeds_title(num_seeds)}" if num_seeds else ""
    )


def _not_drawn(tested: pd.DataFrame, candidates: pd.DataFrame, fitting: list[Line], drawn: list[Line]) -> str:
    counts = {
        "diverged": int((tested["status"] == "diverged").sum()),
        "of settings with fewer seeds": len(candidates) - sum(len(line.rows) for line in fitting),
        f"on {len(fitting) - len(drawn)} more lines": sum(len(line.rows) for line in fitting[len(drawn) :]),
    }
    parts = [f"{n} {why}" for why, n in counts.items() if n]
    return f"Runs not drawn: {', '.join(parts)}." if parts else ""


def _that_fit(candidates: list[Line]) -> list[Line]:
    num_rows = itertools.accumulate(legend_label(line).count("\n") + 1 for line in candidates)
    return [line for line, n in zip(candidates, num_rows, strict=True) if n <= _MAX_ROWS][:_MAX_LINES]


def draw_dataset(tested: pd.DataFrame) -> Figure:
    """The four panels of one data set; `tested` are its runs on the test split, diverged ones too."""
    rows, dataset = completed(tested), tested["dataset"].iloc[0]
    is_reference = rows["model"].isin(REFERENCES) | rows["embedding_dim"].isna()
    candidates = lines(rows[~is_reference])
    drawn = _that_fit(candidates)
    figure = _panels(drawn, rows[is_reference], dataset)
    note = _not_drawn(tested, rows[~is_reference], candidates, drawn)
    return panels.complete(figure, _title(dataset, drawn), [legend_label(line) for line in drawn], note)


def by_dataset(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The runs on the test split of the data set, or of each by its name, "-ml-1m", if several have completed ones.

    Raises:
        ValueError: no completed run on the test split.
    """
    tested = runs_on_test(runs)
    datasets = sorted(completed(tested)["dataset"].unique())
    if not datasets:
        got = kinds_text(runs, "status", "split")
        raise ValueError(f"expected completed runs on the test split, got {got}")
    return {f"-{name}" * (len(datasets) > 1): tested[tested["dataset"] == name] for name in datasets}
