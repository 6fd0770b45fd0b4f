"""What tasks share whose runs rank the held-out items of a data set: columns, metrics, what to note, tuning."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Float, Integer

from experiments.engine.task import DataName, Task
from experiments.tasks.data import DATA_COLUMNS, data_identity, described
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.columns import COLUMNS, METRIC_COLUMNS, TIE_COLUMNS, K
from ncfjax.evaluation.ranking_rules import STRICT, Rules
from ncfjax.evaluation.remarks import of_ties, of_too_few_hits, shares_tied

if TYPE_CHECKING:  # ranking takes JAX, which tables do without
    from ncfjax.evaluation.ranking import Ranking


def metrics(ranking: "Ranking", rules: Rules = STRICT) -> dict[str, Float[np.ndarray, "*members"]]:
    """Metric -> its value per member: among the candidates, and (full_) in the whole catalogue."""
    ranks = {protocol: np.asarray(getattr(ranking, protocol)) for protocol in ("sampled", "full")}
    ties = {protocol: _ties(ranking)[protocol] if rules.ties == "average" else None for protocol in ranks}
    return {
        name: np.asarray(column.of_ranks(ranks[column.protocol], ties[column.protocol]))
        for name, column in METRIC_COLUMNS.items()
    }


def values_of(ranking: "Ranking", rules: Rules = STRICT) -> dict[str, float]:
    """`metrics` of a single run."""
    return {name: float(value) for name, value in metrics(ranking, rules).items()}


def shares_of(ranking: "Ranking") -> dict[str, float]:
    """The cells of a single run that tell of its ties."""
    return shares_tied(_ties(ranking))


def remarks_of(cells: Mapping[str, Any], data: LeaveOneOut) -> list[str]:
    """What is worth noting of the cells of a single run, its ties among them."""
    users, negatives = data.held_out.negatives.shape
    return [*of_ties(cells), *of_too_few_hits(cells[f"hit_ratio@{K}"], users, negatives)]


def _ties(ranking: "Ranking") -> dict[str, Integer[np.ndarray, "*members users"]]:
    return {"sampled": np.asarray(ranking.sampled_ties), "full": np.asarray(ranking.full_ties)}


class RankedTask(Task):
    """A task whose configuration has a `dataset` and a `split`, and whose runs end in ranks."""

    tune_by = (f"ndcg@{K}", f"hit_ratio@{K}")
    best_by = (f"ndcg@{K}",)
    shown = {name: column.label for name, column in COLUMNS.items()}
    outcomes = frozenset({"content", "epoch", *METRIC_COLUMNS, *TIE_COLUMNS})
    own_columns: ClassVar[Mapping[str, type | str]]  # `note`, and what its configuration fills

    @cached_property
    def columns(self) -> dict[str, type | str]:
        return {**DATA_COLUMNS, **self.own_columns, **dict.fromkeys([*METRIC_COLUMNS, *TIE_COLUMNS], float)}

    def data_key(self, config: Any) -> str:
        return str(data_identity(config))

    def data_name(self, config: Any) -> DataName | None:
        return described(config)
