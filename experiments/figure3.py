"""Figure 3 of Rendle et al. (2020): how far an MLP stays behind the dot product that it learns from.

    gap = RMSE of the MLP - RMSE of the dot product       on fresh vectors, and on held-out pairs of the trained ones

One panel per width multiplier, gaps against the number of users (and items), mean and interval over seeds as in
lines.py. Drawn is the study's setup; variants of it have rows of the table, which names what differs.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.comparison import markdown, signed, text
from experiments.lines import Estimate, estimate, multiple, span
from experiments.panels import COLOURS, MARKERS, add_legend, add_note, finish, save, shifts, slide
from experiments.paper import FIGURE3, FIGURE3_LINES

# The study's setup, whose layers follow from the width multiplier. `drop_last_users` is a quirk of its script, without
# which ours is drawn.
SETUP: dict[str, Any] = {
    "activation": "relu", "product": "", "bilinear": "", "schedule": "constant", "pairs_per_user": 100,
    "drop_last_users": "", "num_fresh": 100_000, "noise": 0.85, "trivial_rmse": 1.13, "learning_rate": 0.001,
    "batch_size": 256, "num_epochs": 32,
}  # fmt: skip
CELL = ["width_multiplier", "embedding_dim", "num_users"]
MULTIPLIERS, DIMS = sorted({m for m, _ in FIGURE3}), sorted({dim for _, dim in FIGURE3})
HEAD = (
    "| width_multiplier | embedding_dim | num_users | setup | seeds | fresh gap paper | ours | difference "
    "| held-out gap | diverged |"
)


class Cell(NamedTuple):
    """The runs of one size and one setup."""

    width_multiplier: int | None
    embedding_dim: int
    num_users: int
    setup: str  # what differs from the study's; empty for the study's
    fresh: Estimate
    test: Estimate
    diverged: int

    @property
    def paper(self) -> float | None:
        published = FIGURE3.get((self.width_multiplier, self.embedding_dim), {})
        return None if self.setup else published.get(self.num_users)


def setup(row: dict[str, Any], of_study: dict[str, Any]) -> str:
    """What differs from the study's: "activation gelu, product"."""
    return ", ".join(_named(name, row[name]) for name, usual in of_study.items() if row[name] != usual)


def _setup(row: dict[str, Any]) -> str:
    layers = "" if pd.notna(row["width_multiplier"]) else f"layers {row['layers']}"
    return ", ".join(filter(None, [layers, setup(row, SETUP)]))


def _named(name: str, value: Any) -> str:
    return name if value == "true" else f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def cells(runs: pd.DataFrame) -> Iterator[Cell]:
    """In the order of their sizes, the study's setup before others."""
    runs = runs[runs["target"] == "dot"]
    setups = pd.Series([_setup(row) for row in runs.to_dict("records")], index=runs.index, dtype=str)
    gaps = {part: runs[f"rmse_{part}"] - runs[f"rmse_dot_{part}"] for part in ("fresh", "test")}
    for (multiplier, *sizes, setup), rows in runs.groupby([*(runs[name] for name in CELL), setups], dropna=False):
        index, known = rows.index, None if pd.isna(multiplier) else int(multiplier)
        fresh, test = (estimate(gaps[part][index].to_numpy(float)) for part in ("fresh", "test"))
        yield Cell(known, *map(int, sizes), setup, fresh, test, int((rows["status"] == "diverged").sum()))


def _cells_of_row(cell: Cell) -> list[str]:
    ours = [text(cell.fresh), text(cell.test)] if cell.fresh.n else ["", ""]
    has_both = cell.paper is not None and cell.fresh.n
    return [
        "" if cell.width_multiplier is None else str(cell.width_multiplier),
        str(cell.embedding_dim),
        str(cell.num_users),
        cell.setup,
        str(cell.fresh.n),
        "" if cell.paper is None else f"{cell.paper:.4f}",
        ours[0],
        signed(cell.fresh.mean - cell.paper) if has_both else "",
        ours[1],
        str(cell.diverged or ""),
    ]


def table(runs: pd.DataFrame) -> str:
    """Every cell in Markdown: the paper's gap, ours +- half-width of the interval, and the difference."""
    return markdown(HEAD, [_cells_of_row(cell) for cell in cells(runs)])


