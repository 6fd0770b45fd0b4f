"""What is measured of a block of runs while it trains, and what of it goes into a run's row and curve."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class Evaluation(NamedTuple):
    """A block after some epochs."""

    epoch: int
    values: Mapping[str, Float[np.ndarray, " members"]]  # metric -> value
    diverged: Bool[np.ndarray, " members"]
    measured: Any  # what the program's `evaluate` gave; None where it is not kept


def metrics_at(evaluation: Evaluation, member: int) -> dict[str, float]:
    return {name: float(values[member]) for name, values in evaluation.values.items()}


def before_divergence(evaluations: Sequence[Evaluation], member: int) -> list[Evaluation]:
    """Those before a run diverged."""
    return [evaluation for evaluation in evaluations if not evaluation.diverged[member]]


def curve_of(evaluations: Sequence[Evaluation], member: int, metrics: Sequence[str] | None = None) -> list[dict]:
    """Rows of curves.csv of one run: of some metrics, or of all."""
    return [
        {"epoch": evaluation.epoch, "metric": name, "value": value}
        for evaluation in before_divergence(evaluations, member)
        for name, value in metrics_at(evaluation, member).items()
        if metrics is None or name in metrics
    ]
