"""HR, recall, NDCG and MRR at several k under both protocols, from the stored ranks of any runs.

With one held-out item per user recall@k is HR@k. A k of the sampled protocol is not that of the full catalogue: among
1 + 99 candidates the first 10 are the first tenth.
"""

from collections.abc import Sequence

import numpy as np

from experiments.analysis.methods import Method
from ncfjax.evaluation.metrics import hit_ratio, mrr, ndcg

KS = (1, 5, 10, 20, 50)
_METRICS = {"HR": hit_ratio, "NDCG": ndcg, "MRR": mrr}
NAMES = [*(f"{name}@{k}" for name in _METRICS for k in KS), "MRR"]  # the last one is without a cut-off
CutOffs = dict[str, list[tuple[str, list[float]]]]  # protocol -> method, mean over its runs of each of NAMES


def cut_offs(methods: Sequence[Method]) -> CutOffs:
    return {p: [(method.name, _values(method.ranks(p))) for method in methods] for p in ("sampled", "full")}


def _values(ranks: np.ndarray) -> list[float]:
    values = [metric(ranks, k) for metric in _METRICS.values() for k in KS]
    return [float(np.mean(value)) for value in [*values, mrr(ranks)]]
