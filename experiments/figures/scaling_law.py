"""The scaling law of Figure 3 (analysis/scaling_law.py): its numbers, and how they fit our cells and the paper's."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.published import figure3
from experiments.analysis.scaling_law import FittedLaw
from experiments.figures import panels
from experiments.figures.markdown import table
from ncfjax.evaluation.scaling_law import NAMES, Cells, Law, predict

_HEAD_LAW = "| | fitted | 95 % interval |"
_HEAD_PREDICTED = "| cells of the paper | number | mean of log(predicted / paper) | its root mean square | largest |"


def law_table(fitted: FittedLaw) -> str:
    """The law's numbers, and how it predicts the paper."""
    law = fitted.law
    numbers = [
        [name, f"{value:.3f}", f"[{low:.3f}, {high:.3f}]"]
        for name, value, low, high in zip(NAMES, law.values, law.low, law.high, strict=True)
    ]
    predicted = []
    for name, cells in (("also ours", fitted.repeated), ("not ours", fitted.predicted)):
        if len(cells.gap):
            off = law.misfit(cells)
            summary = (off.mean(), np.sqrt(np.mean(off**2)), off[np.argmax(np.abs(off))])
            predicted.append([name, str(len(off)), *(f"{x:+.2f}" for x in summary)])
    fitted_to = f"Fitted to {law.num_cells} cells, root mean square of log(predicted / ours) {law.residual:.2f}."
    return "\n\n".join([table(_HEAD_LAW, numbers), fitted_to, table(_HEAD_PREDICTED, predicted)])


def _draw_predictions(axes: Axes, law: Law, ours: Cells, paper: Cells) -> None:
    for number, multiplier in enumerate(figure3().gaps):
        style = panels.line_style(number) | {"ls": "none"}
        for cells, name, face in (
            (ours, "ours, fitted", panels.COLOURS[number]),
            (paper, "paper, not fitted", "white"),
        ):
            shown = cells.take(cells.multiplier == multiplier)
            axes.plot(predict(law.values, shown), shown.gap, **style, mfc=face, label=f"m = {multiplier}, {name}")
    ends = [0.8 * min(ours.gap.min(), *paper.gap), 1.25 * ours.gap.max()]
    axes.plot(ends, ends, color="#404040", lw=1, zorder=1, label="law = measured")
    axes.set_yscale("log")


def _draw_law(axes: Axes, law: Law, ours: Cells, paper: Cells) -> None:
    ratios = np.concatenate([cells.pairs / cells.parameters for cells in (ours, paper)])
    grid = np.geomspace(ratios.min(), ratios.max(), 100)
    for number, multiplier in enumerate(figure3().gaps):
        curve = Cells(np.full(100, float(multiplier)), np.ones(100), grid, grid)
        axes.plot(grid, predict(law.values, curve), color=panels.COLOURS[number], label=f"law, m = {multiplier}")
        for cells, face in ((ours, panels.COLOURS[number]), (paper, "white")):
            shown = cells.take(cells.multiplier == multiplier)
            axes.plot(shown.pairs / shown.parameters, shown.gap, **panels.line_style(number) | {"ls": "none"}, mfc=face)
    axes.axhline(0.01, color="#404040", linestyle="-.", lw=1, zorder=1, label="0.01 very significant")
    axes.set_yscale("log")


def draw(fitted: FittedLaw) -> Figure:
    """What the law gives against what was measured, and the law against pairs per parameter."""
    law, ours, paper = fitted.law, fitted.ours, fitted.predicted
    figure = panels.new_figure()
    left, right = figure.subplots(1, 2)
    _draw_predictions(left, law, ours, paper)
    _draw_law(right, law, ours, paper)
    panels.finish(
        left, "Gap on fresh vectors against the law", [0.005, 0.01, 0.02, 0.05, 0.1, 0.2], str, has_scale=True
    )
    panels.finish(right, "Gap against pairs per parameter", [3, 10, 30, 100, 300, 1000, 3000], str, has_scale=True)
    left.set_xlabel("predicted gap, RMSE")
    left.set_ylabel("measured gap, RMSE")
    right.set_xlabel("pairs trained on / parameters")
    a, alpha, b, beta = law.values
    equation = f"gap = {a:.3f} m^-{alpha:.2f} + {b:.2f} (parameters / pairs)^{beta:.2f}"
    labels = [f"m = {m}, {name}" for m in figure3().gaps for name in ("ours, fitted", "paper, not fitted")]
    return panels.complete(figure, f"A scaling law of learning a dot product: {equation}", labels)
