"""In which order do methods stand, how sure is it, and is it another one where candidates are sampled?

    order         by the mean over a method's runs, with the 95 % t-interval over its seeds, which a single run lacks
    pairs         every two methods, the better one by its mean first, tested by pairwise.py
    inversion     two methods of which one has the better mean among sampled candidates, the other in the full catalogue

Wilcoxon's test decides nothing: it asks whether the users' differences lie alike on either side of zero, not for their
mean, and finds a difference in most pairs of equal methods where one has more runs than the other (significance.py). No
difference found does not mean that two methods are equal, and it carries over to no third: of a = b and b = c, a may
still be better than c.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from scipy import stats

from experiments.analysis.methods import Method
from experiments.analysis.pairwise import NO_DIFFERENCE, PairwiseTest, pairwise_tests
from ncfjax.evaluation.columns import COLUMNS, Column
from ncfjax.evaluation.intervals import SeedMean

_SAME = ("dataset", "split", "negatives")  # what makes two rows' users, and their candidates, the same


class Order(NamedTuple):
    """All methods by one metric and protocol."""

    column: Column
    means: dict[str, SeedMean]  # best first
    pairs: dict[tuple[str, str], PairwiseTest]  # of the better one and another

    def sign(self, first: str, second: str) -> str:
        """ ">" where the first is better, "<" where the second is, "=" where no difference was found."""
        pair = self.pairs.get((first, second)) or self.pairs[second, first]
        return {first: ">", second: "<", NO_DIFFERENCE: "="}[pair.winner]


class Inversion(NamedTuple):
    sampled: PairwiseTest
    full: PairwiseTest  # of the same methods, the other one better

    @property
    def is_sure(self) -> bool:
        """Whether both protocols find a difference."""
        return NO_DIFFERENCE not in (self.sampled.winner, self.full.winner)


def orders(methods: Sequence[Method]) -> dict[str, Order]:
    """The order of the methods by each of COLUMNS.

    Raises:
        ValueError: fewer than two methods, or several of one name; runs that did not complete, that repeat, or that are
            of other users or candidates.
        StoreError: ranks that are missing.
    """
    _check(methods)
    return {column: _order(column, methods) for column in COLUMNS}


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


def _order(column: str, methods: Sequence[Method]) -> Order:
    means = {method: method.mean(column) for method in methods}
    ordered = sorted(methods, key=lambda method: -round(means[method].mean, 12))  # as given, where they tie
    tests = pairwise_tests(list(itertools.combinations(ordered, 2)), column)
    pairs = {(test.ours.name, test.other.name): test for test in tests}
    return Order(COLUMNS[column], {method.name: means[method] for method in ordered}, pairs)


class BothProtocols(NamedTuple):
    """The orders by one metric."""

    sampled: Order
    full: Order

    @property
    def inversions(self) -> list[Inversion]:
        """Of every two methods whose means stand in another order, those apart; two equal means are in no order."""
        turned = [(pair, self.full.pairs.get((b, a))) for (a, b), pair in self.sampled.pairs.items()]
        return [Inversion(pair, other) for pair, other in turned if other and _is_strict(pair) and _is_strict(other)]

    @property
    def kendall(self) -> float:
        """Kendall's tau of the methods' means: 1 for the same order, -1 for the reverse; NaN if all means are equal."""
        means = [[round(order.means[name].mean, 12) for name in self.sampled.means] for order in self]
        return float(stats.kendalltau(*means).statistic)


def _is_strict(pair: PairwiseTest) -> bool:
    return round(pair.comparison.difference, 12) > 0.0


def by_metric(table: Mapping[str, Order]) -> dict[str, BothProtocols]:
    """Metric -> its order among sampled candidates, and in the full catalogue."""
    by_protocol = {(order.column.name, order.column.protocol): order for order in table.values()}
    return {name: BothProtocols(by_protocol[name, "sampled"], by_protocol[name, "full"]) for name, _ in by_protocol}
