"""When one model is better than another: the one rule of the project, and the tests that stand beside it.

difference    mean over users of the first model's metric less the other's, each averaged over its seeds; its interval
              and p-value are for other users and other seeds (significance.py)
winner        the better of the two, or "no difference" where the interval holds 0, or p >= 0.05 once corrected by Holm
              over all pairs in the same metric and protocol
beside it     Wilcoxon's signed-rank test of the users' differences and McNemar's test of each model's first run, both
              corrected likewise; Welch's test of the runs' means, for these users alone and not corrected. They decide
              nothing

Two models whose runs are the same, rank by rank, are one: their pairs are one test, and the family counts it once.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.analysis.runs import Runs
from ncfjax.evaluation.columns import COLUMNS, Column, K
from ncfjax.evaluation.metrics import hit_ratio
from ncfjax.evaluation.significance import (
    Comparison,
    SeedTest,
    SignTest,
    compare_all,
    holm,
    mcnemar,
    over_seeds,
)

LEVEL = 0.05
NO_DIFFERENCE = "no difference"


class PairwiseTest(NamedTuple):
    """Two models by one column of runs.csv."""

    ours: Runs
    other: Runs
    column: str
    comparison: Comparison  # ours less other
    p_value: float  # of the mean difference, corrected
    wilcoxon: float  # p-value of Wilcoxon's test, corrected
    mcnemar: SignTest | None = None  # of the first runs' hits, its p-value corrected; None for NDCG
    seeds: SeedTest | None = None  # on these users, not corrected; NaN between two models without seeds

    @property
    def winner(self) -> str:
        """The name of the better one or "no difference"."""
        result = self.comparison
        if result.low <= 0.0 <= result.high or self.p_value >= LEVEL:
            return NO_DIFFERENCE
        return self.ours.name if result.low > 0.0 else self.other.name


def pairwise_tests(pairs: Sequence[tuple[Runs, Runs]], column: str) -> list[PairwiseTest]:
    """Of every pair by one column of runs.csv.

    Raises:
        ValueError, StoreError: ranks that are missing, or of other users.
    """
    shown = COLUMNS[column]
    ranks = {runs.label: runs.ranks(shown.protocol) for pair in pairs for runs in pair}
    contents = {label: runs.tobytes() for label, runs in ranks.items()}
    labels = [(ours.label, other.label) for ours, other in pairs]
    same = [(contents[ours], contents[other]) for ours, other in labels]
    distinct = dict(zip(reversed(same), reversed(labels), strict=True))  # of those that are the same the first
    tests = _tests(ranks, list(distinct.values()), shown)
    return [PairwiseTest(*pair, column, *tests[distinct[key]]) for pair, key in zip(pairs, same, strict=True)]


def family_size(tests: Sequence[PairwiseTest]) -> int:
    """How many tests are distinct, of those by one column."""
    return len({(test.comparison, test.p_value) for test in tests})


def _tests(ranks: Mapping[str, np.ndarray], pairs: Sequence[tuple[str, str]], shown: Column) -> dict:
    """Pair -> the fields of its test from `comparison` on."""
    if not pairs:
        return {}
    comparisons = list(compare_all(ranks, shown.metric, K, pairs=pairs).values())
    p_values = _corrected([comparison.p_value for comparison in comparisons])
    wilcoxon = _corrected([comparison.wilcoxon for comparison in comparisons])
    both = [(ranks[ours], ranks[other]) for ours, other in pairs]
    seeds = [over_seeds(*runs, shown.metric, K) for runs in both]
    fields = zip(comparisons, p_values, wilcoxon, _mcnemar(both, shown), seeds, strict=True)
    return dict(zip(pairs, fields, strict=True))


def _corrected(p_values: Sequence[float]) -> list[float]:
    return holm(np.array(p_values)).tolist()


def _mcnemar(both: Sequence[tuple[np.ndarray, np.ndarray]], shown: Column) -> list[SignTest | None]:
    """Of the first run of each of a pair, corrected."""
    if shown.metric is not hit_ratio:
        return [None] * len(both)
    tests = [mcnemar(ours[:1] < K, other[:1] < K) for ours, other in both]
    p_values = _corrected([test.p_value for test in tests])
    return [test._replace(p_value=p_value) for test, p_value in zip(tests, p_values, strict=True)]
