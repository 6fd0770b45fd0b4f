"""The study's Figure 2 as numbers: paper, ours, difference, 95 % interval over seeds. A Markdown table.

The rows are those that figure2.py draws; `ours` is mean +- half-width of the interval, on the test split.
"""

import math

import pandas as pd

from experiments.lines import Estimate, Line, completed, lines
from experiments.paper import FIGURE2

HEAD = (
    "| objective | embedding_dim | seeds | HR@10 paper | ours | difference | NDCG@10 paper | ours | difference "
    "| full HR@10 | full NDCG@10 |"
)


def _text(point: Estimate) -> str:
    interval = "" if math.isnan(point.half_width) else f" ± {point.half_width:.4f}"
    return f"{point.mean:.4f}{interval}"


def _cells(line: Line, dim: int, paper: dict[str, dict[int, float]]) -> list[str]:
    points = {column: dict(line.points(column)) for column in ("hit_ratio@10", "ndcg@10")}
    # Lines that tie say in their label what differs.
    name = ", ".join([str(line.rows["objective"].iloc[0]), *line.label.split("\n")[1:]])
    cells = [name, str(dim), str(points["ndcg@10"][dim].n)]
    for column, curve in points.items():
        published = paper.get(column, {}).get(dim)
        difference = "" if published is None else f"{curve[dim].mean - published:+.4f}"
        cells += ["" if published is None else f"{published:.4f}", _text(curve[dim]), difference]
    return cells + [f"{dict(line.points(column))[dim].mean:.4f}" for column in ("full_hit_ratio@10", "full_ndcg@10")]


def comparison(runs: pd.DataFrame, dataset: str = "ml-1m") -> str:
    """The dot product's completed test runs on `dataset` beside the study's points; "" where there are none."""
    tested = runs[(runs["split"] == "test") & (runs["phase"] != "tune") & (runs["dataset"] == dataset)]
    rows = completed(tested)
    found = lines(rows[(rows["model"] == "dot") & rows["embedding_dim"].notna()])
    paper = FIGURE2.get(dataset, {}).get("MF", {})
    table = [_cells(line, dim, paper) for line in found for dim, _ in line.points("ndcg@10")]
    rule = "| --- " * (HEAD.count("|") - 1) + "|"
    return "\n".join([HEAD, rule, *(f"| {' | '.join(cells)} |" for cells in table)]) if table else ""
