"""Is one model better than another? Comparisons from the stored ranks of both on the same users.

With x_su the metric of user u in the run of seed s,

    difference  = mean_u d_u,    d_u = mean_s x_su(ours) - mean_s x_su(other)
    effect size = mean(d) / s.d.(d)        Cohen's d_z; more seeds raise it, as they average noise out of d
    p-value     of Wilcoxon's signed-rank test of d; zeros are ranked, then dropped (Pratt, JASA 1959)

Users are paired, seeds are not: a seed means nothing across two models, and their numbers may differ. What would be
drawn anew, if the experiment were repeated, tells the tests apart:

    compare, compare_all    interval: other users and other seeds; effect size and p-value: other users, these seeds
    p_of_interval           other users and other seeds: how far zero lies outside of that interval
    mcnemar                 other users, these seeds; counts who is better off, not by how much
    over_seeds              other seeds, these users

Wilcoxon's and the sign test ask whether d lies alike on either side of zero: its mean may be zero and p small, or the
reverse. That is no matter between models with equally many runs that scatter alike. But a mean of several runs, or of
runs that scatter more, spreads the same sum of hits over more users, in smaller shares: most users then win a little,
few lose much. Equal models of 8 runs and of 1 whose hits are rare differ by p < 0.05 in *all* of 150 simulated cases,
those of 8 runs each in 5 %; the interval, which is of the mean, leaves out zero in 3 to 7 %. Trust a p-value only with
the interval beside it, or between one run each; p_of_interval keeps its level.
"""

import copy
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import stats

from ncfjax.evaluation.metrics import Metric

LEVEL = 0.95
NUM_REPLICATES = 10_000
_DRAWS_AT_ONCE = 100_000  # for as many replicates as that allows: they stay in the cache; no draw depends on it


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


class SignTest(NamedTuple):
    """Users that are better off with ours (wins), with the other (losses), or with neither."""

    effect_size: float  # Cohen's g: the wins' share of wins and losses, less one half; above zero, ours is better
    p_value: float
    num_users: int
    wins: int
    losses: int
    ties: int


class SeedTest(NamedTuple):
    """The mean of our runs less that of the other's, with its 95 % interval; NaN where no seed tells of chance."""

    difference: float
    low: float
    high: float
    effect_size: float  # Cohen's d: in units of the runs' s.d., the root mean square of the two models'
    p_value: float


def compare(
    ours: Integer[np.ndarray, "..."], other: Integer[np.ndarray, "..."], metric: Metric, k: int, *, seed: int = 0
) -> Comparison:
    """The difference of two models' mean metrics, and how sure it is: `compare_all` of these two."""
    return compare_all({"ours": ours, "other": other}, metric, k, seed=seed)["ours", "other"]


def compare_all(
    ranks: Mapping[str, Integer[np.ndarray, "..."]],
    metric: Metric,
    k: int,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    seed: int = 0,
) -> dict[tuple[str, str], Comparison]:
    """The difference of two models' mean metrics, the first named less the second, and how sure it is, of each pair.

    The interval is for other users *and* other seeds (`interval` says how far that carries). The p-value and the effect
    size are for other users only: they take the average over these seeds as it is. Each pair is compared as if there
    were no other: it takes `holm` to correct the p-values for their number.

    Args:
        ranks: model -> int[seeds, users] zero-based ranks: the same users in the same order, any number of seeds.
        metric: `hit_ratio` or `ndcg`.
        pairs: of models; all of them unless they are given.
        seed: of the intervals' draws.

    Raises:
        ValueError: fewer than two models, or ranks that are not int[seeds, users] of the same users, without a seed, or
            of fewer than two users.
    """
    _check_ranks(ranks)
    pairs = list(itertools.combinations(ranks, 2)) if pairs is None else pairs
    # A mean over one user alone.
    values = {name: np.asarray(metric(model_ranks[..., None], k)) for name, model_ranks in ranks.items()}
    of_pairs = [(values[ours], values[other]) for ours, other in pairs]
    differences = _differences(of_pairs)
    comparisons = map(_comparison, differences, _intervals(of_pairs, differences, seed).tolist())
    return dict(zip(pairs, comparisons, strict=True))


