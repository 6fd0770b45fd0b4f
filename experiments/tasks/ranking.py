"""What tasks share whose runs rank the held-out items of a data set: columns, metrics, tuning."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Float

from experiments.engine.task import Task
from experiments.tasks.data import DATA_COLUMNS, data_identity
from ncfjax.evaluation.columns import COLUMNS, METRIC_COLUMNS, K

if TYPE_CHECKING:  # ranking takes JAX, which tables do without
    from ncfjax.evaluation.ranking import Ranks


def metrics(ranks: "Ranks") -> dict[str, Float[np.ndarray, "*members"]]:
    """Metric -> its value per member: among the candidates, and (full_) in the whole catalogue."""
    by_protocol = {protocol: np.asarray(getattr(ranks, protocol)) for protocol in ("sampled", "full")}
    return {name: np.asarray(column.of_ranks(by_protocol[column.protocol])) for name, column in METRIC_COLUMNS.items()}


def values_of(ranks: "Ranks") -> dict[str, float]:
    """`metrics` of a single run."""
    return {name: float(value) for name, value in metrics(ranks).items()}


class RankedTask(Task):
    """A task whose configuration has a `dataset` and a `split`, and whose runs end in ranks."""

    tune_by = (f"ndcg@{K}", f"hit_ratio@{K}")
    best_by = f"ndcg@{K}"
    shown = {name: column.label for name, column in COLUMNS.items()}
    outcomes = frozenset({"epoch", *METRIC_COLUMNS})
    own_columns: ClassVar[Mapping[str, type | str]]  # `note`, and what its configuration fills

    @cached_property
    def columns(self) -> dict[str, type | str]:
        return {**DATA_COLUMNS, **self.own_columns, **dict.fromkeys(METRIC_COLUMNS, float)}

    def data_key(self, config: Any) -> str:
        return str(data_identity(config))
