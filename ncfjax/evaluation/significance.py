"""Is one model better than another? Paired comparisons from the stored ranks of both on the same users.

With x_su the metric of user u in the run of seed s,

    difference  = mean_u d_u,    d_u = mean_s x_su(ours) - mean_s x_su(other)
    effect size = mean(d) / s.d.(d)        Cohen's d_z; more seeds raise it, as they average noise out of d
    p-value     of Wilcoxon's signed-rank test of d; zeros are ranked, then dropped (Pratt, JASA 1959)

Users are paired, seeds are not: a seed means nothing across two models, and their numbers may differ.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import stats

Metric = Callable[[np.ndarray, int], np.ndarray]  # of ranks and k, a mean over the last axis: hit_ratio, ndcg

LEVEL = 0.95
NUM_REPLICATES = 10_000
_DRAWS_AT_ONCE = 500_000  # for as many replicates as that allows: 8 MB


class Comparison(NamedTuple):
    """Ours less the other, with its 95 % interval; users win, lose or tie by the sign of their own difference."""

    difference: float
    low: float
    high: float
    effect_size: float
    p_value: float
    num_users: int
    wins: int
    losses: int
    ties: int


def compare(
    ours: Integer[np.ndarray, "..."], other: Integer[np.ndarray, "..."], metric: Metric, k: int, *, seed: int = 0
) -> Comparison:
    """The difference of two models' mean metrics, and how sure it is.

    The interval is for other users *and* other seeds (`interval` says how far that carries). The p-value and the effect
    size are for other users only: they take the average over these seeds as it is.

    Args:
        ours: int[seeds, users] zero-based ranks.
        other: the same of the other model: the same users in the same order, but any number of seeds.
        metric: `hit_ratio` or `ndcg`.
        seed: of the interval's draws.

    Raises:
        ValueError: ranks that are not int[seeds, users] of the same users, without a seed, or of fewer than two users.
    """
    are_ranks = ours.ndim == other.ndim == 2 and ours.shape[1] == other.shape[1]
    if not are_ranks or ours.shape[1] < 2 or min(len(ours), len(other)) < 1:
        raise ValueError(
            "ranks: expected int[seeds, users] twice, of at least one seed and of the same two or more users, "
            f"got {ours.shape} and {other.shape}"
        )
    values = [np.asarray(metric(ranks[..., None], k)) for ranks in (ours, other)]  # a mean over one user alone
    # Sums in another order differ in their last bits, which must neither win nor part two equal differences.
    differences = np.round(values[0].mean(axis=0) - values[1].mean(axis=0), 12)
    signs = np.sign(differences)
    return Comparison(
        float(differences.mean()),
        *interval(*values, seed=seed),
        _effect_size(differences),
        _signed_rank_test(differences),
        len(differences),
        wins=int((signs > 0).sum()),
        losses=int((signs < 0).sum()),
        ties=int((signs == 0).sum()),
    )


def interval(
    ours: Float[np.ndarray, "seeds users"], other: Float[np.ndarray, "other_seeds users"], *, seed: int
) -> tuple[float, float]:
    """Percentiles of the mean difference when the users, and each model's seeds, are drawn anew with replacement.

        replicate = mean of d over drawn users + mean of e over drawn seeds of ours - the same of the other

    where e_s is how far the mean of run s lies from that of all runs. The users are drawn once for both models. Of n
    users or seeds, n - 1 are drawn: n would make the variance of their mean (n - 1) / n of what it is (Rao and Wu, JASA
    1988).

    The noise of one user in one run reaches d and e alike and would count twice; it would count three times if the rows
    and the columns of x_su were drawn together (Owen, The pigeonhole bootstrap, AOAS 2007, arXiv:0712.1111). Between
    similar models this noise is most of what there is, so e is shrunk to the variance that it leaves.

    Few seeds know little about all seeds, and no resampling mends that: below about five per model the seeds' share of
    the width is a rough guess, mostly too small, and one seed adds nothing: the interval is then for these very runs.
    """
    rng = np.random.default_rng(seed)
    replicates = _mean_of_draws(rng, ours.mean(axis=0) - other.mean(axis=0))
    replicates += _mean_of_draws(rng, _seed_effects(ours)) - _mean_of_draws(rng, _seed_effects(other))
    low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _seed_effects(values: Float[np.ndarray, "seeds users"]) -> Float[np.ndarray, " seeds"]:
    """Deviations of the runs' means, shrunk by the variance that users alone, each with its own noise, would give."""
    means = values.mean(axis=1)
    effects = means - means.mean()
    if not effects.any():  # a single seed, or all alike
        return effects
    noise = (values - means[:, None]).var(axis=0, ddof=1).mean() / (values.shape[1] - 1)
    return effects * np.sqrt(max(0.0, 1.0 - noise / means.var(ddof=1)))


def _mean_of_draws(rng: np.random.Generator, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " replicates"]:
    """Means of n - 1 draws with replacement (of one, if there is no more), a few replicates at a time."""
    num_draws = max(1, len(values) - 1)
    at_once = max(1, _DRAWS_AT_ONCE // num_draws)
    sizes = [min(at_once, NUM_REPLICATES - start) for start in range(0, NUM_REPLICATES, at_once)]
    return np.concatenate([values[rng.integers(len(values), size=(n, num_draws))].mean(axis=1) for n in sizes])


def _effect_size(differences: Float[np.ndarray, " users"]) -> float:
    """Cohen's d_z: zero without any difference, infinite if all users have the same one."""
    if np.ptp(differences) == 0.0:
        return float(np.copysign(np.inf, differences[0])) if differences[0] else 0.0
    return float(differences.mean() / differences.std(ddof=1))


def _signed_rank_test(differences: Float[np.ndarray, " users"]) -> float:
    """Two-sided p-value by the normal approximation: the exact one knows no ties, of which a cut-off makes many."""
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences, zero_method="pratt", method="asymptotic").pvalue)


def mcnemar(ours: Bool[np.ndarray, "..."], other: Bool[np.ndarray, "..."]) -> float:
    """Exact two-sided p-value of McNemar's test for one run against another.

    Of the users that only one of the two runs hits, each run would have half if both were equally good: a binomial
    test. It speaks of these two runs, not of their models under other seeds.

    Args:
        ours: bool[users], whether the run hits the user's held-out item: ranks < k.
        other: the same of the other run.

    Raises:
        ValueError: hits of another shape.
    """
    if ours.ndim != 1 or ours.shape != other.shape:
        raise ValueError(f"hits: expected bool[users] twice, of equally many users, got {ours.shape} and {other.shape}")
    wins, losses = int((ours & ~other).sum()), int((~ours & other).sum())
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def holm(p_values: Float[np.ndarray, "..."]) -> Float[np.ndarray, " tests"]:
    """p-values of a family of tests, adjusted so that the chance of *any* false alarm stays below each level.

        adjusted p_(i) = max over j <= i of min(1, (m - j + 1) p_(j))          in ascending order, i = 1 ... m

    Holm's step-down procedure (Scandinavian Journal of Statistics, 1979), whatever the tests have in common.

    Raises:
        ValueError: another shape, or a value that is no probability.
    """
    if p_values.ndim != 1 or not ((0 <= p_values) & (p_values <= 1)).all():
        raise ValueError(f"p-values: expected float[tests] from 0 to 1, got {p_values.shape}: {p_values}")
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, factors * p_values[order]))
    return adjusted
