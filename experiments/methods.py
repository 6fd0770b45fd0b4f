"""In which order do the methods stand, how sure is it, and is it another one where candidates are sampled?

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

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Integer
from scipy import stats

from experiments.columns import COLUMNS, Column, K
from experiments.comparison import markdown, signed, text
from experiments.duels import LEVEL, NO_DIFFERENCE, verdict
from experiments.lines import Estimate, estimate
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
from ncfjax.store import Store

SAME = ("dataset", "split", "negatives")  # what makes two rows' users, and their candidates, the same
ORDER = "| method | seeds | " + " | ".join(f"{column.label} | place" for column in COLUMNS.values()) + " |"
NEIGHBOURS = (
    "| metric | better by its mean | next | difference | 95 % interval | effect size | users won | lost "
    "| p | Wilcoxon | McNemar | seeds | verdict |"
)
INVERSIONS = (
    "| metric | better among sampled candidates | better in the full catalogue "
    "| sampled difference | p | verdict | full difference | p | verdict |"
)
AGREEMENT = "| metric | pairs of methods | inversions | of these, a difference in both protocols | Kendall's tau |"


class Method(NamedTuple):
    name: str
    store: Store
    run_ids: tuple[str, ...]  # one per seed; a deterministic method has one


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
        return verdict(self.comparison, self.p_value, self.better, self.other)


class Order(NamedTuple):
    """All methods by one metric and protocol."""

    column: Column
    means: dict[str, Estimate]  # best first
    pairs: dict[tuple[str, str], Pair]  # (better, other)

    def sign(self, first: str, second: str) -> str:
        """ ">" where the first is better, "<" where the second is, "=" where no difference was found."""
        pair = self.pairs.get((first, second)) or self.pairs[second, first]
        return {first: ">", second: "<", NO_DIFFERENCE: "="}[pair.verdict]


class Inversion(NamedTuple):
    sampled: Pair
    full: Pair  # of the same methods, the other one better


def orders(methods: Sequence[Method]) -> dict[str, Order]:
    """The order of the methods by each of COLUMNS.

    Raises:
        ValueError: fewer than two methods, or several of one name; runs that are not there, did not complete, or are of
            other users or candidates.
        StoreError: ranks that are missing.
    """
    _check(methods)
    ranks = {of.name: [of.store.ranks(run_id) for run_id in of.run_ids] for of in methods}
    return {
        name: _order(column, {method: np.stack([run[column.protocol] for run in of]) for method, of in ranks.items()})
        for name, column in COLUMNS.items()
    }


def _check(methods: Sequence[Method]) -> None:
    names = [of.name for of in methods]
    if len(set(names)) < max(2, len(names)):
        raise ValueError(f"methods: expected two or more, each of its own name, got {', '.join(names) or 'none'}")
    rows = pd.concat([_rows(of) for of in methods])
    for column in SAME:
        if rows[column].nunique() > 1:
            raise ValueError(f"methods: expected runs of one {column}, got {'; '.join(sorted(rows[column].unique()))}")


def _rows(of: Method) -> pd.DataFrame:
    runs = of.store.runs()
    rows = runs[runs["run_id"].isin(list(of.run_ids)) & (runs["status"] == "completed")]
    if not of.run_ids or sorted(rows["run_id"]) != sorted(of.run_ids):
        raise ValueError(
            f"{of.name}: expected completed runs of {of.store.folder}, each once, got {', '.join(of.run_ids) or 'none'}"
        )
    return rows


def _order(column: Column, ranks: Mapping[str, Integer[np.ndarray, "_seeds users"]]) -> Order:
    found = {name: estimate(column.metric(of, K)) for name, of in ranks.items()}
    means = dict(sorted(found.items(), key=lambda item: -round(item[1].mean, 12)))  # as given, where they tie
    comparisons = compare_all({name: ranks[name] for name in means}, column.metric, K)
    tests = list(comparisons.values())
    p_values = [holm(np.array(p)).tolist() for p in (list(map(p_of_interval, tests)), [of.p_value for of in tests])]
    more = _mcnemar(column, ranks, list(comparisons)), _over_seeds(column, ranks, list(comparisons))
    pairs = map(Pair, *zip(*comparisons, strict=True), tests, *p_values, *more)
    return Order(column, means, dict(zip(comparisons, pairs, strict=True)))


def _mcnemar(
    column: Column, ranks: Mapping[str, Integer[np.ndarray, "_seeds users"]], pairs: Sequence[tuple[str, str]]
) -> list[SignTest | None]:
    """Of the first run of each of a pair, corrected; of hits alone."""
    if column.metric is not hit_ratio:
        return [None] * len(pairs)
    found = [mcnemar(ranks[first][:1] < K, ranks[second][:1] < K) for first, second in pairs]
    p_values = holm(np.array([of.p_value for of in found])).tolist()
    return [of._replace(p_value=p_value) for of, p_value in zip(found, p_values, strict=True)]


def _over_seeds(
    column: Column, ranks: Mapping[str, Integer[np.ndarray, "_seeds users"]], pairs: Sequence[tuple[str, str]]
) -> list[SeedTest]:
    return [over_seeds(ranks[first], ranks[second], column.metric, K) for first, second in pairs]


def protocols(found: Mapping[str, Order]) -> dict[str, tuple[Order, Order]]:
    """Metric -> its order among sampled candidates, and in the full catalogue."""
    by_protocol = {(of.column.name, of.column.protocol): of for of in found.values()}
    return {name: (by_protocol[name, "sampled"], by_protocol[name, "full"]) for name, _ in by_protocol}


def inversions(sampled: Order, full: Order) -> list[Inversion]:
    """Of every two methods whose means stand in another order, those apart; two equal means are in no order."""
    turned = [(pair, full.pairs.get((pair.other, pair.better))) for pair in sampled.pairs.values()]
    return [Inversion(pair, other) for pair, other in turned if other and _is_strict(pair) and _is_strict(other)]


def _is_strict(pair: Pair) -> bool:
    return round(pair.comparison.difference, 12) > 0.0


def kendall(sampled: Order, full: Order) -> float:
    """Kendall's tau of the methods' means: 1 for the same order, -1 for the reverse; NaN if all means are equal."""
    means = [[round(of.means[name].mean, 12) for name in sampled.means] for of in (sampled, full)]
    return float(stats.kendalltau(*means).statistic)


# ---- tables


def report(methods: Sequence[Method]) -> str:
    """All of it in Markdown, the findings in words first.

    Raises:
        ValueError, StoreError: see `orders`.
    """
    return tables(orders(methods))


def tables(found: Mapping[str, Order]) -> str:
    """Findings, order, neighbours, inversions and matrix, and what a reader has to know of each."""
    parts = [summary(found), order_table(found), neighbours_table(found), _tests(found), agreement_table(found)]
    if any(inversions(*both) for both in protocols(found).values()):
        parts.append(inversions_table(found))
    return "\n\n".join([*parts, matrix_table(found), _signs(found)])


def _tests(found: Mapping[str, Order]) -> str:
    number = len(next(iter(found.values())).pairs)
    return (
        f"p, Wilcoxon and McNemar are corrected by Holm over the {number} comparisons in the same metric and protocol. "
        f"p: of the mean difference. No difference: the interval holds 0, or p >= {LEVEL}. Wilcoxon's test decides "
        "nothing: it is of signs and ranks, not of the mean, and leans towards the method with more runs or more "
        "noise, which hits more users, if less often. McNemar's is of the first run of each. Seeds: Welch's t-test of "
        "the runs' means on these very users, where a method has seeds; not corrected."
    )


def order_table(found: Mapping[str, Order]) -> str:
    """Mean and interval over seeds of each method, and its place by each column; in the order of the first."""
    names = next(iter(found.values())).means
    return markdown(ORDER, [[name, str(names[name].n), *_places(found, name)] for name in names])


def _places(found: Mapping[str, Order], name: str) -> list[str]:
    cells = [(text(of.means[name]), str(1 + list(of.means).index(name))) for of in found.values()]
    return list(itertools.chain.from_iterable(cells))


def neighbours_table(found: Mapping[str, Order]) -> str:
    """Each method against the next one, by each column."""
    return markdown(
        NEIGHBOURS,
        [
            [of.column.label, *_neighbours(of.pairs[pair])]
            for of in found.values()
            for pair in itertools.pairwise(of.means)
        ],
    )


def _neighbours(pair: Pair) -> list[str]:
    result = pair.comparison
    cells = [pair.better, pair.other, signed(result.difference), f"{signed(result.low)} to {signed(result.high)}"]
    cells += [signed(result.effect_size, 3), str(result.wins), str(result.losses)]
    cells += [_p_value(pair.p_value), _p_value(pair.wilcoxon)]
    cells.append("" if pair.mcnemar is None else _p_value(pair.mcnemar.p_value))
    return [*cells, "" if math.isnan(pair.seeds.p_value) else _p_value(pair.seeds.p_value), pair.verdict]


def _p_value(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def inversions_table(found: Mapping[str, Order]) -> str:
    """Pairs of methods that the protocols put in another order, and whether either is sure of its own."""
    table = []
    for name, both in protocols(found).items():
        for sampled, full in inversions(*both):
            table.append([name, sampled.better, full.better, *_side(sampled), *_side(full)])
    return markdown(INVERSIONS, table)


def _side(pair: Pair) -> list[str]:
    result = pair.comparison
    difference = f"{signed(result.difference)} ({signed(result.low)} to {signed(result.high)})"
    return [difference, _p_value(pair.p_value), pair.verdict]


def agreement_table(found: Mapping[str, Order]) -> str:
    """How far the order among sampled candidates is that of the full catalogue."""
    table = []
    for name, both in protocols(found).items():
        turned = inversions(*both)
        numbers = [len(both[0].pairs), len(turned), len(_sure(turned))]
        table.append([name, *map(str, numbers), f"{kendall(*both):.3f}"])
    return markdown(AGREEMENT, table)


def _sure(turned: Sequence[Inversion]) -> list[Inversion]:
    """Those that find a difference in both protocols."""
    return [of for of in turned if NO_DIFFERENCE not in (of.sampled.verdict, of.full.verdict)]


def matrix_table(found: Mapping[str, Order], metric: str = f"NDCG@{K}") -> str:
    """Every method (row) against every other (column): the sign in the sampled protocol, then in the full catalogue."""
    sampled, full = protocols(found)[metric]
    names = list(sampled.means)
    table = [
        [row, *("" if row == of else f"{sampled.sign(row, of)} {full.sign(row, of)}" for of in names)] for row in names
    ]
    return markdown(f"| {metric} | {' | '.join(names)} |", table)


def _signs(found: Mapping[str, Order]) -> str:
    return (
        "Of two signs the first is for the sampled protocol, the second for the full catalogue. >: the method of the "
        "row is better than that of the column; <: it is worse; =: no difference was found."
    )


# ---- words


def summary(found: Mapping[str, Order]) -> str:
    """A sentence or two per metric: the order in either protocol, and whether they differ."""
    told = [_told(name, *both) for name, both in protocols(found).items()]
    return "\n\n".join([*told, "(>: better than the next; =: no difference to the next was found.)"])


def _told(name: str, sampled: Order, full: Order) -> str:
    return (
        f"{name} among sampled candidates: {_chain(sampled)}. In the full catalogue: {_chain(full)}. "
        f"{_change(inversions(sampled, full), len(sampled.pairs))}"
    )


def _chain(order: Order) -> str:
    """ "a > b = c"."""
    signs = [order.sign(*pair) for pair in itertools.pairwise(order.means)]
    return " ".join(itertools.chain.from_iterable(zip(["", *signs], order.means, strict=True))).strip()


def _change(turned: Sequence[Inversion], num_pairs: int) -> str:
    if not turned:
        return f"Sampling the candidates leaves all {num_pairs} pairs of methods in their order."
    sure, start = _sure(turned), f"Sampling the candidates turns the order of {len(turned)} of {num_pairs} pairs"
    if not sure:
        return f"{start}, of none with a difference in both protocols."
    names = "; ".join(f"{of.full.better} is better than {of.full.other}, but worse when sampled" for of in sure)
    return f"{start}, of {len(sure)} with a difference in both protocols: {names}."
