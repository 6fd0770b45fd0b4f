"""A scaling law of Figure 3: how the gap to the dot product falls with the network's width and pairs per parameter.

    gap = a * m^-alpha + b * (parameters / pairs)^beta

m is the width multiplier of the study's layers, pairs are those that are trained on. The first part is an
empirical floor of each width within the sizes that were fitted, the second what has not been learned from so many. The
four numbers are fitted by least squares to the logarithms of the mean gaps on fresh vectors of our own cells of the
study's setup; their 95 % intervals are percentiles of fits to cells drawn anew with replacement, as if misfits were
independent. Cells of the paper that were not fitted are predicted, and say how far the law carries.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import least_squares

from experiments.comparison import markdown
from experiments.figure3 import MULTIPLIERS, SETUP
from experiments.imitate_config import study_layers
from experiments.panels import COLOURS, MARKERS, add_legend, finish, save, slide
from experiments.paper import FIGURE3
from ncfjax.data.dot_pairs import DotPairOptions
from ncfjax.store import Store
from ncfjax.training.imitation import ImitationSpec
from ncfjax.training.imitation_problem import num_parameters
from ncfjax.training.imitation_task import dot_source

NAMES = ("a", "alpha", "b", "beta")
START = (0.05, 2.0, 0.3, 0.7)
NUM_REPLICATES = 400
HEAD_LAW = "| | fitted | 95 % interval |"
HEAD_PREDICTED = "| cells of the paper | number | mean of log(predicted / paper) | its root mean square | largest |"


# (width_multiplier, embedding_dim, num_users) -> one gap per seed
Gaps = dict[tuple[int, int, int], Float[np.ndarray, " seeds"]]


class Cells(NamedTuple):
    """Sizes of some cells, and their gaps."""

    multiplier: Float[np.ndarray, " cells"]
    parameters: Float[np.ndarray, " cells"]
    pairs: Float[np.ndarray, " cells"]
    gap: Float[np.ndarray, " cells"]

    def take(self, index: np.ndarray) -> "Cells":
        return Cells(*(values[index] for values in self))


class Law(NamedTuple):
    """The numbers of the law, with their intervals, and how far it is off the cells that it was fitted to."""

    values: Float[np.ndarray, " 4"]
    low: Float[np.ndarray, " 4"]
    high: Float[np.ndarray, " 4"]
    residual: float  # root mean square of log(predicted / measured)
    num_cells: int


def predict(values: Float[np.ndarray, " 4"], cells: Cells) -> Float[np.ndarray, " cells"]:
    """The gaps that the law gives."""
    a, alpha, b, beta = values
    return a * cells.multiplier**-alpha + b * (cells.parameters / cells.pairs) ** beta


@cache
def _parameters(embedding_dim: int, multiplier: int) -> int:
    """Of the study's network."""
    layers = tuple(study_layers(embedding_dim, multiplier))
    return num_parameters(ImitationSpec(embedding_dim, layers, SETUP["batch_size"], SETUP["num_epochs"]))


def _pairs(embedding_dim: int, num_users: int) -> int:
    """That the study trains on."""
    return dot_source(DotPairOptions(num_users, embedding_dim, SETUP["pairs_per_user"])).sizes.num_train


def cell_gaps(runs: pd.DataFrame) -> Gaps:
    """The gaps on fresh vectors of the study's setup; those below zero are left out.

    Raises:
        ValueError: fewer than 8 cells, which is too few to fit four numbers.
    """
    sound = runs[(runs["target"] == "dot") & (runs["status"] == "completed") & runs["width_multiplier"].notna()]
    for name, of_study in SETUP.items():
        sound = sound[sound[name] == of_study]
    gaps = sound["rmse_fresh"] - sound["rmse_dot_fresh"]
    groups = gaps[gaps > 0].groupby([sound[n] for n in ("width_multiplier", "embedding_dim", "num_users")])
    found = {tuple(map(int, key)): of.to_numpy(float) for key, of in groups}
    if len(found) < 8:
        raise ValueError(f"expected at least 8 cells of the study's setup, got {len(found)}")
    return found


def sizes(keys: list[tuple[int, int, int]], gaps: Float[np.ndarray, " cells"]) -> Cells:
    multipliers, parameters, pairs = zip(
        *((m, _parameters(dim, m), _pairs(dim, users)) for m, dim, users in keys), strict=True
    )
    return Cells(*(np.asarray(values, float) for values in (multipliers, parameters, pairs)), gaps)


def _fit(cells: Cells) -> Float[np.ndarray, " 4"]:
    """On the logarithms of the numbers too, which keeps them positive."""

    def off(logarithms):
        return np.log(predict(np.exp(logarithms), cells)) - np.log(cells.gap)

    return np.exp(least_squares(off, np.log(START), bounds=(-12.0, 4.0)).x)


def fit(found: Gaps, seed: int = 0) -> Law:
    """The law of some cells; `seed` is of the draws of its intervals."""
    keys, rng = list(found), np.random.default_rng(seed)
    cells = sizes(keys, np.asarray([found[key].mean() for key in keys]))
    values = _fit(cells)
    replicates = []
    for _ in range(NUM_REPLICATES):
        replicates.append(_fit(cells.take(rng.integers(len(keys), size=len(keys)))))
    low, high = np.quantile(replicates, (0.025, 0.975), axis=0)
    residual = float(np.sqrt(np.mean(np.log(predict(values, cells) / cells.gap) ** 2)))
    return Law(values, low, high, residual, len(keys))


