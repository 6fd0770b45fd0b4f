"""Figure 2 as numbers: model by model what was published, ours, difference, 95 % interval over seeds. A Markdown table.

The rows are those that figure2.py draws; `ours` is mean +- half-width of the interval, on the test split, and the
number beside it was published for the same embedding_dim, whatever the layers. Of MF these are the study's means of 8
runs, read off its figure. Those of MLP and NeuMF are He et al.'s, which the figure repeats: three digits, of the epoch
that was best on the test set, so rows of ours whose epoch was chosen on test are what compares with them. No one
published a curve of GMF.
"""

import math

import pandas as pd

from experiments.lines import Estimate, Line, completed, lines
from experiments.paper import DIGITS, FIGURE2

HEAD = (
    "| model | objective | embedding_dim | seeds | HR@10 paper | ours | difference | NDCG@10 paper | ours | difference "
    "| full HR@10 | full NDCG@10 |"
)


def text(point: Estimate, sign: str = "") -> str:
    """Mean and half-width of the interval, where there is one; with sign="+" a difference."""
    interval = "" if math.isnan(point.half_width) else f" ± {point.half_width:.4f}"
    return f"{point.mean:{sign}.4f}{interval}"


def signed(value: float, digits: int = 4) -> str:
    """Zero has no minus."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def markdown(head: str, table: list[list[str]]) -> str:
    """A table below its head, a line of names between bars."""
    rule = "| --- " * (head.count("|") - 1) + "|"
    return "\n".join([head, rule, *(f"| {' | '.join(cells)} |" for cells in table)])


def _cells(line: Line, dim: int, published: dict[str, dict[int, float]]) -> list[str]:
    points = {column: dict(line.points(column)) for column in ("hit_ratio@10", "ndcg@10")}
    cells = [line.name, ", ".join([line.objective, *line.details]), str(dim), str(points["ndcg@10"][dim].n)]
    digits = DIGITS.get(line.name, 4)
    for column, curve in points.items():
        value = published.get(column, {}).get(dim)
        cells += ["" if value is None else f"{value:.{digits}f}", text(curve[dim])]
        cells.append("" if value is None else signed(curve[dim].mean - value, digits))
    return cells + [f"{dict(line.points(column))[dim].mean:.4f}" for column in ("full_hit_ratio@10", "full_ndcg@10")]


def comparison(runs: pd.DataFrame, dataset: str = "ml-1m") -> str:
    """The completed test runs of every model on `dataset` beside the published points; "" where there are none."""
    tested = runs[(runs["split"] == "test") & (runs["phase"] != "tune") & (runs["dataset"] == dataset)]
    rows = completed(tested)
    found = lines(rows[rows["embedding_dim"].notna()])
    published = FIGURE2.get(dataset, {})
    table = [_cells(line, dim, published.get(line.name, {})) for line in found for dim, _ in line.points("ndcg@10")]
    return markdown(HEAD, table) if table else ""
