"""How near corrected estimators come to the full metrics, from the sampled ranks alone (Krichene and Rendle, KDD 2020).

    error = estimate from the 99 sampled candidates - the exact metric in the full catalogue

Each is the mean over a method's runs. Kendall's tau compares the order of the methods by an estimate with that by the
exact metric. evaluation/estimators.py holds the formulas.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer
from scipy import stats

from experiments.analysis.methods import BASELINES, Method
from experiments.analysis.metrics import K
from ncfjax.evaluation.estimators import (
    CorrectedEstimate,
    Correction,
    bias_variance,
    corrected_values,
    naive,
    over_users,
    unbiased_rank,
)
from ncfjax.evaluation.metrics import hit_ratio, ndcg
from ncfjax.evaluation.significance import Metric

_NUM_SAMPLED = 99
METRICS: dict[str, Metric] = {f"HR@{K}": hit_ratio, f"NDCG@{K}": ndcg}


def _traded(tradeoff: float) -> Correction:
    return partial(bias_variance, tradeoff=tradeoff, replacement=False)


UNSTABLE = "least squares, γ = 0"  # of 6,040 users, its standard error is hundreds of times the metric
CORRECTIONS: dict[str, Correction] = {
    "none": naive,
    "unbiased rank": unbiased_rank,
    UNSTABLE: _traded(0.0),
    "γ = 0.001": _traded(0.001),
    "γ = 0.01": _traded(0.01),
    "γ = 0.1": _traded(0.1),
}


class Corrected(NamedTuple):
    """One method, one metric."""

    method: str
    exact: float
    estimates: dict[str, CorrectedEstimate]  # correction -> mean over runs and users


class EstimatorErrors(NamedTuple):
    """Of one correction over all methods, by one metric."""

    root_mean_square: float
    mean: float
    standard_error: float  # over users, mean over methods
    kendall: float


def num_others(methods: Sequence[Method]) -> Integer[np.ndarray, " users"]:
    """Items that the full catalogue ranks against, per user; kept beside the ranks of every baseline.

    Raises:
        ValueError: no row of a baseline.
    """
    for method in methods:
        if method.store.folder.name == BASELINES and len(method.rows):
            return method.store.ranks(method.rows["run_id"].iloc[0])["num_others"].astype(np.int64)
    raise ValueError(f"expected a row in {BASELINES}, got none")


def corrected(methods: Sequence[Method], num_others: Integer[np.ndarray, " users"]) -> dict[str, list[Corrected]]:
    """Every method by each of METRICS.

    Raises:
        ValueError: ranks of other users than `num_others`.
    """
    return {name: [_corrected(method, num_others, metric) for method in methods] for name, metric in METRICS.items()}


def _corrected(method: Method, num_others: Integer[np.ndarray, " users"], metric: Metric) -> Corrected:
    sampled = method.ranks("sampled").astype(np.int64)
    values = {
        name: corrected_values(sampled, num_others, _NUM_SAMPLED, metric, K, correction).mean(axis=0)
        for name, correction in CORRECTIONS.items()
    }
    exact = float(np.mean(metric(method.ranks("full"), K)))
    return Corrected(method.name, exact, {name: over_users(users) for name, users in values.items()})


def errors(methods: Sequence[Corrected], correction: str) -> EstimatorErrors:
    exact = np.array([method.exact for method in methods])
    estimates = np.array([method.estimates[correction].mean for method in methods])
    off = estimates - exact
    deviation = float(np.mean([method.estimates[correction].standard_error for method in methods]))
    tau = float(stats.kendalltau(exact, estimates).statistic)
    return EstimatorErrors(float(np.sqrt((off**2).mean())), float(off.mean()), deviation, tau)
