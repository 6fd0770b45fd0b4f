"""A scaling law of Figure 3: how the gap to the dot product falls with the network's width and pairs per parameter.

    gap = a * m^-alpha + b * (parameters / pairs)^beta

m is the width multiplier of the study's layers, pairs are those that are trained on. The first part is an
empirical floor of each width within the sizes that were fitted, the second what has not been learned from so many. The
four numbers are fitted by least squares to the logarithms of the mean gaps on fresh vectors of our cells of the
study's setup; their 95 % intervals are percentiles of fits to cells drawn anew with replacement, as if misfits were
independent. Cells of the paper that were not fitted are predicted, and say how far the law carries.
"""

import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import least_squares

from experiments.analysis.figure3 import SETUP, SIZE
from experiments.analysis.published import FIGURE3
from ncfjax.models.imitator_keys import study_layers

NAMES = ("a", "alpha", "b", "beta")
_START = (0.05, 2.0, 0.3, 0.7)
_NUM_REPLICATES = 400

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


def _parameters(embedding_dim: int, multiplier: int) -> int:
    """Of the study's network: a kernel and biases between each two widths."""
    widths = [2 * embedding_dim, *study_layers(embedding_dim, multiplier), 1]
    return sum((before + 1) * width for before, width in itertools.pairwise(widths))


def study_gaps(runs: pd.DataFrame) -> Gaps:
    """The gaps on fresh vectors of the study's setup; those below zero are left out.

    Raises:
        ValueError: fewer than 8 cells, which is too few to fit four numbers.
    """
    sound = runs[(runs["target"] == "dot") & (runs["status"] == "completed") & runs["width_multiplier"].notna()]
    for name, value in SETUP.items():
        sound = sound[sound[name] == value]
    gaps = sound["rmse_fresh"] - sound["rmse_dot_fresh"]
    groups = gaps[gaps > 0].groupby([sound[name] for name in SIZE])
    by_cell = {tuple(map(int, key)): values.to_numpy(float) for key, values in groups}
    if len(by_cell) < 8:
        raise ValueError(f"expected at least 8 cells of the study's setup, got {len(by_cell)}")
    return by_cell


def cells_of(keys: list[tuple[int, int, int]], gaps: Float[np.ndarray, " cells"]) -> Cells:
    """A tenth of the study's pairs are for the test."""
    parameters = [_parameters(dim, multiplier) for multiplier, dim, _ in keys]
    pairs = [users * SETUP["pairs_per_user"] * 9 // 10 for *_, users in keys]
    return Cells(*(np.asarray(values, float) for values in ([key[0] for key in keys], parameters, pairs, gaps)))


def our_cells(gaps: Gaps) -> Cells:
    return cells_of(list(gaps), np.asarray([values.mean() for values in gaps.values()]))


def paper_cells(gaps: Gaps, *, fitted: bool) -> Cells:
    """The paper's points of the cells that are, or are not, among ours."""
    points = {(m, dim, users): gap for (m, dim), curve in FIGURE3.items() for users, gap in curve.items()}
    points = {key: gap for key, gap in points.items() if (key in gaps) == fitted}
    return cells_of(list(points), np.asarray(list(points.values())))


def _fit(cells: Cells) -> Float[np.ndarray, " 4"]:
    """On the logarithms of the numbers too, which keeps them positive."""

    def off(logarithms):
        return np.log(predict(np.exp(logarithms), cells)) - np.log(cells.gap)

    return np.exp(least_squares(off, np.log(_START), bounds=(-12.0, 4.0)).x)


def fit(gaps: Gaps, seed: int = 0) -> Law:
    """The law of some cells; `seed` is of the draws of its intervals."""
    cells, rng, number = our_cells(gaps), np.random.default_rng(seed), len(gaps)
    values = _fit(cells)
    replicates = [_fit(cells.take(rng.integers(number, size=number))) for _ in range(_NUM_REPLICATES)]
    low, high = np.quantile(replicates, (0.025, 0.975), axis=0)
    residual = float(np.sqrt(np.mean(np.log(predict(values, cells) / cells.gap) ** 2)))
    return Law(values, low, high, residual, number)
