"""Is one model better than another? Comparisons from the stored ranks of both on the same users.

With x_su the metric of user u in the run of seed s,

    difference  = mean_u d_u,    d_u = mean_s x_su(ours) - mean_s x_su(other)
    effect size = mean(d) / s.d.(d)        Cohen's d_z; more seeds raise it, as they average noise out of d

Users are paired. Seeds are not, unless it is said: a seed means nothing across two models, and their numbers may
differ. What would be drawn anew, if the experiment were repeated, tells the tests apart:

    compare, compare_all    other users and other seeds: interval and p-value of the mean difference, which decide
    wilcoxon                other users, these seeds; Wilcoxon's signed-rank test of d, zeros ranked, then dropped
                            (Pratt, JASA 1959)
    mcnemar                 other users, these seeds; counts who is better off, not by how much
    over_seeds              other seeds, these users

The variance of the difference has a part for every source of chance, and few seeds tell little about theirs:

    V = A + sum over the models of max(0, M - e)        interval: difference +- t(0.975, df) sqrt(V)

    A    variance of d over users, by their number: users, and the noise of single users in single runs
    M    variance of the runs' means, by their number: seeds, and the same noise once more (Owen, The pigeonhole
         bootstrap, AOAS 2007, arXiv:0712.1111)
    e    that noise alone, from how each user's metric varies between runs. A model with one run has no M and no e: the
         interval is then for that very run
    df   Satterthwaite's degrees of freedom (Biometrics Bulletin 1946), V^2 over the sum of the squares of the parts,
         each by its own degrees of freedom; every M, which has only runs - 1 of them, stands there at the upper end of
         its one-sided 80 % interval

With M itself, df is largest just when M is too small by chance. Between equal models of 4 runs each p < 0.05 / 66 is
then up to 2.1 times as frequent as it should be, and with the normal distribution in t's place up to 13 times; with the
upper end it is less frequent. Against a model with a single run it is 1.1 times as frequent where the seeds add as much
to V as the users, 2.5 times where they add three times as much (benchmarks/calibration.py).

Wilcoxon's and the sign test ask whether d lies alike on either side of zero: its mean may be zero and p small, or the
reverse. That is no matter between models with equally many runs that scatter alike. But a mean of several runs, or of
runs that scatter more, spreads the same sum of hits over more users, in smaller shares: most users then win a little,
few lose much. Equal models of 8 runs and of 1 whose hits are rare differ by p < 0.05 in *all* of 150 simulated cases,
those of 8 runs each in 5 %. So they stand beside the interval, and decide nothing.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import stats

from ncfjax.evaluation.metrics import Metric

Cases = Float[np.ndarray, "*cases"] | float

LEVEL = 0.95
UPPER = 0.8  # of what the variance between runs may be, for the degrees of freedom


class Comparison(NamedTuple):
    """Ours less the other, with its 95 % interval; users win, lose or tie by the sign of their own difference."""

    difference: float
    low: float
    high: float
    p_value: float  # two-sided, of the mean difference
    degrees_of_freedom: float  # of its t
    effect_size: float
    wilcoxon: float  # p-value
    num_users: int
    wins: int
    losses: int
    ties: int


class RunVariance(NamedTuple):
    """What the runs of a model tell of its seeds; see the head of this file. Numbers, or arrays of them."""

    mean_square: Cases  # M
    noise: Cases  # e
    num_runs: int


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
    ours: Integer[np.ndarray, "..."],
    other: Integer[np.ndarray, "..."],
    metric: Metric,
    k: int,
    *,
    seeds_are_paired: bool = False,
) -> Comparison:
    """The difference of two models' mean metrics, and how sure it is, for other users *and* other seeds.

    Args:
        ours, other: int[seeds, users] zero-based ranks: the same users in the same order, any number of seeds.
        metric: `hit_ratio` or `ndcg`.
        seeds_are_paired: run s of the one belongs to run s of the other, as a student does to the teacher that it
            learned from: their differences are what varies with the seed.

    Raises:
        ValueError: ranks that are not int[seeds, users] of the same users, without a seed, or of fewer than two users;
            paired seeds that are not equally many.
    """
    _check_ranks({"ours": ours, "other": other})
    values = [_per_user(ranks, metric, k) for ranks in (ours, other)]
    if not seeds_are_paired:
        return _compare(*values, [_runs(values[0]), _runs(values[1])])
    if len(ours) != len(other):
        raise ValueError(f"ranks: expected as many runs of both, as they are paired, got {len(ours)} and {len(other)}")
    return _compare(*values, [_runs(values[0] - values[1])])


def compare_all(
    ranks: Mapping[str, Integer[np.ndarray, "..."]],
    metric: Metric,
    k: int,
    *,
    pairs: Iterable[tuple[str, str]] | None = None,
) -> dict[tuple[str, str], Comparison]:
    """`compare` of some pairs of models, or of every two: the first named less the second.

    Each pair is compared as if there were no other: it takes `holm` to correct the p-values for their number.

    Args:
        ranks: model -> int[seeds, users] zero-based ranks: the same users in the same order, any number of seeds.

    Raises:
        ValueError: as of `compare`; fewer than two models.
    """
    _check_ranks(ranks)
    return compare_values({name: _per_user(x, metric, k) for name, x in ranks.items()}, pairs=pairs)


def compare_values(
    values: Mapping[str, Float[np.ndarray, "..."]], *, pairs: Iterable[tuple[str, str]] | None = None
) -> dict[tuple[str, str], Comparison]:
    """`compare_all` of what each user adds to any mean: float[seeds, users], of which more is better.

    Raises:
        ValueError: as of `compare_all`.
    """
    _check_ranks(values)
    runs = {name: _runs(model_values) for name, model_values in values.items()}
    chosen = itertools.combinations(values, 2) if pairs is None else pairs
    return {(a, b): _compare(values[a], values[b], [runs[a], runs[b]]) for a, b in chosen}


def _check_ranks(ranks: Mapping[str, np.ndarray]) -> None:
    """Ranks, or other values: of two models or more, each of at least one seed, all of the same two or more users."""
    shapes = {name: model_ranks.shape for name, model_ranks in ranks.items()}
    are_ranks = all(len(shape) == 2 and shape[0] >= 1 and shape[1] >= 2 for shape in shapes.values())
    if len(shapes) < 2 or not are_ranks or len({shape[1] for shape in shapes.values()}) > 1:
        raise ValueError(
            "ranks: expected int[seeds, users] of two or more models, of at least one seed and of the same two or more "
            f"users, got {shapes}"
        )


def _per_user(ranks: Integer[np.ndarray, "seeds users"], metric: Metric, k: int) -> Float[np.ndarray, "seeds users"]:
    return np.asarray(metric(ranks[..., None], k))  # a mean over one user alone


def _runs(values: Float[np.ndarray, "seeds users"]) -> RunVariance:
    num_runs, num_users = values.shape
    if num_runs == 1:
        return RunVariance(0.0, 0.0, 1)
    means = np.round(values.mean(axis=1), 12)  # sums in another order differ in their last bits
    noise = (values - means[:, None]).var(axis=0, ddof=1).mean() / (num_users - 1)
    return RunVariance(means.var(ddof=1) / num_runs, noise / num_runs, num_runs)


def _compare(
    ours: Float[np.ndarray, "seeds users"], other: Float[np.ndarray, "other_seeds users"], runs: Sequence[RunVariance]
) -> Comparison:
    # Sums in another order differ in their last bits, which must neither win nor part two equal differences.
    differences = np.round(ours.mean(axis=0) - other.mean(axis=0), 12)
    difference, num_users = float(differences.mean()), len(differences)
    error, freedom = map(float, standard_error(differences.var(ddof=1) / num_users, num_users, runs))
    half_width = stats.t.ppf((1 + LEVEL) / 2, freedom) * error
    return Comparison(
        difference,
        float(difference - half_width),
        float(difference + half_width),
        float(p_of_t(difference, error, freedom)),
        freedom,
        _effect_size(differences),
        _signed_rank_test(differences),
        num_users,
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
    )


def standard_error(users: Cases, num_users: int, runs: Sequence[RunVariance]) -> tuple[Cases, Cases]:
    """sqrt(V) and its degrees of freedom, from A (`users`) and what the runs of each model tell."""
    several = [model for model in runs if model.num_runs > 1]
    variance = users + sum(np.maximum(0.0, model.mean_square - model.noise) for model in several)
    upper = users
    squares = users**2 / (num_users - 1)
    for mean_square, noise, num_runs in several:
        bound = mean_square * (num_runs - 1) / stats.chi2.ppf(1 - UPPER, num_runs - 1)
        upper = upper + np.maximum(0.0, bound - noise)
        squares = squares + bound**2 / (num_runs - 1)
    least = min([num_users, *(model.num_runs for model in several)]) - 1
    with np.errstate(invalid="ignore"):  # 0 / 0: no chance at all
        freedom = np.nan_to_num(np.maximum(least, upper**2 / squares), nan=num_users - 1)
    return np.sqrt(variance), freedom


def p_of_t(difference: Cases, error: Cases, freedom: Cases) -> Cases:
    """Two-sided p-value. Without an error there is no chance, only a difference: 0, or 1 where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):  # x / 0 is infinite, 0 / 0 no number
        t = np.nan_to_num(np.abs(difference) / error, nan=0.0, posinf=np.inf)
    return 2 * stats.t.sf(t, freedom)


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
    return seed_test(*(np.asarray(metric(ranks, k)) for ranks in (ours, other)))


def seed_test(ours: Float[np.ndarray, " seeds"], other: Float[np.ndarray, " other_seeds"]) -> SeedTest:
    """`over_seeds` of the runs' means themselves."""
    means = [np.round(values, 12) for values in (ours, other)]
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
