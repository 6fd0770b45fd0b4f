"""Distillation of a recommender: what is lost where a network that learned its scores ranks in its place.

    RMSE        of the network against the scores of the dot model, on pairs that it was not trained on
    difference  HR@10 or NDCG@10 of the network's ranking less that of the dot model's own, users paired, with the 95 %
                interval of `significance.compare`: for other users and other seeds. It takes the seeds of both as
                unpaired, though a network's teacher has its seed: up to a quarter too wide or too narrow

A panel for each: against the pairs that the network was trained on, beside what the dot model itself reaches.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.columns import COLUMNS, K
from experiments.comparison import markdown, text
from experiments.figure3 import SETUP, setup
from experiments.lines import Estimate, estimate, span
from experiments.panels import COLOURS, DATASETS, MARKERS, add_legend, finish, save, shifts, slide
from ncfjax.evaluation.significance import Comparison, compare
from ncfjax.store import Store

NETWORK = ("activation", "product", "bilinear", "schedule", "learning_rate", "batch_size", "num_epochs")
OF_STUDY: dict[str, Any] = {name: SETUP[name] for name in NETWORK} | {"noise": 0.0}
# What the seeds of a cell share: other data, or another teacher, are no other seed.
SAME = ("dataset", "negatives", "note", "num_users", "num_items", "teacher", "embedding_dim", "parameters", "layers")
LOST = ("hit_ratio@10", "ndcg@10", "full_ndcg@10")
HEAD = (
    "| dataset | embedding_dim | layers | setup | pairs_per_user | seeds | RMSE | dot HR@10 | ours | difference "
    "| dot NDCG@10 | ours | difference | difference, full NDCG@10 | diverged |"
)


class Cell(NamedTuple):
    """The runs of one network on one number of pairs."""

    dataset: str
    teacher: str
    embedding_dim: int
    layers: str
    setup: str  # what differs from the study's network beside the layers
    pairs_per_user: int
    rows: pd.DataFrame  # completed
    lost: dict[str, Comparison]  # column -> the network's less the dot model's
    diverged: int

    @property
    def line(self) -> str:
        """What it shares with the other cells of a line of the figure."""
        return ", ".join(filter(None, [f"d = {self.embedding_dim}, {self.layers}", self.setup]))

    def mean(self, column: str) -> Estimate:
        return estimate(self.rows[column].to_numpy(float))


def cells(store: Store, run_ids: set[str] | None = None) -> list[Cell]:
    """In the order of their sizes; of some runs, or of all.

    Raises:
        ValueError: no run of a distillation.
        StoreError: ranks are missing.
    """
    runs = store.runs()
    runs = runs[runs["target"] == "recommender"]
    if run_ids is not None:
        runs = runs[runs["run_id"].isin(list(run_ids))]
    if runs.empty:
        raise ValueError("expected runs of target=recommender, got none")
    setups = pd.Series([setup(row, OF_STUDY) for row in runs.to_dict("records")], index=runs.index, dtype=str)
    groups = runs.groupby([*(runs[name] for name in SAME), setups, runs["pairs_per_user"]])
    return [_cell(store, dict(zip((*SAME, "setup", "pairs_per_user"), key, strict=True)), rows) for key, rows in groups]


def _cell(store: Store, of: dict[str, Any], rows: pd.DataFrame) -> Cell:
    sound = rows[rows["status"] == "completed"]
    ranks = [store.ranks(run_id) for run_id in sound["run_id"]]
    lost = {column: _lost(ranks, column) for column in LOST} if ranks else {}
    return Cell(
        of["dataset"], of["teacher"], int(of["embedding_dim"]), of["layers"], of["setup"], int(of["pairs_per_user"]),
        sound, lost, len(rows) - len(sound),
    )  # fmt: skip


def _lost(ranks: list[dict[str, np.ndarray]], column: str) -> Comparison:
    _, protocol, metric = COLUMNS[column]
    return compare(*(np.stack([of[prefix + protocol] for of in ranks]) for prefix in ("", "dot_")), metric, K)


def _cells_of_row(cell: Cell) -> list[str]:
    first = [cell.dataset, str(cell.embedding_dim), cell.layers, cell.setup, str(cell.pairs_per_user)]
    if cell.rows.empty:
        return [*first, "0", *[""] * 8, str(cell.diverged)]
    numbers = [str(len(cell.rows)), text(cell.mean("rmse_test"))]
    for column in ("hit_ratio@10", "ndcg@10"):
        numbers += [f"{cell.mean(name).mean:.4f}" for name in (f"dot_{column}", column)] + [_signed(cell.lost[column])]
    return [*first, *numbers, _signed(cell.lost["full_ndcg@10"]), str(cell.diverged or "")]


def _signed(lost: Comparison) -> str:
    return f"{lost.difference:+.4f} [{lost.low:+.4f}, {lost.high:+.4f}]"


def table(found: list[Cell]) -> str:
    """Every cell in Markdown."""
    return markdown(HEAD, [_cells_of_row(cell) for cell in found])


def _lines(found: list[Cell]) -> Iterator[tuple[str, list[Cell]]]:
    drawn = [cell for cell in found if len(cell.rows)]
    several = len({(cell.dataset, cell.teacher) for cell in drawn}) > 1
    names = [f"{cell.line}, {cell.dataset}, {cell.teacher}" if several else cell.line for cell in drawn]
    for name in dict.fromkeys(names):
        yield name, [cell for cell, of in zip(drawn, names, strict=True) if of == name]


def _draw(axes: Axes, lines: dict[str, list[Cell]], column: str) -> None:
    for number, ((name, line), shift) in enumerate(zip(lines.items(), shifts(len(lines)), strict=True)):
        style = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)], "capsize": 4}
        points = [cell.mean(column) for cell in line]
        pairs = [cell.pairs_per_user * shift for cell in line]
        axes.errorbar(pairs, [p.mean for p in points], [p.half_width for p in points], **style, label=name, zorder=3)


def _draw_teachers(axes: Axes, drawn: list[Cell], column: str) -> None:
    of_teacher: dict[tuple[str, str, int], list[float]] = {}
    for cell in drawn:
        key = cell.dataset, cell.teacher, cell.embedding_dim
        of_teacher.setdefault(key, []).append(cell.mean(f"dot_{column}").mean)
    for number, ((dataset, _, dim), means) in enumerate(sorted(of_teacher.items())):
        name = f"dot model, d = {dim}" + f", {dataset}" * (len({key[0] for key in of_teacher}) > 1)
        style = {"color": "black", "linestyle": (":", "--", "-.", "-")[number % 4], "lw": 1.5, "zorder": 1}
        axes.axhline(np.mean(means), **style, label=name)


def draw(found: list[Cell]) -> Figure:
    """The two panels."""
    lines = dict(_lines(found))
    if not lines:
        raise ValueError(f"expected completed runs, got {len(found)} cells of diverged ones")
    drawn = [cell for line in lines.values() for cell in line]
    pairs = sorted({cell.pairs_per_user for cell in drawn})
    figure = slide()
    titles = {"rmse_test": "RMSE against the dot model's scores", "hit_ratio@10": "HR@10 of the ranking"}
    for axes, (column, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        _draw(axes, lines, column)
        finish(axes, title, pairs, str, has_scale=True)
        axes.set_xlabel("pairs_per_user, nine tenths of them to train on")
    figure.axes[0].set_ylim(bottom=0)
    _draw_teachers(figure.axes[1], drawn, "hit_ratio@10")
    counts = [len(cell.rows) for cell in drawn]
    datasets = ", ".join(sorted({DATASETS.get(cell.dataset, cell.dataset) for cell in found}))
    mean = f"mean and 95 % t-interval over {span(counts)} seeds" if max(counts) > 1 else "one seed, no interval"
    figure.suptitle(f"MLPs that learned a dot model's scores on {datasets}: {mean}", x=0.01, ha="left")
    add_legend(figure, list(lines))
    return figure


def distillation(store: Store, folder: Path) -> tuple[str, list[Path]]:
    """The table in Markdown, and distillation.png and .svg; the same tables give the same bytes.

    Raises:
        ValueError: no completed run of a distillation.
        OSError, StoreError: files that cannot be read or written.
    """
    found = cells(store)
    return table(found), save(folder / "distillation", lambda: draw(found))
