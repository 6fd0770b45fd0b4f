"""What the figures have in common: panels on a slide, colours, legend, and files of reproducible bytes."""

import math
from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

DATASETS = {
    "ml-1m": "MovieLens-1M",
    "ml-100k": "MovieLens-100K",
    "pinterest": "Pinterest",
    "pinterest-u37501": "Pinterest (37,501 users)",
    "synthetic": "Synthetic data",
}
# Okabe and Ito (2008), without black (the paper's) and yellow (too light), then two of Tol (2021), muted: colour-blind
# readers can tell them apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933")
MARKERS = ("o", "s", "^", "v", "P", "X", "d", ">")
_SIMILARITIES = ("GMF", "MLP", "NeuMF", "NeuMF, pretrained")
STYLE = {
    "font.size": 14,
    "axes.titlesize": 15,
    "figure.titlesize": 18,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "lines.linewidth": 2,
    "lines.markersize": 7,
    "svg.hashsalt": "ncfjax",  # the same table gives the same bytes
}


def slide() -> Figure:
    """An empty figure of 16:9, in inches of a slide: a point is a point there."""
    return Figure(figsize=(13.33, 7.5), layout="constrained")


def look(name: str) -> dict[str, str]:
    """Colour and marker of a learned similarity: those that it has in a whole figure 2, after two lines of MF."""
    number = 2 + _SIMILARITIES.index(name) if name in _SIMILARITIES else 0
    return {"color": COLOURS[number], "marker": MARKERS[number]}


def shifts(n: int) -> list[float]:
    """Factors of positions that put n lines side by side, so that no interval hides another: 7 % off at most."""
    step = min(0.05, 0.2 / max(1, n - 1))
    return [2 ** (step * (number - (n - 1) / 2)) for number in range(n)]


def _ticks(dims: list[int]) -> list[int]:
    """The values that can be labelled without touching each other on a logarithmic axis."""
    gap, kept = math.log2(dims[-1] / dims[0]) / 11, dims[:1]
    for dim in dims[1:]:
        if math.log2(dim / kept[-1]) >= gap:
            kept.append(dim)
    return kept


def finish(axes: Axes, title: str, dims: list[int], name: Callable[[int], str] = str, has_scale: bool = False) -> None:
    """Title and ticks of a panel over embedding_dim, or another size that `name` shortens; an empty one says so.

    An empty panel has no scale, unless it shares one with others.
    """
    axes.set_title(title, loc="left")
    axes.set_xscale("log", base=2)
    if dims:
        axes.set_xlim(dims[0] / 1.15, dims[-1] * 1.15)
    ticks = _ticks(dims) if dims else []
    axes.set_xticks(ticks, [name(dim) for dim in ticks])
    axes.set_xticks([], minor=True)
    if not axes.lines:
        if not has_scale:
            axes.set_yticks([])
        axes.text(0.5, 0.5, "no run yet", ha="center", transform=axes.transAxes)


def add_legend(figure: Figure, first: list[str]) -> None:
    """One entry per label of all panels, those of `first` before the others."""
    entries: dict = {}
    for axes in figure.axes:
        entries |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = sorted(entries, key=lambda label: first.index(label) if label in first else len(first))
    handles = [entries[label] for label in labels]
    figure.legend(handles, labels, loc="outside right center", frameon=False, labelspacing=0.8)


def add_note(figure: Figure, text: str) -> None:
    """A line below the panels."""
    if text:
        figure.supxlabel(text, x=0.01, ha="left", fontsize=14, color="#404040")


def save(stem: Path, draw: Callable[[], Figure]) -> list[Path]:
    """Writes STEM.png and STEM.svg of what is drawn in the house style; the same figure gives the same bytes.

    Raises:
        OSError: the folder cannot be written.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = []
    with matplotlib.rc_context(STYLE):
        figure = draw()
        for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
            paths.append(stem.with_name(stem.name + suffix))
            figure.savefig(paths[-1], dpi=150, metadata=metadata)
    return paths
