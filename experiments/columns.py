"""The metrics of runs.csv that tables and figures show: what a reader calls them, and how ranks give them."""

from typing import NamedTuple

from ncfjax.evaluation.metrics import hit_ratio, ndcg
from ncfjax.evaluation.significance import Metric

K = 10


class Column(NamedTuple):
    name: str  # of the metric
    protocol: str  # "sampled" | "full": which of the stored ranks
    metric: Metric  # (ranks, K) -> its value

    @property
    def label(self) -> str:
        """ "HR@10", "full HR@10"."""
        return f"full {self.name}" if self.protocol == "full" else self.name

    @property
    def title(self) -> str:
        """Of a panel."""
        return f"{self.name}, {'full catalogue' if self.protocol == 'full' else 'sampled protocol'}"


COLUMNS = {
    f"hit_ratio@{K}": Column(f"HR@{K}", "sampled", hit_ratio),
    f"ndcg@{K}": Column(f"NDCG@{K}", "sampled", ndcg),
    f"full_hit_ratio@{K}": Column(f"HR@{K}", "full", hit_ratio),
    f"full_ndcg@{K}": Column(f"NDCG@{K}", "full", ndcg),
}
SAMPLED = [name for name, column in COLUMNS.items() if column.protocol == "sampled"]  # what the papers report