def _check_ranks(ranks: Mapping[str, Integer[np.ndarray, "..."]]) -> None:
    """Of two models or more, each of at least one seed, all of the same two or more users."""
    shapes = {name: model_ranks.shape for name, model_ranks in ranks.items()}
    are_ranks = all(len(shape) == 2 and shape[0] >= 1 and shape[1] >= 2 for shape in shapes.values())
    if len(shapes) < 2 or not are_ranks or len({shape[1] for shape in shapes.values()}) > 1:
        raise ValueError(
            "ranks: expected int[seeds, users] of two or more models, of at least one seed and of the same two or more "
            f"users, got {shapes}"
        )


_Pairs = Sequence[tuple[Float[np.ndarray, "_seeds users"], Float[np.ndarray, "_seeds users"]]]  # x_su of both


def _differences(pairs: _Pairs) -> Float[np.ndarray, "pairs users"]:
    """d_u of every pair."""
    # Sums in another order differ in their last bits, which must neither win nor part two equal differences.
    return np.stack([np.round(ours.mean(axis=0) - other.mean(axis=0), 12) for ours, other in pairs])


def _comparison(differences: Float[np.ndarray, " users"], limits: Sequence[float]) -> Comparison:
    low, high = limits
    return Comparison(
        float(differences.mean()),
        low,
        high,
        _effect_size(differences),
        _signed_rank_test(differences),
        len(differences),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
    )


def p_of_interval(comparison: Comparison) -> float:
    """Two-sided p-value of the mean difference, from the width of its interval and the normal distribution.

    Like the interval it is for other users and other seeds. With a width of zero there is no chance, only a difference.
    """
    deviation = (comparison.high - comparison.low) / (2 * stats.norm.ppf((1 + LEVEL) / 2))
    if deviation == 0.0:
        return 0.0 if comparison.difference else 1.0
    return float(2 * stats.norm.sf(abs(comparison.difference) / deviation))


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
    ((low, high),) = _intervals([(ours, other)], _differences([(ours, other)]), seed).tolist()
    return low, high


def _intervals(pairs: _Pairs, differences: Float[np.ndarray, "pairs users"], seed: int) -> Float[np.ndarray, "pairs 2"]:
    """`interval` of every pair; all see the same draws of users, as each would see them alone."""
    rng = np.random.default_rng(seed)
    replicates = _means_of_draws(rng, differences.T)
    for pair_replicates, pair in zip(replicates.T, pairs, strict=True):
        seed_rng = copy.deepcopy(rng)  # each pair goes on from where the users' draws ended
        ours, other = (_means_of_draws(seed_rng, _seed_effects(values)[:, None]) for values in pair)
        pair_replicates += (ours - other)[:, 0]
    return np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0).T


def _seed_effects(values: Float[np.ndarray, "seeds users"]) -> Float[np.ndarray, " seeds"]:
    """Deviations of the runs' means, shrunk by the variance that users alone, each with its own noise, would give."""
    means = values.mean(axis=1)
    effects = means - means.mean()
    if not effects.any():  # a single seed, or all alike
        return effects
    noise = (values - means[:, None]).var(axis=0, ddof=1).mean() / (values.shape[1] - 1)
    return effects * np.sqrt(max(0.0, 1.0 - noise / means.var(ddof=1)))