def _draw_paper(axes: Axes, multiplier: int) -> None:
    for number, dim in enumerate(DIMS):
        users, gaps = zip(*FIGURE3[multiplier, dim].items(), strict=True)
        style = {"color": COLOURS[number], "marker": "x", "ls": "none", "mew": 2, "zorder": 4}
        axes.plot(users, gaps, **style, label=f"paper: d = {dim}, fresh")
    for level, meaning in FIGURE3_LINES.items():
        axes.axhline(level, color="#404040", linestyle="-." if level == 0.01 else ":", lw=1, zorder=1,
                     label=f"{level:g} {meaning}")  # fmt: skip


def _draw_ours(axes: Axes, drawn: list[Cell], dims: list[int]) -> None:
    for number, (dim, shift) in enumerate(zip(dims, shifts(len(dims)), strict=True)):
        line = [cell for cell in drawn if cell.embedding_dim == dim and cell.fresh.n]
        if not line:
            continue
        users = [cell.num_users * shift for cell in line]
        style = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)], "capsize": 4}
        for part, linestyle in (("fresh", "-"), ("test", ":")):
            means, half_widths, _ = zip(*(getattr(cell, part) for cell in line), strict=True)
            name = f"d = {dim}, {'fresh' if part == 'fresh' else 'held-out'}"
            axes.errorbar(users, means, half_widths, **style, ls=linestyle, label=name, zorder=3)


def _thousands(number: int) -> str:
    """ "4k"."""
    return str(number) if number % 1000 else f"{number // 1000}k"


def _layers(multiplier: int) -> str:
    """ "[2d, d, d/2]"."""
    return f"[{', '.join(multiple(factor * multiplier) for factor in (Fraction(2), Fraction(1), Fraction(1, 2)))}]"


def _panels(drawn: list[Cell], users: list[int], dims: list[int]) -> Figure:
    figure = slide()
    for axes, multiplier in zip(figure.subplots(1, len(MULTIPLIERS), sharey=True), MULTIPLIERS, strict=True):
        own = [cell for cell in drawn if cell.width_multiplier == multiplier]
        _draw_ours(axes, own, dims)
        finish(axes, f"width_multiplier {multiplier}: {_layers(multiplier)}", users, _thousands, has_scale=True)
        _draw_paper(axes, multiplier)
        axes.set_xlabel("num_users")
    figure.axes[0].set_ylabel("RMSE of MLP minus RMSE of dot product")
    figure.axes[0].set_ylim(bottom=0)
    return figure


def _title(drawn: list[Cell]) -> str:
    counts = [cell.fresh.n for cell in drawn]
    if max(counts) < 2:
        return "Learning a dot product with an MLP: one seed, no interval"
    return f"Learning a dot product with an MLP: mean and 95 % t-interval over {span(counts)} seeds"


def draw(found: list[Cell]) -> Figure:
    """The three panels; what is not drawn is said below them."""
    drawn = [cell for cell in found if not cell.setup and cell.fresh.n and cell.width_multiplier in MULTIPLIERS]
    if not drawn:
        raise ValueError(f"expected completed runs of the study's setup, got {len(found)} cells of others or diverged")
    users = sorted({cell.num_users for cell in drawn} | {n for curve in FIGURE3.values() for n in curve})
    dims = DIMS + sorted({cell.embedding_dim for cell in drawn} - set(DIMS))
    figure = _panels(drawn, users, dims)
    figure.suptitle(_title(drawn), x=0.01, ha="left")
    add_legend(figure, [f"d = {dim}, {part}" for dim in dims for part in ("fresh", "held-out")])
    more = len(found) - len(drawn)
    add_note(figure, f"Cells not drawn, of other setups or diverged: {more}." if more else "")
    return figure


def draw_figure3(runs: pd.DataFrame, folder: Path) -> list[Path]:
    """Writes figure3.png and figure3.svg and returns their paths; the same table gives the same bytes.

    Raises:
        ValueError: no completed run of the study's setup.
        OSError: the folder cannot be written.
    """
    return save(folder / "figure3", lambda: draw(list(cells(runs))))