def paper_cells(found: Gaps, *, fitted: bool) -> Cells:
    """The paper's points of the cells that are, or are not, among ours."""
    points = {(m, dim, users): gap for (m, dim), curve in FIGURE3.items() for users, gap in curve.items()}
    points = {key: gap for key, gap in points.items() if (key in found) == fitted}
    return sizes(list(points), np.asarray(list(points.values()), float)) if points else Cells(*[np.empty(0)] * 4)


def table(law: Law, found: Gaps) -> str:
    """The law's numbers, and how it predicts the paper, in Markdown."""
    numbers = [
        [name, f"{value:.3f}", f"[{low:.3f}, {high:.3f}]"]
        for name, value, low, high in zip(NAMES, law.values, law.low, law.high, strict=True)
    ]
    predicted = []
    for name, fitted in (("also ours", True), ("not ours", False)):
        cells = paper_cells(found, fitted=fitted)
        if len(cells.gap):
            off = np.log(predict(law.values, cells) / cells.gap)
            numbers_of = (off.mean(), np.sqrt(np.mean(off**2)), off[np.argmax(np.abs(off))])
            predicted.append([name, str(len(off)), *(f"{x:+.2f}" for x in numbers_of)])
    fitted_to = f"Fitted to {law.num_cells} cells, root mean square of log(predicted / ours) {law.residual:.2f}."
    return "\n\n".join([markdown(HEAD_LAW, numbers), fitted_to, markdown(HEAD_PREDICTED, predicted)])


def _draw_predictions(axes: Axes, law: Law, ours: Cells, paper: Cells) -> None:
    for number, multiplier in enumerate(MULTIPLIERS):
        style = {"color": COLOURS[number], "marker": MARKERS[number], "ls": "none"}
        for cells, name, face in ((ours, "ours, fitted", COLOURS[number]), (paper, "paper, not fitted", "white")):
            own = cells.take(cells.multiplier == multiplier)
            axes.plot(predict(law.values, own), own.gap, **style, mfc=face, label=f"m = {multiplier}, {name}")
    ends = [0.8 * min(ours.gap.min(), *paper.gap), 1.25 * ours.gap.max()]
    axes.plot(ends, ends, color="#404040", lw=1, zorder=1, label="law = measured")
    axes.set_yscale("log")


def _draw_law(axes: Axes, law: Law, ours: Cells, paper: Cells) -> None:
    ratios = np.concatenate([cells.pairs / cells.parameters for cells in (ours, paper)])
    grid = np.geomspace(ratios.min(), ratios.max(), 100)
    for number, multiplier in enumerate(MULTIPLIERS):
        curve = Cells(np.full(100, float(multiplier)), np.ones(100), grid, grid)
        axes.plot(grid, predict(law.values, curve), color=COLOURS[number], label=f"law, m = {multiplier}")
        style = {"color": COLOURS[number], "marker": MARKERS[number], "ls": "none"}
        for cells, face in ((ours, COLOURS[number]), (paper, "white")):
            own = cells.take(cells.multiplier == multiplier)
            axes.plot(own.pairs / own.parameters, own.gap, **style, mfc=face)
    axes.axhline(0.01, color="#404040", linestyle="-.", lw=1, zorder=1, label="0.01 very significant")
    axes.set_yscale("log")


def draw(law: Law, found: Gaps) -> Figure:
    """What the law gives against what was measured, and the law against pairs per parameter."""
    ours = sizes(list(found), np.asarray([gaps.mean() for gaps in found.values()]))
    paper = paper_cells(found, fitted=False)
    figure = slide()
    left, right = figure.subplots(1, 2)
    _draw_predictions(left, law, ours, paper)
    _draw_law(right, law, ours, paper)
    finish(left, "Gap on fresh vectors against the law", [0.005, 0.01, 0.02, 0.05, 0.1, 0.2], str, has_scale=True)
    finish(right, "Gap against pairs per parameter", [3, 10, 30, 100, 300, 1000, 3000], str, has_scale=True)
    left.set_xlabel("predicted gap, RMSE")
    left.set_ylabel("measured gap, RMSE")
    right.set_xlabel("pairs trained on / parameters")
    a, alpha, b, beta = law.values
    equation = f"gap = {a:.3f} m^-{alpha:.2f} + {b:.2f} (parameters / pairs)^{beta:.2f}"
    figure.suptitle(f"A scaling law of learning a dot product: {equation}", x=0.01, ha="left")
    add_legend(figure, [f"m = {m}, {name}" for m in MULTIPLIERS for name in ("ours, fitted", "paper, not fitted")])
    return figure


def scaling(store: Store, folder: Path) -> tuple[str, list[Path]]:
    """The fit in Markdown, and scaling.png and .svg.

    Raises:
        ValueError: too few cells to fit.
        OSError, StoreError: files that cannot be read or written.
    """
    found = cell_gaps(store.runs())
    law = fit(found)
    return table(law, found), save(folder / "scaling", lambda: draw(law, found))