def _means_of_draws(
    rng: np.random.Generator, values: Float[np.ndarray, "n columns"]
) -> Float[np.ndarray, "replicates columns"]:
    """Means of n - 1 rows drawn with replacement (of one, if there is no more), a few replicates at a time.

    How often each row was drawn is counted once, and one product serves all columns.
    """
    num_draws = max(1, len(values) - 1)
    at_once = max(1, _DRAWS_AT_ONCE // num_draws)
    sizes = [min(at_once, NUM_REPLICATES - start) for start in range(0, NUM_REPLICATES, at_once)]
    draws = (rng.integers(len(values), size=(n, num_draws)) for n in sizes)
    return np.concatenate([_counts(part, len(values)) @ values for part in draws]) / num_draws


def _counts(draws: Integer[np.ndarray, "replicates draws"], n: int) -> Float[np.ndarray, "replicates n"]:
    """How often each of 0 ... n - 1 was drawn, per replicate."""
    distinct = draws + n * np.arange(len(draws))[:, None]  # numbers that no two replicates share
    return np.bincount(distinct.ravel(), minlength=n * len(draws)).reshape(-1, n).astype(float)


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


def mcnemar(ours: Bool[np.ndarray, "..."], other: Bool[np.ndarray, "..."]) -> SignTest:
    """Exact two-sided sign test of the users whom one of two models hits in a larger share of its runs.

    With one run each, it is McNemar's exact test: of the users that only one of the runs hits, each run would have half
    if both were equally good. With several, it speaks of other users under these seeds, and counts each user alike,
    however large the difference of the shares: a model may win more users and yet have the lower hit ratio, above all
    if its runs scatter more or are more (see the head of this file).

    Args:
        ours: bool[seeds, users], whether the run hits the user's held-out item: ranks < k.
        other: the same of the other model: the same users in the same order, but any number of seeds.

    Raises:
        ValueError: hits that are not bool[seeds, users] of the same users, or without a seed.
    """
    are_hits = ours.ndim == other.ndim == 2 and ours.shape[1] == other.shape[1]
    if not are_hits or min(len(ours), len(other)) < 1:
        raise ValueError(
            "hits: expected bool[seeds, users] twice, of at least one seed and of the same users, "
            f"got {ours.shape} and {other.shape}"
        )
    difference = ours.sum(axis=0) * len(other) - other.sum(axis=0) * len(ours)  # of the shares, in whole numbers
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    decided = wins + losses
    effect_size = (wins - losses) / (2 * decided) if decided else 0.0
    p_value = float(stats.binomtest(wins, decided).pvalue) if decided else 1.0
    return SignTest(effect_size, p_value, len(difference), wins, losses, len(difference) - decided)


def over_seeds(ours: Integer[np.ndarray, "..."], other: Integer[np.ndarray, "..."], metric: Metric, k: int) -> SeedTest:
    """Welch's t-test of the means of the runs: would other seeds, on these very users, agree?

    Unlike Wilcoxon's test, it does not speak of other users, and unlike the paired interval, it takes the noise of
    single users in a run as part of the seed's.

    A single run, or several that all have the same mean, is taken as the fixed value of a deterministic method: the
    other model's runs alone then tell of chance (a one-sample t-test). With no chance on either side, there is a
    difference, but no test: interval, effect size and p-value are NaN. The single run of a method that does depend on
    its seed passes for deterministic too: give it more runs.

    Args:
        ours, other, metric: as of `compare`.

    Raises:
        ValueError: as of `compare`.
    """
    _check_ranks({"ours": ours, "other": other})
    means = [np.round(np.asarray(metric(ranks, k)), 12) for ranks in (ours, other)]
    difference = float(means[0].mean() - means[1].mean())
    varied = [runs for runs in means if np.ptp(runs) > 0.0]
    if not varied:
        return SeedTest(difference, *[math.nan] * 4)
    variances, counts = np.array([runs.var(ddof=1) for runs in varied]), np.array([len(runs) for runs in varied])
    shares = variances / counts  # of the variance of the difference
    error = np.sqrt(shares.sum())
    freedom = shares.sum() ** 2 / (shares**2 / (counts - 1)).sum()  # Welch and Satterthwaite
    half_width = float(stats.t.ppf((1 + LEVEL) / 2, freedom) * error)
    return SeedTest(
        difference,
        difference - half_width,
        difference + half_width,
        float(difference / np.sqrt(variances.mean())),
        float(2 * stats.t.sf(abs(difference) / error, freedom)),
    )


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
