"""What a network loses that learned the scores of a dot model (analysis/distillation.py): table and two panels.

RMSE and HR@10 against the pairs that the network was trained on, beside what the dot model itself reaches.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.distillation import DistilledCell
from experiments.figures import panels
from experiments.figures.markdown import mean_text, plain, table
from ncfjax.evaluation.columns import SAMPLED

HEAD = (
    "| dataset | embedding_dim | layers | setup | pairs_per_user | seeds | RMSE | dot HR@10 | ours | difference "
    "| dot NDCG@10 | ours | difference | difference, full NDCG@10 | diverged |"
)
_TITLES = {"rmse_test": "RMSE against the dot model's scores", "hit_ratio@10": "HR@10 of the ranking"}


def distilled_table(cells: Sequence[DistilledCell]) -> str:
    return table(HEAD, map(_cells, cells))


def _cells(cell: DistilledCell) -> list[object]:
    first = [plain(cell.dataset), cell.embedding_dim, cell.layers, cell.setup, cell.pairs_per_user, len(cell)]
    if not len(cell):
        return [*first, *[None] * 8, cell.diverged]
    numbers = [mean_text(cell.mean("rmse_test"))]
    for column in SAMPLED:
        numbers += [f"{cell.mean(name).mean:.4f}" for name in (f"dot_{column}", column)] + [lost_text(cell, column)]
    return [*first, *numbers, lost_text(cell, "full_ndcg@10"), cell.diverged or None]


def lost_text(cell: DistilledCell, column: str) -> str:
    lost = cell.lost[column]
    return f"{lost.difference:+.4f} [{lost.low:+.4f}, {lost.high:+.4f}]"


def _lines(drawn: Sequence[DistilledCell]) -> dict[str, list[DistilledCell]]:
    """By what their cells share, which is their label."""
    several, lines = len({(cell.dataset, cell.teacher) for cell in drawn}) > 1, {}
    for cell in drawn:
        parts = [f"d = {cell.embedding_dim}, {cell.layers}", cell.setup, *[cell.dataset, cell.teacher] * several]
        lines.setdefault(", ".join(filter(None, parts)), []).append(cell)
    return lines


def _draw(axes: Axes, lines: dict[str, list[DistilledCell]], column: str) -> None:
    for number, ((name, line), shift) in enumerate(zip(lines.items(), panels.shifts(len(lines)), strict=True)):
        points = [(cell.pairs_per_user, cell.mean(column)) for cell in line]
        panels.draw_means(axes, points, shift, **panels.line_style(number), capsize=4, label=name)


def _draw_teachers(axes: Axes, drawn: Sequence[DistilledCell], column: str) -> None:
    teachers: dict[tuple[str, str, int], list[float]] = {}
    for cell in drawn:
        key = cell.dataset, cell.teacher, cell.embedding_dim
        teachers.setdefault(key, []).append(cell.mean(f"dot_{column}").mean)
    for number, ((dataset, _, dim), means) in enumerate(sorted(teachers.items())):
        name = f"dot model, d = {dim}" + f", {dataset}" * (len({key[0] for key in teachers}) > 1)
        style = {"color": "black", "linestyle": (":", "--", "-.", "-")[number % 4], "lw": 1.5, "zorder": 1}
        axes.axhline(np.mean(means), **style, label=name)


def draw(cells: Sequence[DistilledCell]) -> Figure:
    """The two panels.

    Raises:
        ValueError: no completed run.
    """
    drawn = [cell for cell in cells if len(cell)]
    if not drawn:
        raise ValueError(f"expected completed runs, got {len(cells)} cells of diverged ones")
    lines, pairs, figure = _lines(drawn), sorted({cell.pairs_per_user for cell in drawn}), panels.new_figure()
    for axes, (column, title) in zip(figure.subplots(1, 2), _TITLES.items(), strict=True):
        _draw(axes, lines, column)
        panels.finish(axes, title, pairs, str, has_scale=True)
        axes.set_xlabel("pairs_per_user, nine tenths of them to train on")
    figure.axes[0].set_ylim(bottom=0)
    _draw_teachers(figure.axes[1], drawn, "hit_ratio@10")
    datasets = ", ".join(sorted({panels.dataset_title(cell.dataset) for cell in cells}))
    seeds = panels.seeds_title([len(cell) for cell in drawn])
    return panels.complete(figure, f"MLPs that learned a dot model's scores on {datasets}: {seeds}", list(lines))
