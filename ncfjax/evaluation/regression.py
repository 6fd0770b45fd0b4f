"""How far predicted ratings are from those that were given.

    RMSE = sqrt(mean (y' - y)^2)      MAE = mean |y' - y|      star accuracy = share of y' that round to y

of all test ratings alike: a user with many counts more. Where predictions are to be on the scale, clip them before.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ncfjax.data.ratings import Scale


def rmse(predictions: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> float:
    """NaN where there is nothing to predict, or a prediction is NaN; so are the others."""
    return float(np.sqrt(_mean(_errors(predictions, values) ** 2)))


def mae(predictions: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> float:
    return _mean(np.abs(_errors(predictions, values)))


def star_accuracy(predictions: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], scale: Scale) -> float:
    """Share of predictions whose nearest value of the scale is the one that was given."""
    hits = np.abs(scale.rounded(np.asarray(predictions, np.float64)) - values) < 1e-4
    return _mean(np.where(np.isnan(predictions), np.nan, hits))


class RowErrors(NamedTuple):
    """Sums over each user's, or item's, test ratings: models are compared by user, and groups of users added up."""

    squared: Float[np.ndarray, " rows"]
    absolute: Float[np.ndarray, " rows"]
    counts: Int[np.ndarray, " rows"]


def errors_by_row(
    rows: Int[np.ndarray, " n"], predictions: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], num_rows: int
) -> RowErrors:
    """Of every user or, with their items as `rows`, of every item; zero where one has no test rating."""
    errors = _errors(predictions, values)
    squared, absolute = (np.bincount(rows, error, num_rows) for error in (errors**2, np.abs(errors)))
    return RowErrors(squared, absolute, np.bincount(rows, minlength=num_rows))


def _errors(predictions: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """In double precision: a mean of a million float32 squares loses its sixth digit."""
    return np.asarray(predictions, np.float64) - np.asarray(values, np.float64)


def _mean(values: Float[np.ndarray, " n"]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
