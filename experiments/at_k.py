"""HR, recall, NDCG and MRR at several k under both protocols, from the stored ranks of any runs.

With one held-out item per user recall@k is HR@k. A k of the sampled protocol is not that of the full catalogue: among
1 + 99 candidates the first 10 are the first tenth.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.comparison import markdown
from experiments.lines import completed, lines
from experiments.methods import Method
from ncfjax.evaluation.metrics import hit_ratio, mrr, ndcg
from ncfjax.store import Store

KS = (1, 5, 10, 20, 50)
PROTOCOLS = {"sampled": "sampled", "full": "full catalogue"}
_METRICS = {"HR": hit_ratio, "NDCG": ndcg, "MRR": mrr}


def of_figure2(results: Path) -> list[Method]:
    """The models and sizes of results/figure2-ml-1m, as its figure shows them."""
    store = Store(results / "figure2-ml-1m")
    runs = store.runs()
    rows = completed(runs[(runs["split"] == "test") & runs["embedding_dim"].notna()]) if len(runs) else runs
    return [
        Method(f"{line.name} d={int(dim)}, {line.objective}", store, tuple(of["run_id"]))
        for line in (lines(rows) if len(rows) else [])
        for dim, of in line.rows.groupby("embedding_dim")
    ]


def table(methods: Sequence[Method], protocol: str) -> str:
    """A row per method, means over its runs: every metric at every k, and MRR without a cut-off."""
    head = [f"{name}@{k}" for name in _METRICS for k in KS]
    return markdown(
        f"| {PROTOCOLS[protocol]} | {' | '.join(head)} | MRR |", [[of.name, *_cells(of, protocol)] for of in methods]
    )


def _cells(of: Method, protocol: str) -> list[str]:
    ranks = np.stack([of.store.ranks(run_id)[protocol] for run_id in of.run_ids])
    values = [metric(ranks, k) for metric in _METRICS.values() for k in KS]
    return [f"{np.mean(value):.4f}" for value in [*values, mrr(ranks)]]
