"""The study's headline table with error bars: simple methods, the dot product and the learned similarities.

over seeds   half the 95 % t-interval of the mean over runs; a method without a seed has none
over users   half the 95 % interval of the mean over the users: what another draw of users would change
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.methods import Method
from experiments.figures import panels
from experiments.figures.markdown import mean_text, published_cells, table
from ncfjax.evaluation.columns import COLUMNS, SAMPLED, K

HEAD = (
    "| method | HR@10 paper | ours | over users | difference | NDCG@10 paper | ours | over users | difference "
    "| full HR@10 | full NDCG@10 | seeds |"
)
SOURCES = "| method | hyperparameters | source of the published numbers | command |"
# What a name begins with -> its colour: simple methods, dot products of learned vectors, learned similarities.
_KINDS = {"iALS": 0, "MF": 0, "GMF": 1, "MLP": 1, "NeuMF": 1}
_LABELS = ("dot product of learned vectors", "learned similarity", "neighbours, popularity")


def tables(methods: Sequence[Method]) -> str:
    """A row per method, one that was not run says why; then how each was chosen and how it is run."""
    return f"{headline_table(methods)}\n\n{sources_table(methods)}"


def headline_table(methods: Sequence[Method]) -> str:
    return table(HEAD, map(_cells, methods))


def sources_table(methods: Sequence[Method]) -> str:
    rows = [(method.name, method.declared) for method in methods]
    commands = [f"`{row.command}`" if row.command else None for _, row in rows]
    cells = [[name, row.hyperparameters, row.published.source] for name, row in rows]
    return table(SOURCES, [[*texts, command] for texts, command in zip(cells, commands, strict=True)])


def _cells(method: Method) -> list[object]:
    cells, published = [method.name], method.declared.published
    for column in SAMPLED:
        paper, ours, difference = published_cells(published.values.get(column), method.mean(column), published.digits)
        if len(method):
            cells += [paper, ours, f"± {method.half_width_over_users(column):.4f}", difference]
        else:
            why = "not run yet" if method.declared.study else "not run here"
            cells += [paper, why if column == SAMPLED[0] else None, None, None]
    if not len(method):
        return [*cells, None, None, None]
    full = [mean_text(method.mean(column)) for column in COLUMNS if column not in SAMPLED]
    return [*cells, *full, len(method) if method.rows["seed"].notna().all() else None]


def draw(methods: Sequence[Method]) -> Figure:
    """Each metric from the sampled protocol (left) to the full catalogue (right): methods that cross change places.

    Places are by the mean over runs, which stands beside the name.
    """
    figure, run = panels.new_figure(), [method for method in methods if len(method)]
    pairs = [[name for name, column in COLUMNS.items() if column.name == metric] for metric in (f"HR@{K}", f"NDCG@{K}")]
    for axes, columns in zip(figure.subplots(1, 2), pairs, strict=True):
        _draw_metric(axes, run, columns)
    handles = [
        figure.axes[0].plot([], [], "o-", color=panels.COLOURS[n], label=label)[0] for n, label in enumerate(_LABELS)
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3, frameon=False)
    panels.add_title(figure, "MovieLens-1M: the order of the methods under both protocols")
    return figure


def _draw_metric(axes: Axes, methods: Sequence[Method], columns: Sequence[str]) -> None:
    means = [np.array([method.mean(column).mean for method in methods]) for column in columns]
    places = [np.argsort(np.argsort(-values, kind="stable")) for values in means]
    for number, method in enumerate(methods):
        (left, right), ends = (values[number] for values in means), [place[number] for place in places]
        axes.plot([0, 1], ends, "o-", color=panels.COLOURS[_KINDS.get(method.name.split()[0], 2)], lw=2)
        axes.text(-0.1, ends[0], f"{method.name}  {left:.4f}", ha="right", va="center", fontsize=12)
        axes.text(1.1, ends[1], f"{right:.4f}  {method.name}", ha="left", va="center", fontsize=12)
    name = COLUMNS[columns[0]].name
    axes.text(-0.1, -1, f"{name}, 1 + 99 sampled", ha="right", va="center", fontsize=13, weight="bold")
    axes.text(1.1, -1, f"{name}, full catalogue", ha="left", va="center", fontsize=13, weight="bold")
    axes.set_xlim(-2.3, 3.3)  # a name needs about twice the room of the lines
    axes.set_ylim(len(methods) - 0.5, -1.5)
    axes.set_axis_off()
