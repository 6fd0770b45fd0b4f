"""When one model is better than another: paired tests of the users' metrics, and the rule that decides.

difference    mean over users of the first model's metric less the other's, each averaged over its seeds; its
              interval is for other users and other seeds
p-values      of that mean, from the width of its interval; of Wilcoxon's signed-rank test of the users' differences;
              of McNemar's test of each model's first run. Each is corrected by Holm over all pairs in the same
              metric and protocol. Seeds: Welch's test of the runs' means, for these users alone and not corrected
winner        the better of the two, or "no difference" where the interval holds 0 or the corrected p >= 0.05
"""

from collections.abc import Sequence
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
    p_of_interval,
)

LEVEL = 0.05
NO_DIFFERENCE = "no difference"


class PairwiseTest(NamedTuple):
    """Two models by one column of runs.csv."""

    ours: Runs
    other: Runs
    column: str
    comparison: Comparison  # ours less other
    of_mean: float  # p-value of the mean, corrected
    wilcoxon: float  # p-value of Wilcoxon's test, corrected
    decides: str  # which of the two decides
    mcnemar: SignTest | None = None  # of the first runs' hits, its p-value corrected; None for NDCG
    seeds: SeedTest | None = None  # on these users, not corrected; NaN between two models without seeds

    @property
    def p_value(self) -> float:
        """The corrected one that decides."""
        return getattr(self, self.decides)

    @property
    def winner(self) -> str:
        """The name of the better one or "no difference"."""
        result = self.comparison
        if result.low <= 0.0 <= result.high or self.p_value >= LEVEL:
            return NO_DIFFERENCE
        return self.ours.name if result.low > 0.0 else self.other.name


def pairwise_tests(pairs: Sequence[tuple[Runs, Runs]], column: str, decides: str) -> list[PairwiseTest]:
    """Of every pair by one column of runs.csv.

    Args:
        decides: the p-value that does, "of_mean" or "wilcoxon".

    Raises:
        ValueError, StoreError: ranks that are missing, or of other users.
    """
    if not pairs:
        return []
    shown, labels = COLUMNS[column], [(ours.label, other.label) for ours, other in pairs]
    ranks = {runs.label: runs.ranks(shown.protocol) for pair in pairs for runs in pair}
    comparisons = list(compare_all(ranks, shown.metric, K, pairs=labels).values())
    of_means = _corrected([p_of_interval(comparison) for comparison in comparisons])
    wilcoxon = _corrected([comparison.p_value for comparison in comparisons])
    both = [(ranks[ours], ranks[other]) for ours, other in labels]
    signs, seeds = _mcnemar(both, shown), [over_seeds(*ranks, shown.metric, K) for ranks in both]
    return [
        PairwiseTest(*pair, column, *tests, decides, sign, of_seeds)
        for pair, *tests, sign, of_seeds in zip(pairs, comparisons, of_means, wilcoxon, signs, seeds, strict=True)
    ]


def _corrected(p_values: Sequence[float]) -> list[float]:
    return holm(np.array(p_values)).tolist()


def _mcnemar(both: Sequence[tuple[np.ndarray, np.ndarray]], shown: Column) -> list[SignTest | None]:
    """Of the first run of each of a pair, corrected."""
    if shown.metric is not hit_ratio:
        return [None] * len(both)
    tests = [mcnemar(ours[:1] < K, other[:1] < K) for ours, other in both]
    p_values = _corrected([test.p_value for test in tests])
    return [test._replace(p_value=p_value) for test, p_value in zip(tests, p_values, strict=True)]
