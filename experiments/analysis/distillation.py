"""Distillation of a recommender: what is lost where a network that learned its scores ranks in its place.

RMSE        of the network against the scores of the dot model, on pairs that it was not trained on
difference  HR@10 or NDCG@10 of the network's ranking less that of the dot model that it learned from, users and
            seeds paired, with the 95 % interval of `significance.compare`: for other users and other seeds
"""

from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from experiments.analysis.figure3 import setup_text
from experiments.analysis.lines import settings_of
from experiments.analysis.published import figure3
from experiments.analysis.runs import Runs
from ncfjax.evaluation.columns import COLUMNS, K
from ncfjax.evaluation.significance import Comparison, compare
from ncfjax.store import Store

_NETWORK = ("activation", "product", "bilinear", "schedule", "learning_rate", "batch_size", "num_epochs")
# What the seeds of a cell share: other data, or another teacher, are no other seed.
_SAME = ("dataset", "negatives", "note", "num_users", "num_items", "teacher", "embedding_dim", "parameters", "layers")
LOST = ("hit_ratio@10", "ndcg@10", "full_ndcg@10")


@dataclass(frozen=True, eq=False)
class DistilledCell(Runs):
    """The runs of one network on one number of pairs."""

    dataset: str
    teacher: str
    embedding_dim: int
    layers: str
    setup: str  # what differs from the study's network beside the layers
    pairs_per_user: int
    diverged: int

    @cached_property
    def lost(self) -> dict[str, Comparison]:
        """Column -> the network's metric less the dot model's.

        Raises:
            StoreError: ranks are missing.
        """
        ranks = {protocol: self.ranks(protocol) for protocol in ("sampled", "dot_sampled", "full", "dot_full")}
        shown = {name: COLUMNS[name] for name in LOST}
        return {
            name: compare(
                ranks[column.protocol], ranks[f"dot_{column.protocol}"], column.metric, K, seeds_are_paired=True
            )
            for name, column in shown.items()
        }


def distilled_cells(store: Store, run_ids: Set[str] | None = None) -> list[DistilledCell]:
    """In the order of their sizes; of some runs, or of all.

    Raises:
        ValueError: no run of a distillation.
    """
    runs = store.runs()
    runs = runs[runs["target"] == "recommender"]
    if run_ids is not None:
        runs = runs[runs["run_id"].isin(list(run_ids))]
    if runs.empty:
        raise ValueError("expected runs of target=recommender, got none")
    usual = {name: figure3().setup[name] for name in _NETWORK} | {"noise": 0.0}
    setups = pd.Series([setup_text(row, usual) for row in runs.to_dict("records")], index=runs.index, dtype=str)
    groups = runs.assign(setup=setups, note=settings_of(runs["note"])).groupby([*_SAME, "setup", "pairs_per_user"])
    return [_cell(store, rows) for _, rows in groups]


def _cell(store: Store, rows: pd.DataFrame) -> DistilledCell:
    first, sound = rows.iloc[0], rows[rows["status"] == "completed"]
    network = first["layers"], first["setup"], int(first["pairs_per_user"])
    teacher = first["dataset"], first["teacher"], int(first["embedding_dim"])
    return DistilledCell(store, sound, *teacher, *network, len(rows) - len(sound))
