"""What sampled ranks say of the full ones: the corrected metrics of Krichene and Rendle (KDD 2020, CACM 2022).

A user's held-out item has the zero-based rank r among n others and s among m of these, drawn uniformly. With f a metric
of one rank, a correction g is a value for every s, and the estimate is the mean of g over the users' sampled ranks.

    P(s | r)           Binomial(m, r / n) with replacement, Hypergeometric(n, r, m) without
    naive              g(s) = f(s)
    unbiased rank      g(s) = f(n s / m), as E[s | r] = m r / n
    bias and variance  g minimises sum_r p(r) ((E[g | r] - f(r))^2 + tradeoff Var[g | r])
                       g = ((1 - tradeoff) A'DA + tradeoff C)^-1 A'D f,  A = P(s | r), D = diag p, C = diag A'p

The paper draws with replacement; the 99 negatives of He et al. are distinct, so both are here. 156 of their rows for
MovieLens-1M list the positive and so rank it among 98: no account is taken of that. No estimate recovers what the
samples do not hold: m = 99 tells few of the first ten ranks among thousands apart.

DOI 10.1145/3394486.3403226 and 10.1145/3535335.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Integer
from numpy.lib.stride_tricks import sliding_window_view
from scipy import special, stats

from ncfjax.evaluation.metrics import Metric

Correction = Callable[[Metric, int, int, int], np.ndarray]  # of metric, k, num_others, num_sampled: g of every s
Prior = Callable[[np.ndarray], np.ndarray]  # of all ranks in ascending order: their weights, of any sum

_NUM_SPECTRA = 1024  # as many lengths of history are kept: 80 MB of them with 99 negatives
# The eigenvalues lie in [0, 1] and are exact to 1e-16 or so; below this they are taken for zero.
_SMALLEST_EIGENVALUE = 1e-12


class CorrectedEstimate(NamedTuple):
    """Of the full metric, with the standard error over users and their negatives; it does not know of the bias."""

    mean: float | Float[np.ndarray, "*members"]
    standard_error: float | Float[np.ndarray, "*members"]


class EstimatorErrors(NamedTuple):
    """Of one correction over several models, by one metric: estimate less exact."""

    root_mean_square: float
    mean: float
    standard_error: float  # over users, mean over models
    kendall: float  # tau of the models' order by the estimates with that by the exact metric


def corrected_values(
    sampled_ranks: Integer[np.ndarray, "..."],
    num_others: Integer[np.ndarray, "..."],
    num_sampled: int,
    metric: Metric,
    k: int,
    correction: Correction,
) -> Float[np.ndarray, "*members users"]:
    """Every user's share in the estimate, which may lie outside [0, 1].

    Args:
        sampled_ranks: int[..., users], zero-based; leading axes (members, seeds) are kept.
        num_others: int[users], items that the held-out one is ranked among in full: num_items - history - 1.
        correction: `naive`, `unbiased_rank`, or `partial(bias_variance, tradeoff=0.1, replacement=False)`.

    Raises:
        ValueError: shapes of other users, a rank outside 0 ... num_sampled, or what the correction refuses.
    """
    if num_others.ndim != 1 or sampled_ranks.shape[-1:] != num_others.shape:
        raise ValueError(
            "ranks: expected int[..., users] and num_others int[users] of the same users, "
            f"got {sampled_ranks.shape} and {num_others.shape}"
        )
    low, high = sampled_ranks.min(initial=0), sampled_ranks.max(initial=0)
    if low < 0 or high > num_sampled:
        raise ValueError(f"sampled ranks: expected 0 to {num_sampled}, got {low} to {high}")
    distinct, group = np.unique(num_others, return_inverse=True)
    table = [correction(metric, k, int(n), num_sampled) for n in distinct]
    return np.reshape(table, (-1, num_sampled + 1))[group, sampled_ranks]  # no users have no table, but a shape


def over_users(values: Float[np.ndarray, "*members users"]) -> CorrectedEstimate:
    """The mean of corrected values, and its standard error.

    Raises:
        ValueError: fewer than two users.
    """
    num_users = values.shape[-1]
    if num_users < 2:
        raise ValueError(f"sampled ranks: expected two or more users, got {num_users}")
    return CorrectedEstimate(values.mean(axis=-1), values.std(axis=-1, ddof=1) / np.sqrt(num_users))


def estimator_errors(exact: Float[np.ndarray, " models"], estimates: Sequence[CorrectedEstimate]) -> EstimatorErrors:
    """How near one correction comes to the exact metrics, and to their order."""
    means, deviations = np.array(estimates, float).T
    off = means - exact
    tau = float(stats.kendalltau(exact, means).statistic)
    return EstimatorErrors(float(np.sqrt((off**2).mean())), float(off.mean()), float(deviations.mean()), tau)


def naive(metric: Metric, k: int, num_others: int, num_sampled: int) -> Float[np.ndarray, " sampled_ranks"]:
    """No correction: the sampled rank as if it were the full one."""
    _check_sizes(num_others, num_sampled)
    return _values(metric, k, num_sampled)


def unbiased_rank(metric: Metric, k: int, num_others: int, num_sampled: int) -> Float[np.ndarray, " sampled_ranks"]:
    """The metric of the unbiased estimate of the rank, itself biased wherever the metric is not linear.

    A metric is of whole ranks; between two of them it is interpolated. While num_others >= k num_sampled this is the
    metric of the first rank for s = 0 and zero for all others, if the metric is zero from rank k on.
    """
    _check_sizes(num_others, num_sampled)
    ranks = num_others * np.arange(num_sampled + 1) / num_sampled
    return np.interp(ranks, np.arange(num_others + 1), _values(metric, k, num_others))


def uniform(ranks: Int[np.ndarray, " ranks"]) -> Float[np.ndarray, " ranks"]:
    """The prior of the paper: all ranks alike."""
    return np.ones(len(ranks))


def bias_variance(
    metric: Metric,
    k: int,
    num_others: int,
    num_sampled: int,
    *,
    tradeoff: float,
    replacement: bool,
    prior: Prior = uniform,
) -> Float[np.ndarray, " sampled_ranks"]:
    """The least squared bias plus `tradeoff` times the variance, on average over the prior's ranks.

    tradeoff = 1 is the least squared error, g(s) = E[f(r) | s]; the paper shows 0.1 and 0.01. 0 is the least bias: the
    polynomial E[g | r], of degree m in r, that fits f best. For m = 99 its g swings over orders of magnitude, of no use
    for a few thousand users. Directions of g that reach E[g | r] as little as rounding does are left out:

        h = sqrt(C) g,  h = ((1 - tradeoff) M + tradeoff)^+ C^(-1/2) A'D f,  M = C^(-1/2) A'DA C^(-1/2) in [0, 1]

    Of all g that fit equally well this is the one of least second moment, so of least variance. A sampled rank that
    cannot occur gets zero. The eigenvectors of M are kept: other metrics and tradeoffs come cheaply.

    Raises:
        ValueError: a tradeoff outside [0, 1], sizes below one, more samples than items without replacement, or weights
            that make no prior.
    """
    if not 0 <= tradeoff <= 1:
        raise ValueError(f"tradeoff: expected 0 to 1, got {tradeoff}")
    _check_sizes(num_others, num_sampled, replacement)
    eigenvalues, directions = _spectrum(num_others, num_sampled, replacement, prior)
    values = _values(metric, k, num_others) * _prior_probabilities(prior, num_others)
    end = np.flatnonzero(values).max(initial=0) + 1  # early, of a metric with a cut-off
    targets = _probabilities(int(end), num_others, num_sampled, replacement) @ values[:end]
    scales = (1 - tradeoff) * eigenvalues + tradeoff
    kept = scales > _SMALLEST_EIGENVALUE
    return directions[:, kept] @ (targets @ directions[:, kept] / scales[kept])


@lru_cache(maxsize=_NUM_SPECTRA)
def _spectrum(
    num_others: int, num_sampled: int, replacement: bool, prior: Prior
) -> tuple[Float[np.ndarray, " directions"], Float[np.ndarray, "sampled_ranks directions"]]:
    """Eigenvalues of M, and C^(-1/2) times its eigenvectors: each column is a g with E[g^2] = 1."""
    probabilities = _probabilities(num_others + 1, num_others, num_sampled, replacement)
    weighted = probabilities * _prior_probabilities(prior, num_others)
    marginal = weighted.sum(axis=1)  # c
    scale = np.divide(1.0, np.sqrt(marginal), out=np.zeros_like(marginal), where=marginal > 0)
    eigenvalues, vectors = np.linalg.eigh(scale[:, None] * (weighted @ probabilities.T) * scale)
    return eigenvalues, scale[:, None] * vectors


def sampled_rank_probabilities(
    num_others: int, num_sampled: int, *, replacement: bool
) -> Float[np.ndarray, "ranks sampled_ranks"]:
    """P(s | r) for all r from 0 to num_others and all s from 0 to num_sampled.

    Raises:
        ValueError: sizes below one, or more samples than items without replacement.
    """
    _check_sizes(num_others, num_sampled, replacement)
    return _probabilities(num_others + 1, num_others, num_sampled, replacement).T


def _probabilities(
    num_ranks: int, num_others: int, num_sampled: int, replacement: bool
) -> Float[np.ndarray, "sampled_ranks ranks"]:
    """Of the first ranks: (m choose s) (r)_s (n - r)_(m-s) / (n)_m with (x)_s = x (x - 1) ... (x - s + 1) or x^s.

    By logarithms: scipy's own distributions take ten times as long.
    """
    sampled = np.arange(num_sampled + 1)
    choices = -np.log(num_sampled + 1) - special.betaln(sampled + 1, num_sampled - sampled + 1)
    all_draws = _log_powers(num_others, num_others, num_sampled, replacement)[-1]
    logs = (choices - all_draws)[:, None] + _log_powers(0, num_ranks - 1, num_sampled, replacement)
    logs += _log_powers(num_others - num_ranks + 1, num_others, num_sampled, replacement)[::-1, ::-1]
    return np.exp(logs, out=logs)


def _log_powers(
    first: int, last: int, num_sampled: int, replacement: bool
) -> Float[np.ndarray, "sampled_ranks counts"]:
    """log (x)_s of the counts x from first to last: in how many ways s of x items are drawn in order; log 0 = -inf."""
    sampled = np.arange(num_sampled + 1)
    counts = np.arange(first, last + 1)
    if replacement:
        return special.xlogy(sampled[:, None], counts)
    log_factorials = special.gammaln(np.arange(first - num_sampled, last + 1) + 1)  # inf of what is negative
    return log_factorials[num_sampled:] - sliding_window_view(log_factorials, len(counts))[::-1]


def _prior_probabilities(prior: Prior, num_others: int) -> Float[np.ndarray, " ranks"]:
    """The weights of ranks 0 to num_others, made to sum to one."""
    weights = np.asarray(prior(np.arange(num_others + 1)), dtype=np.float64)
    are_weights = weights.shape == (num_others + 1,) and np.isfinite(weights).all() and (weights >= 0).all()
    if not are_weights or not weights.any():
        raise ValueError(f"prior: expected {num_others + 1} weights, none negative, not all zero, got {weights}")
    return weights / weights.sum()


def _values(metric: Metric, k: int, last: int) -> Float[np.ndarray, " ranks"]:
    """The metric of each rank from 0 to `last` alone."""
    return np.asarray(metric(np.arange(last + 1)[:, None], k), dtype=np.float64)


def _check_sizes(num_others: int, num_sampled: int, replacement: bool = True) -> None:
    if num_others < 1 or num_sampled < 1:
        raise ValueError(f"items: expected one or more others and samples, got {num_others} and {num_sampled}")
    if not replacement and num_sampled > num_others:
        raise ValueError(f"samples: expected at most {num_others} without replacement, got {num_sampled}")
