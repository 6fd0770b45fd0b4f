"""What tasks share whose runs rank the held-out items of a data set: columns, metrics, tuning."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Float

from experiments.engine.task import Task
from experiments.tasks.data import DATA_COLUMNS, data_identity
from ncfjax.evaluation.metrics import hit_ratio, mrr, ndcg

if TYPE_CHECKING:  # ranking takes JAX, which tables do without
    from ncfjax.evaluation.ranking import Ranks

K = 10
_METRICS = {f"hit_ratio@{K}": lambda ranks: hit_ratio(ranks, K), f"ndcg@{K}": lambda ranks: ndcg(ranks, K), "mrr": mrr}
# Among the sampled candidates, and in the full catalogue.
METRIC_COLUMNS: Mapping[str, type] = {f"{protocol}{metric}": float for protocol in ("", "full_") for metric in _METRICS}


def metrics(ranks: "Ranks") -> dict[str, Float[np.ndarray, "*members"]]:
    """Metric -> its value per member: among the candidates, and (full_) in the whole catalogue."""
    return {
        prefix + name: np.asarray(metric(np.asarray(protocol)))
        for prefix, protocol in (("", ranks.sampled), ("full_", ranks.full))
        for name, metric in _METRICS.items()
    }


def values_of(ranks: "Ranks") -> dict[str, float]:
    """`metrics` of a single run."""
    return {name: float(value) for name, value in metrics(ranks).items()}


class RankedTask(Task):
    """A task whose configuration has a `dataset` and a `split`, and whose runs end in ranks."""

    tune_by = (f"ndcg@{K}", f"hit_ratio@{K}")
    best_by = f"ndcg@{K}"
    shown = {
        f"hit_ratio@{K}": f"HR@{K}",
        f"ndcg@{K}": f"NDCG@{K}",
        f"full_hit_ratio@{K}": f"full HR@{K}",
        f"full_ndcg@{K}": f"full NDCG@{K}",
    }
    outcomes = frozenset({"epoch", *METRIC_COLUMNS})
    own_columns: ClassVar[Mapping[str, type | str]]  # `note`, and what its configuration fills

    @cached_property
    def columns(self) -> dict[str, type | str]:
        return {**DATA_COLUMNS, **self.own_columns, **METRIC_COLUMNS}

    def data_key(self, config: Any) -> str:
        return str(data_identity(config))
