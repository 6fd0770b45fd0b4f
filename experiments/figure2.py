"""Figure 2 of Rendle et al. (2020): HR@10 and NDCG@10 against embedding_dim, sampled protocol and full catalogue.

Drawn are the completed runs on the test split, tuning runs left out; `lines.py` says which settings, and how mean and
interval are taken. The paper's points stand beside them on the sampled panels; they have no GMF. What is not drawn is
said below them.
"""

import itertools
import math
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.columns import COLUMNS
from experiments.lines import Line, completed, estimate, lines, span
from experiments.panels import COLOURS, DATASETS, MARKERS, add_legend, add_note, finish, save, shifts, slide
from experiments.paper import FIGURE2

REFERENCES = {"oracle": ("oracle (true scores)", "--"), "popularity": ("popularity", ":")}
MAX_LINES, MAX_ROWS = 8, 18  # of our part of the legend
PAPER = {
    "MF": {"label": "paper: MF (n = 8)", "color": "black", "marker": "D", "ms": 9, "ls": "--", "lw": 2, "zorder": 4},
    "NeuMF, pretrained": {"label": "He et al.: NeuMF, pretrained", "color": "#7a7a7a", "marker": "*", "ls": "-"},
    "NeuMF": {"label": "He et al.: NeuMF", "color": "#949494", "marker": "<", "ls": "-."},
    "MLP": {"label": "He et al.: MLP", "color": "#a8a8a8", "marker": "x", "ls": ":"},
}


def _draw_paper(axes: Axes, dataset: str, column: str) -> None:
    for method, curves in FIGURE2.get(dataset, {}).items():
        if column in curves:
            dims, values = zip(*curves[column].items(), strict=True)
            axes.plot(dims, values, **{"lw": 1.3, "mfc": "none", "mew": 1.5, "zorder": 2} | PAPER[method])


def _draw_line(axes: Axes, line: Line, column: str, number: int, shift: float) -> None:
    points = line.points(column)
    if points:
        dims = [dim * shift for dim, _ in points]
        means, half_widths, _ = zip(*(point for _, point in points), strict=True)
        style = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        axes.errorbar(dims, means, half_widths, **style, capsize=5, label=line.label, zorder=3)


def _draw_references(axes: Axes, rows: pd.DataFrame, column: str, is_curve: bool) -> None:
    """Horizontal lines; where one would squeeze curves into less than 2/5 of the panel, its value at the edge."""
    low, high = axes.get_ylim()
    above, below = [], []
    for model, of in rows.groupby("model"):
        label, linestyle = REFERENCES.get(model, (model, "-."))
        value = estimate(of[column].to_numpy(float)).mean
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
    dims |= {dim for curves in FIGURE2.get(dataset, {}).values() for dim in curves["ndcg@10"]}
    figure = slide()
    for axes, (column, shown) in zip(figure.subplots(2, 2).flat, COLUMNS.items(), strict=True):
        _draw_paper(axes, dataset, column)
        for number, (line, shift) in enumerate(zip(drawn, shifts(len(drawn)), strict=True)):
            _draw_line(axes, line, column, number, shift)
        _draw_references(axes, references, column, is_curve=len(dims) > 1)
        finish(axes, shown.title, sorted(dims))
    for axes in figure.axes[2:]:
        axes.set_xlabel("embedding_dim")
    return figure


def _title(dataset: str, drawn: list[Line]) -> str:
    name = f"{DATASETS.get(dataset, dataset)}, leave-one-out test"
    num_seeds = [n for line in drawn for n in line.rows.groupby("embedding_dim").size()]
    if max(num_seeds, default=0) < 2:
        return f"{name}: one seed, no interval" if num_seeds else name
    return f"{name}: mean and 95 % t-interval over {span(num_seeds)} seeds"


def _not_drawn(tested: pd.DataFrame, candidates: pd.DataFrame, found: list[Line], drawn: list[Line]) -> str:
    counts = {
        "diverged": int((tested["status"] == "diverged").sum()),
        "of settings with fewer seeds": len(candidates) - sum(len(line.rows) for line in found),
        f"on {len(found) - len(drawn)} more lines": sum(len(line.rows) for line in found[len(drawn) :]),
    }
    parts = [f"{n} {why}" for why, n in counts.items() if n]
    return f"Runs not drawn: {', '.join(parts)}." if parts else ""


def _that_fit(found: list[Line]) -> list[Line]:
    num_rows = itertools.accumulate(line.label.count("\n") + 1 for line in found)
    return [line for line, n in zip(found, num_rows, strict=True) if n <= MAX_ROWS][:MAX_LINES]


def draw_dataset(tested: pd.DataFrame, dataset: str) -> Figure:
    """The four panels of one data set; `tested` are its runs on the test split, diverged ones too."""
    rows = completed(tested)
    is_reference = rows["model"].isin(list(REFERENCES)) | rows["embedding_dim"].isna()
    found = lines(rows[~is_reference])
    drawn = _that_fit(found)
    figure = _panels(drawn, rows[is_reference], dataset)
    figure.suptitle(_title(dataset, drawn), x=0.01, ha="left")
    add_legend(figure, [line.label for line in drawn])
    add_note(figure, _not_drawn(tested, rows[~is_reference], found, drawn))
    return figure


def draw_figure2(runs: pd.DataFrame, folder: Path) -> list[Path]:
    """Writes figure2.png and figure2.svg and returns their paths; the same table gives the same bytes.

    Where the table holds several data sets, each has its own figure2-DATASET.png and .svg.

    Raises:
        ValueError: no completed run on the test split.
        OSError: the folder cannot be written.
    """
    tested = runs[(runs["split"] == "test") & (runs["phase"] != "tune")]
    datasets = sorted(completed(tested)["dataset"].unique())
    if not datasets:
        found = ", ".join(f"{n} {' '.join(kind)}" for kind, n in runs.groupby(["status", "split"]).size().items())
        raise ValueError(f"expected completed runs on the test split, got {found or 'none'}")
    paths = []
    for dataset in datasets:
        stem = "figure2" if len(datasets) == 1 else f"figure2-{dataset}"
        paths += save(folder / stem, lambda of=dataset: draw_dataset(tested[tested["dataset"] == of], of))
    return paths
