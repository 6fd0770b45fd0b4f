"""How near corrected estimators come to the full metrics, from the sampled ranks alone (Krichene and Rendle, KDD 2020).

Each estimate is the mean over a method's runs; evaluation/estimators.py holds the formulas.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer

from experiments.analysis.methods import BASELINES, Method
from ncfjax.evaluation.columns import COLUMNS, SAMPLED, Column, K
from ncfjax.evaluation.estimators import (
    CorrectedEstimate,
    Correction,
    EstimatorErrors,
    bias_variance,
    corrected_values,
    estimator_errors,
    naive,
    over_users,
    unbiased_rank,
)

_NUM_SAMPLED = 99
UNSTABLE = "least squares, γ = 0"  # of 6,040 users, its standard error is hundreds of times the metric
CORRECTIONS: dict[str, Correction] = {"none": naive, "unbiased rank": unbiased_rank} | {
    name: partial(bias_variance, tradeoff=tradeoff, replacement=False)
    for name, tradeoff in ((UNSTABLE, 0.0), ("γ = 0.001", 0.001), ("γ = 0.01", 0.01), ("γ = 0.1", 0.1))
}


class Corrected(NamedTuple):
    """One method, one metric."""

    method: str
    exact: float
    estimates: dict[str, CorrectedEstimate]  # correction -> mean over runs and users


def _num_others(methods: Sequence[Method]) -> Integer[np.ndarray, " users"]:
    """Items that the full catalogue ranks against, per user; kept beside the ranks of every baseline."""
    for method in methods:
        if method.store.folder.name == BASELINES and len(method):
            return method.ranks("num_others")[0].astype(np.int64)
    raise ValueError(f"expected a row in {BASELINES}, got none")


def corrected(methods: Sequence[Method]) -> dict[str, list[Corrected]]:
    """Metric -> every method by it.

    Raises:
        ValueError: no row of a baseline, or ranks of other users than its.
    """
    shown, num_others = [COLUMNS[name] for name in SAMPLED], _num_others(methods)
    return {column.name: [_corrected(method, num_others, column) for method in methods] for column in shown}


def _corrected(method: Method, num_others: Integer[np.ndarray, " users"], column: Column) -> Corrected:
    sampled = method.ranks("sampled").astype(np.int64)
    values = {
        name: corrected_values(sampled, num_others, _NUM_SAMPLED, column.metric, K, correction).mean(axis=0)
        for name, correction in CORRECTIONS.items()
    }
    exact = float(np.mean(column.of_ranks(method.ranks("full"))))
    return Corrected(method.name, exact, {name: over_users(users) for name, users in values.items()})


def errors(methods: Sequence[Corrected], correction: str) -> EstimatorErrors:
    """Over all methods."""
    exact = np.array([method.exact for method in methods])
    return estimator_errors(exact, [method.estimates[correction] for method in methods])
