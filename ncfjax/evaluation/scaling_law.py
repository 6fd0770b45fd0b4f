"""A scaling law: how far a network stays behind what it learns, by its width and its pairs per parameter.

    gap = a * m^-alpha + b * (parameters / pairs)^beta

m is the width multiplier of the network's layers, pairs are those that it is trained on. The first part is an empirical
floor of each width within the sizes that were fitted, the second what has not been learned from so many. The four
numbers are fitted by least squares to the logarithms of the gaps; their 95 % intervals are percentiles of fits to cells
drawn anew with replacement, as if misfits were independent.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

NAMES = ("a", "alpha", "b", "beta")
_START = (0.05, 2.0, 0.3, 0.7)
_NUM_REPLICATES = 400


class Cells(NamedTuple):
    """Sizes of some networks, and their gaps."""

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

    def misfit(self, cells: Cells) -> Float[np.ndarray, " cells"]:
        """log(predicted / measured)."""
        return np.log(predict(self.values, cells) / cells.gap)


def predict(values: Float[np.ndarray, " 4"], cells: Cells) -> Float[np.ndarray, " cells"]:
    """The gaps that the law gives."""
    a, alpha, b, beta = values
    return a * cells.multiplier**-alpha + b * (cells.parameters / cells.pairs) ** beta


def _fit(cells: Cells) -> Float[np.ndarray, " 4"]:
    """On the logarithms of the numbers too, which keeps them positive."""

    def off(logarithms):
        return np.log(predict(np.exp(logarithms), cells)) - np.log(cells.gap)

    return np.exp(least_squares(off, np.log(_START), bounds=(-12.0, 4.0)).x)


def fit(cells: Cells, seed: int = 0) -> Law:
    """The law of some cells; `seed` is of the draws of its intervals."""
    rng, number, values = np.random.default_rng(seed), len(cells.gap), _fit(cells)
    replicates = [_fit(cells.take(rng.integers(number, size=number))) for _ in range(_NUM_REPLICATES)]
    law = Law(values, *np.quantile(replicates, (0.025, 0.975), axis=0), np.nan, number)
    return law._replace(residual=float(np.sqrt(np.mean(law.misfit(cells) ** 2))))
