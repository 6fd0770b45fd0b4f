"""How near corrected estimators come to the full metrics, from the sampled ranks alone (Krichene and Rendle, KDD 2020).

    error = estimate from the 99 sampled candidates - the exact metric in the full catalogue

Each is the mean over a method's runs. Kendall's tau compares the order of the methods by an estimate with that by the
exact metric. evaluation/estimators.py holds the formulas.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer
from scipy import stats

from experiments.columns import K
from experiments.comparison import markdown, signed
from experiments.methods import Method
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

NUM_SAMPLED = 99
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


class Estimated(NamedTuple):
    """One method, one metric."""

    method: str
    exact: float
    estimates: dict[str, CorrectedEstimate]  # correction -> mean over runs and users


def estimated(methods: Sequence[Method], num_others: Integer[np.ndarray, " users"], metric: str) -> list[Estimated]:
    """Every method by one of METRICS.

    Raises:
        ValueError: ranks of other users than `num_others`.
    """
    return [_estimated(of, num_others, METRICS[metric]) for of in methods]


def _estimated(of: Method, num_others: Integer[np.ndarray, " users"], metric: Metric) -> Estimated:
    runs = [of.store.ranks(run_id) for run_id in of.run_ids]
    sampled = np.stack([ranks["sampled"] for ranks in runs]).astype(np.int64)
    values = {
        name: corrected_values(sampled, num_others, NUM_SAMPLED, metric, K, correction).mean(axis=0)
        for name, correction in CORRECTIONS.items()
    }
    exact = float(np.mean([metric(ranks["full"], K) for ranks in runs]))
    return Estimated(of.name, exact, {name: over_users(of_users) for name, of_users in values.items()})


def table(found: Mapping[str, Sequence[Estimated]]) -> str:
    """Per metric and method the exact value and every estimate that lies near it, with its error."""
    head = f"| full | method | exact | {' | '.join(name for name in CORRECTIONS if name != UNSTABLE)} |"
    return markdown(head, [_cells(metric, of) for metric, methods in found.items() for of in methods])


def _cells(metric: str, of: Estimated) -> list[str]:
    near = [float(found.mean) for name, found in of.estimates.items() if name != UNSTABLE]
    estimates = [f"{value:.4f} ({signed(value - of.exact)})" for value in near]
    return [metric, of.method, f"{of.exact:.4f}", *estimates]


def errors_table(found: Mapping[str, Sequence[Estimated]]) -> str:
    """Per metric and correction: root mean square and mean of the errors over methods, and the order that it gives."""
    table = []
    for metric, methods in found.items():
        exact = np.array([of.exact for of in methods])
        for name in CORRECTIONS:
            estimates = np.array([of.estimates[name].mean for of in methods])
            errors = estimates - exact
            deviation = np.mean([of.estimates[name].standard_error for of in methods])
            tau = stats.kendalltau(exact, estimates).statistic
            size = np.sqrt((errors**2).mean())
            table.append([metric, name, f"{size:.4f}", signed(errors.mean()), f"{deviation:.4f}", f"{tau:.3f}"])
    head = "| full | correction | error, root mean square | mean | standard error over users | Kendall's tau |"
    return markdown(head, table)
