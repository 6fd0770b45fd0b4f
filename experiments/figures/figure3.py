"""Figure 3 of Rendle et al. (2020): one panel per width multiplier, gaps against the number of users (and items).

Drawn is the study's setup; variants of it have rows of the table, which names what differs (analysis/figure3.py).
"""

from collections.abc import Sequence
from fractions import Fraction

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.figure3 import GapCell
from experiments.analysis.lines import multiple
from experiments.analysis.published import figure3
from experiments.figures import panels
from experiments.figures.markdown import mean_text, published_cells, table

HEAD = (
    "| width_multiplier | embedding_dim | num_users | setup | seeds | fresh gap paper | ours | difference "
    "| held-out gap | diverged |"
)
_PARTS = {"fresh": ("fresh", "-"), "test": ("held-out", ":")}


def _cells(cell: GapCell) -> list[object]:
    size = [cell.width_multiplier, cell.embedding_dim, cell.num_users, cell.setup, cell.fresh.n]
    paper, *ours = published_cells(cell.paper, cell.fresh)
    return [*size, paper, *([*ours, mean_text(cell.test)] if cell.fresh.n else [None] * 3), cell.diverged or None]


def gap_table(cells: Sequence[GapCell]) -> str:
    """Every cell: the paper's gap, ours +- half-width of the interval over seeds, and the difference."""
    return table(HEAD, map(_cells, cells))


def _draw_paper(axes: Axes, multiplier: int) -> None:
    for number, (dim, curve) in enumerate(figure3().gaps[multiplier].items()):
        users, gaps = zip(*curve.items(), strict=True)
        style = {"color": panels.COLOURS[number], "marker": "x", "ls": "none", "mew": 2, "zorder": 4}
        axes.plot(users, gaps, **style, label=f"paper: d = {dim}, fresh")
    for level, meaning in figure3().levels.items():
        axes.axhline(level, color="#404040", linestyle="-." if level == 0.01 else ":", lw=1, zorder=1,
                     label=f"{level:g} {meaning}")  # fmt: skip


def _draw_ours(axes: Axes, drawn: list[GapCell], dims: list[int]) -> None:
    for number, (dim, shift) in enumerate(zip(dims, panels.shifts(len(dims)), strict=True)):
        line = [cell for cell in drawn if cell.embedding_dim == dim and cell.fresh.n]
        for part, (name, linestyle) in _PARTS.items() if line else ():
            points = [(cell.num_users, getattr(cell, part)) for cell in line]
            style = panels.line_style(number) | {"ls": linestyle, "label": f"d = {dim}, {name}"}
            panels.draw_means(axes, points, shift, **style, capsize=4)


def _thousands(number: int) -> str:
    """ "4k"."""
    return str(number) if number % 1000 else f"{number // 1000}k"


def _layers(multiplier: int) -> str:
    """ "[2d, d, d/2]"."""
    return f"[{', '.join(multiple(factor * multiplier) for factor in (Fraction(2), Fraction(1), Fraction(1, 2)))}]"


def draw(cells: Sequence[GapCell]) -> Figure:
    """The three panels; what is not drawn is said below them."""
    paper, multipliers = figure3(), list(figure3().gaps)
    drawn = [cell for cell in cells if not cell.setup and cell.fresh.n and cell.width_multiplier in multipliers]
    if not drawn:
        raise ValueError(f"expected completed runs of the study's setup, got {len(cells)} cells of others or diverged")
    users = sorted({cell.num_users for cell in drawn} | {users for *_, users in paper.points()})
    dims = paper.dims + sorted({cell.embedding_dim for cell in drawn} - set(paper.dims))
    figure = panels.new_figure()
    for axes, multiplier in zip(figure.subplots(1, len(multipliers), sharey=True), multipliers, strict=True):
        _draw_ours(axes, [cell for cell in drawn if cell.width_multiplier == multiplier], dims)
        panels.finish(axes, f"width_multiplier {multiplier}: {_layers(multiplier)}", users, _thousands, has_scale=True)
        _draw_paper(axes, multiplier)
        axes.set_xlabel("num_users")
    figure.axes[0].set_ylabel("RMSE of MLP minus RMSE of dot product")
    figure.axes[0].set_ylim(bottom=0)
    title = f"Learning a dot product with an MLP: {panels.seeds_title([cell.fresh.n for cell in drawn])}"
    labels = [f"d = {dim}, {name}" for dim in dims for name, _ in _PARTS.values()]
    more = len(cells) - len(drawn)
    note = f"Cells not drawn, of other setups or diverged: {more}." if more else ""
    return panels.complete(figure, title, labels, note)
