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
from ncfjax.evaluation.columns import COLUMNS
from ncfjax.evaluation.metrics import hit_ratio
from ncfjax.evaluation.significance import (
    Comparison,
    SeedTest,
    SignTest,
    compare_values,
    holm,
    mcnemar,
    seed_test,
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
        ValueError, StoreError: what each user adds to the column is missing, or is of other users.
    """
    values = {runs.label: runs.per_user(column) for pair in pairs for runs in pair}
    contents = {label: x.tobytes() for label, x in values.items()}
    labels = [(ours.label, other.label) for ours, other in pairs]
    same = [(contents[ours], contents[other]) for ours, other in labels]
    distinct = dict(zip(reversed(same), reversed(labels), strict=True))  # of those that are the same the first
    are_hits = column in COLUMNS and COLUMNS[column].metric is hit_ratio
    tests = _tests(values, list(distinct.values()), are_hits)
    return [PairwiseTest(*pair, column, *tests[distinct[key]]) for pair, key in zip(pairs, same, strict=True)]


def family_size(tests: Sequence[PairwiseTest]) -> int:
    """How many tests are distinct, of those by one column."""
    return len({(test.comparison, test.p_value) for test in tests})


def _tests(values: Mapping[str, np.ndarray], pairs: Sequence[tuple[str, str]], are_hits: bool) -> dict:
    """Pair -> the fields of its test from `comparison` on."""
    if not pairs:
        return {}
    comparisons = list(compare_values(values, pairs=pairs).values())
    p_values = _corrected([comparison.p_value for comparison in comparisons])
    wilcoxon = _corrected([comparison.wilcoxon for comparison in comparisons])
    both = [(values[ours], values[other]) for ours, other in pairs]
    signs = _mcnemar(both) if are_hits else [None] * len(both)
    seeds = [seed_test(*(runs.mean(axis=1) for runs in pair)) for pair in both]
    return dict(zip(pairs, zip(comparisons, p_values, wilcoxon, signs, seeds, strict=True), strict=True))


def _corrected(p_values: Sequence[float]) -> list[float]:
    return holm(np.array(p_values)).tolist()


def _mcnemar(both: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[SignTest]:
    """Of the first run of each of a pair, corrected."""
    tests = [mcnemar(ours[:1] > 0, other[:1] > 0) for ours, other in both]
    p_values = _corrected([test.p_value for test in tests])
    return [test._replace(p_value=p_value) for test, p_value in zip(tests, p_values, strict=True)]
