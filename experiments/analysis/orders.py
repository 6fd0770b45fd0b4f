"""In which order do methods stand, how sure is it, and is it another one where candidates are sampled?

Read are the stored ranks of any methods' runs on the same held-out items, by each metric in either protocol:

    order         by the mean over a method's runs, with the 95 % t-interval over its seeds, which a single run lacks
    difference    mean over users of the better method's metric less the other's, each averaged over its seeds; its
                  interval is for other users and other seeds
    p             of that mean, from the width of its interval; beside it those of Wilcoxon's signed-rank test of the
                  users' differences and of McNemar's test of each method's first run. Each is corrected by Holm over
                  all pairs of methods in the same metric and protocol. Seeds: Welch's test of the runs' means, for
                  these users alone and not corrected
    verdict       the better method, or "no difference" where the interval holds 0 or the corrected p >= 0.05
    inversion     two methods of which one has the better mean among sampled candidates, the other in the full catalogue

Wilcoxon's test decides nothing: it asks whether the users' differences lie alike on either side of zero, not for their
mean, and finds a difference in most pairs of equal methods where one has more runs than the other (significance.py). No
difference found does not mean that two methods are equal, and it carries over to no third: of a = b and b = c, a may
still be better than c.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Integer
from scipy import stats

from experiments.analysis.methods import Method
from experiments.analysis.metrics import COLUMNS, Column, K, SeedMean, seed_mean
from experiments.analysis.pairwise import NO_DIFFERENCE, decide
from ncfjax.evaluation.metrics import hit_ratio
from ncfjax.evaluation.significance import (
    Comparison,
    SeedTest,
    SignTest,
    compare_all,
    holm,
    mcnemar,
    over_seeds,
    p_of_interval,
)

_SAME = ("dataset", "split", "negatives")  # what makes two rows' users, and their candidates, the same


class Pair(NamedTuple):
    """Two methods by one metric and protocol."""

    better: str  # by its mean
    other: str
    comparison: Comparison  # better less other
    p_value: float  # of the mean, corrected
    wilcoxon: float  # p-value of Wilcoxon's test, corrected
    mcnemar: SignTest | None  # of the first runs' hits, its p-value corrected; None for NDCG
    seeds: SeedTest  # on these users, not corrected; NaN between two methods without seeds

    @property
    def verdict(self) -> str:
        """The name of a method or "no difference"."""
        return decide(self.comparison, self.p_value, self.better, self.other)


class Order(NamedTuple):
    """All methods by one metric and protocol."""

    column: Column
    means: dict[str, SeedMean]  # best first
    pairs: dict[tuple[str, str], Pair]  # (better, other)

    def sign(self, first: str, second: str) -> str:
        """ ">" where the first is better, "<" where the second is, "=" where no difference was found."""
        pair = self.pairs.get((first, second)) or self.pairs[second, first]
        return {first: ">", second: "<", NO_DIFFERENCE: "="}[pair.verdict]


class Inversion(NamedTuple):
    sampled: Pair
    full: Pair  # of the same methods, the other one better

    @property
    def is_sure(self) -> bool:
        """Whether both protocols find a difference."""
        return NO_DIFFERENCE not in (self.sampled.verdict, self.full.verdict)


def orders(methods: Sequence[Method]) -> dict[str, Order]:
    """The order of the methods by each of COLUMNS.

    Raises:
        ValueError: fewer than two methods, or several of one name; runs that did not complete, that repeat, or that are
            of other users or candidates.
        StoreError: ranks that are missing.
    """
    _check(methods)
    ranks = {
        protocol: {method.name: method.ranks(protocol) for method in methods}
        for protocol in {column.protocol for column in COLUMNS.values()}
    }
    return {name: _order(column, ranks[column.protocol]) for name, column in COLUMNS.items()}


def _check(methods: Sequence[Method]) -> None:
    names = [method.name for method in methods]
    if len(set(names)) < max(2, len(names)):
        raise ValueError(f"methods: expected two or more, each of its own name, got {', '.join(names) or 'none'}")
    for method in methods:
        ids = list(method.rows["run_id"])
        if not ids or len(set(ids)) < len(ids) or not (method.rows["status"] == "completed").all():
            expected = f"completed runs of {method.store.folder}, each once"
            raise ValueError(f"{method.name}: expected {expected}, got {', '.join(ids) or 'none'}")
    rows = pd.concat([method.rows for method in methods])
    for column in _SAME:
        if rows[column].nunique() > 1:
            raise ValueError(f"methods: expected runs of one {column}, got {'; '.join(sorted(rows[column].unique()))}")


def _order(column: Column, ranks: Mapping[str, Integer[np.ndarray, "_seeds users"]]) -> Order:
    unsorted = {name: seed_mean(column.metric(runs, K)) for name, runs in ranks.items()}
    means = dict(sorted(unsorted.items(), key=lambda item: -round(item[1].mean, 12)))  # as given, where they tie
    comparisons = compare_all({name: ranks[name] for name in means}, column.metric, K)
    names, tests = list(comparisons), list(comparisons.values())
    of_means, of_users = (
        holm(np.array(p)).tolist() for p in (list(map(p_of_interval, tests)), [test.p_value for test in tests])
    )
    of_hits = _mcnemar(ranks, names) if column.metric is hit_ratio else [None] * len(names)
    of_seeds = [over_seeds(ranks[first], ranks[second], column.metric, K) for first, second in names]
    pairs = map(Pair, *zip(*names, strict=True), tests, of_means, of_users, of_hits, of_seeds)
    return Order(column, means, dict(zip(names, pairs, strict=True)))


def _mcnemar(
    ranks: Mapping[str, Integer[np.ndarray, "_seeds users"]], names: Sequence[tuple[str, str]]
) -> list[SignTest]:
    """Of the first run of each of a pair, corrected."""
    tests = [mcnemar(ranks[first][:1] < K, ranks[second][:1] < K) for first, second in names]
    p_values = holm(np.array([test.p_value for test in tests])).tolist()
    return [test._replace(p_value=p_value) for test, p_value in zip(tests, p_values, strict=True)]


def by_metric(table: Mapping[str, Order]) -> dict[str, tuple[Order, Order]]:
    """Metric -> its order among sampled candidates, and in the full catalogue."""
    by_protocol = {(order.column.name, order.column.protocol): order for order in table.values()}
    return {name: (by_protocol[name, "sampled"], by_protocol[name, "full"]) for name, _ in by_protocol}


def inversions(sampled: Order, full: Order) -> list[Inversion]:
    """Of every two methods whose means stand in another order, those apart; two equal means are in no order."""
    turned = [(pair, full.pairs.get((pair.other, pair.better))) for pair in sampled.pairs.values()]
    return [Inversion(pair, other) for pair, other in turned if other and _is_strict(pair) and _is_strict(other)]


def _is_strict(pair: Pair) -> bool:
    return round(pair.comparison.difference, 12) > 0.0


def kendall(sampled: Order, full: Order) -> float:
    """Kendall's tau of the methods' means: 1 for the same order, -1 for the reverse; NaN if all means are equal."""
    means = [[round(order.means[name].mean, 12) for name in sampled.means] for order in (sampled, full)]
    return float(stats.kendalltau(*means).statistic)
