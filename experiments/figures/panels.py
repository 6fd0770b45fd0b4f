"""What the figures have in common: panels in 16:9, colours, legend, and files of reproducible bytes."""

import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from experiments.figures.markdown import range_text
from ncfjax.evaluation.columns import COLUMNS
from ncfjax.evaluation.intervals import SeedMean

_DATASETS = {
    "ml-1m": "MovieLens-1M",
    "ml-100k": "MovieLens-100K",
    "pinterest": "Pinterest",
    "pinterest-u37501": "Pinterest (37,501 users)",
    "netflix-excerpt": "An excerpt of Netflix",
    "synthetic": "Synthetic data",
}
# Okabe and Ito (2008), without black (the paper's) and yellow (too light), then two of Tol (2021), muted: colour-blind
# readers can tell them apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933")
_MARKERS = ("o", "s", "^", "v", "P", "X", "d", ">")
_SIMILARITIES = (
    "GMF", "MLP", "NeuMF", "NeuMF, pretrained", "bilinear", "cosine", "residual", "Euclid", "mixture of logits",
    "MLP, pretrained", "residual, pretrained",
)  # fmt: skip
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


def new_figure() -> Figure:
    """Empty, 13.3 by 7.5 inches: the text is as large as on a page of a talk."""
    return Figure(figsize=(13.33, 7.5), layout="constrained")


def dataset_title(name: str) -> str:
    return _DATASETS.get(name, name)


def line_style(number: int) -> dict[str, str]:
    """Colour and marker of the n-th line of a panel: no two of 64 are alike."""
    again, colour = divmod(number, len(COLOURS))
    return {"color": COLOURS[colour], "marker": _MARKERS[(colour + again) % len(_MARKERS)]}


def similarity_style(name: str) -> dict[str, str]:
    """Of a similarity, the same in every figure: of NCF's those of a whole figure 2, after two lines of MF."""
    return line_style(2 + _SIMILARITIES.index(name) if name in _SIMILARITIES else 0)


def shifts(n: int) -> list[float]:
    """Factors of positions that put n lines side by side, so that no interval hides another: 7 % off at most."""
    step = min(0.05, 0.2 / max(1, n - 1))
    return [2 ** (step * (number - (n - 1) / 2)) for number in range(n)]


def draw_means(axes: Axes, points: Sequence[tuple[int, SeedMean]], shift: float, **style: Any) -> None:
    """Means with their intervals over a size."""
    sizes, means = [size * shift for size, _ in points], [point for _, point in points]
    axes.errorbar(sizes, [m.mean for m in means], [m.half_width for m in means], zorder=3, **style)


def seeds_title(num_seeds: Sequence[int]) -> str:
    if max(num_seeds) < 2:
        return "one seed, no interval"
    return f"mean and 95 % t-interval over {range_text(num_seeds)} seeds"


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


def metric_panels() -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel for each of COLUMNS over embedding_dim."""
    figure = new_figure()
    for axes in (panels := figure.subplots(2, 2))[1]:
        axes.set_xlabel("embedding_dim")
    return figure, dict(zip(COLUMNS, panels.flat, strict=True))


def add_title(figure: Figure, text: str) -> None:
    figure.suptitle(text, x=0.01, ha="left")


def complete(figure: Figure, title: str, legend: Sequence[str], note: str = "") -> Figure:
    """With its title, one entry per label of all panels, those of `legend` before the others, and a line below them."""
    add_title(figure, title)
    entries: dict = {}
    for axes in figure.axes:
        entries |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = sorted(entries, key=lambda label: legend.index(label) if label in legend else len(legend))
    handles = [entries[label] for label in labels]
    figure.legend(handles, labels, loc="outside right center", frameon=False, labelspacing=0.8)
    if note:
        figure.supxlabel(note, x=0.01, ha="left", fontsize=14, color="#404040")
    return figure


def _show_dollars(figure: Figure) -> None:
    """Text as it is: between two $ of a name matplotlib would read a formula, as it does in the ticks that it makes."""
    axes = [axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis)]
    ticks = {id(label) for axis in axes for which in ("major", "minor") for label in axis.get_ticklabels(which=which)}
    for text in figure.findobj(Text):
        text.set_parse_math(id(text) in ticks)


def render(draw: Callable[[], Figure | None]) -> dict[str, bytes]:
    """The files ".png" and ".svg" of what is drawn in the house style; the same figure gives the same bytes."""
    files: dict[str, bytes] = {}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever a matplotlibrc of the user's says
        matplotlib.rcParams.update(STYLE)
        figure = draw()
        if figure:
            _show_dollars(figure)
        for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})) if figure else ():
            file = io.BytesIO()
            figure.savefig(file, format=suffix[1:], dpi=150, metadata=metadata)
            files[suffix] = file.getvalue()
    return files
