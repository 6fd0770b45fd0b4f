"""The order of the methods in both protocols: findings in words, then tables."""

import itertools
import math
from collections.abc import Mapping

from experiments.analysis.orders import BothProtocols, Order, by_metric
from experiments.analysis.pairwise import LEVEL, PairwiseTest
from experiments.figures.markdown import comparison_cells, difference_text, mean_text, p_text, table
from ncfjax.evaluation.columns import COLUMNS, K

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
_TESTS = (
    "p, Wilcoxon and McNemar are corrected by Holm over the {} comparisons in the same metric and protocol. p: of the "
    "mean difference, for other users and seeds. No difference: the interval holds 0, or p >= {}. Wilcoxon's test "
    "decides nothing: it is of signs and ranks, not of the mean, and leans towards the method with more runs or more "
    "noise, which hits more users, if less often. McNemar's is of the first run of each. Seeds: Welch's t-test of the "
    "runs' means on these very users, where a method has seeds; not corrected."
)
_SIGNS = (
    "Of two signs the first is for the sampled protocol, the second for the full catalogue. >: the method of the row "
    "is better than that of the column; <: it is worse; =: no difference was found."
)
Orders = Mapping[str, Order]


def tables(orders: Orders) -> str:
    """Findings, order, neighbours, inversions and matrix, and what a reader has to know of each."""
    tests = _TESTS.format(len(next(iter(orders.values())).pairs), LEVEL)
    parts = [summary(orders), order_table(orders), neighbours_table(orders), tests, agreement_table(orders)]
    if any(both.inversions for both in by_metric(orders).values()):
        parts.append(inversions_table(orders))
    return "\n\n".join([*parts, matrix_table(orders), _SIGNS])


def order_table(orders: Orders) -> str:
    """Mean and interval over seeds of each method, and its place by each column; in the order of the first."""
    names = next(iter(orders.values())).means
    return table(ORDER, [[name, names[name].n, *_places(orders, name)] for name in names])


def _places(orders: Orders, name: str) -> list[object]:
    cells = [(mean_text(order.means[name]), 1 + list(order.means).index(name)) for order in orders.values()]
    return list(itertools.chain.from_iterable(cells))


def neighbours_table(orders: Orders) -> str:
    """Each method against the next one, by each column."""
    pairs = [(order, pair) for order in orders.values() for pair in itertools.pairwise(order.means)]
    return table(NEIGHBOURS, [[order.column.label, *_neighbours(order.pairs[pair])] for order, pair in pairs])


def _neighbours(pair: PairwiseTest) -> list[object]:
    tests = [p_text(pair.p_value), p_text(pair.wilcoxon), pair.mcnemar and p_text(pair.mcnemar.p_value)]
    tests.append(None if math.isnan(pair.seeds.p_value) else p_text(pair.seeds.p_value))
    return [pair.ours.name, pair.other.name, *comparison_cells(pair.comparison), *tests, pair.winner]


def inversions_table(orders: Orders) -> str:
    """Pairs of methods that the protocols put in another order, and whether either is sure of its order."""
    turned = [(name, pairs) for name, both in by_metric(orders).items() for pairs in both.inversions]
    rows = [[name, pairs.sampled.ours.name, pairs.full.ours.name, *map(_side, pairs)] for name, pairs in turned]
    return table(INVERSIONS, rows)


def _side(pair: PairwiseTest) -> str:
    """Three cells."""
    return f"{difference_text(pair.comparison)} | {p_text(pair.p_value)} | {pair.winner}"


def agreement_table(orders: Orders) -> str:
    """How far the order among sampled candidates is that of the full catalogue."""
    rows = []
    for name, both in by_metric(orders).items():
        num_sure = sum(inversion.is_sure for inversion in both.inversions)
        rows.append([name, len(both.sampled.pairs), len(both.inversions), num_sure, f"{both.kendall:.3f}"])
    return table(AGREEMENT, rows)


def matrix_table(orders: Orders, metric: str = f"NDCG@{K}") -> str:
    """Every method (row) against every other (column): the sign in the sampled protocol, then in the full catalogue."""
    both = by_metric(orders)[metric]
    names = list(both.sampled.means)
    rows = [[None if a == b else " ".join(order.sign(a, b) for order in both) for b in names] for a in names]
    cells = [[name, *row] for name, row in zip(names, rows, strict=True)]
    return table(f"| {metric} | {' | '.join(names)} |", cells)


def summary(orders: Orders) -> str:
    """A sentence or two per metric: the order in either protocol, and whether they differ."""
    findings = [
        f"{name} among sampled candidates: {_chain(both.sampled)}. In the full catalogue: {_chain(both.full)}. "
        f"{change(both)}"
        for name, both in by_metric(orders).items()
    ]
    return "\n\n".join([*findings, "(>: better than the next; =: no difference to the next was found.)"])


def _chain(order: Order) -> str:
    """ "a > b = c"."""
    signs = [order.sign(*pair) for pair in itertools.pairwise(order.means)]
    return " ".join(itertools.chain.from_iterable(zip(["", *signs], order.means, strict=True))).strip()


def change(both: BothProtocols) -> str:
    """What sampling does to the order, in a sentence."""
    turned, num_pairs = both.inversions, len(both.sampled.pairs)
    if not turned:
        return f"Sampling the candidates leaves all {num_pairs} pairs of methods in their order."
    sure = [inversion.full for inversion in turned if inversion.is_sure]
    start = f"Sampling the candidates turns the order of {len(turned)} of {num_pairs} pairs"
    if not sure:
        return f"{start}, of none with a difference in both protocols."
    names = "; ".join(f"{pair.ours.name} is better than {pair.other.name}, but worse when sampled" for pair in sure)
    return f"{start}, of {len(sure)} with a difference in both protocols: {names}."
