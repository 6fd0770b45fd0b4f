"""The metrics of a result table: the column that holds each, what a reader calls it, how ranks give it.

hit_ratio@10, ndcg@10, mrr among the sampled candidates; full_hit_ratio@10 and so on in the full catalogue. Beside them
the share of the held-out items that tie with a candidate: tied, full_tied.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from ncfjax.evaluation.metrics import Metric, hit_ratio, mrr, ndcg

K = 10


class Column(NamedTuple):
    name: str  # of the metric
    protocol: str  # "sampled" | "full": which of the stored ranks
    metric: Metric
    k: int | None  # its cut-off

    @property
    def label(self) -> str:
        """ "HR@10", "full HR@10"."""
        return f"full {self.name}" if self.protocol == "full" else self.name

    @property
    def title(self) -> str:
        """Of a panel."""
        return f"{self.name}, {'full catalogue' if self.protocol == 'full' else 'sampled protocol'}"

    def of_ranks(
        self, ranks: Integer[np.ndarray, "*members users"], ties: Integer[np.ndarray, "*members users"] | None = None
    ) -> float | Float[np.ndarray, "*members"]:
        """The mean over users; with `ties` over their orders, too."""
        return self.metric(ranks, self.k) if ties is None else self.metric(ranks, self.k, ties)


_METRICS = {f"hit_ratio@{K}": (f"HR@{K}", hit_ratio, K), f"ndcg@{K}": (f"NDCG@{K}", ndcg, K), "mrr": ("MRR", mrr, None)}
METRIC_COLUMNS = {
    prefix + column: Column(name, protocol, metric, k)
    for prefix, protocol in (("", "sampled"), ("full_", "full"))
    for column, (name, metric, k) in _METRICS.items()
}
COLUMNS = {name: column for name, column in METRIC_COLUMNS.items() if column.k == K}  # what tables and figures show
SAMPLED = [name for name, column in COLUMNS.items() if column.protocol == "sampled"]  # what the papers report
# Of a residual: shares of its scores' variance (shares.py), and NDCG@10 without its network (ablation.py).
RESIDUAL_COLUMNS = (
    "network_share",  # the network's
    "network_interaction",  # the part of it that no bias of an item or a user could have
    "without_network_ndcg@10",
    "without_network_full_ndcg@10",
    "item_means_ndcg@10",  # with the network's mean score of each item instead of it
    "item_means_full_ndcg@10",
)
TIE_COLUMNS = {"tied": "sampled", "full_tied": "full"}  # column -> protocol
