"""Distillation of a recommender: what is lost where a network that learned its scores ranks in its place.

RMSE        of the network against the scores of the dot model, on pairs that it was not trained on
difference  HR@10 or NDCG@10 of the network's ranking less that of the dot model, users paired, with the 95 %
            interval of `significance.compare`: for other users and other seeds. It takes the seeds of both as
            unpaired, though a network's teacher has its seed: up to a quarter too wide or too narrow
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.analysis.figure3 import SETUP, setup_text
from experiments.analysis.metrics import COLUMNS, K, SeedMean, seed_mean
from ncfjax.evaluation.significance import Comparison, compare
from ncfjax.store import Store

_NETWORK = ("activation", "product", "bilinear", "schedule", "learning_rate", "batch_size", "num_epochs")
_USUAL: dict[str, Any] = {name: SETUP[name] for name in _NETWORK} | {"noise": 0.0}
# What the seeds of a cell share: other data, or another teacher, are no other seed.
_SAME = ("dataset", "negatives", "note", "num_users", "num_items", "teacher", "embedding_dim", "parameters", "layers")
LOST = ("hit_ratio@10", "ndcg@10", "full_ndcg@10")


class DistilledCell(NamedTuple):
    """The runs of one network on one number of pairs."""

    dataset: str
    teacher: str
    embedding_dim: int
    layers: str
    setup: str  # what differs from the study's network beside the layers
    pairs_per_user: int
    rows: pd.DataFrame  # completed
    lost: dict[str, Comparison]  # column -> the network's less the dot model's
    diverged: int

    def mean(self, column: str) -> SeedMean:
        return seed_mean(self.rows[column])


def distilled_cells(store: Store, run_ids: set[str] | None = None) -> list[DistilledCell]:
    """In the order of their sizes; of some runs, or of all.

    Raises:
        ValueError: no run of a distillation.
        StoreError: ranks are missing.
    """
    runs = store.runs()
    runs = runs[runs["target"] == "recommender"]
    if run_ids is not None:
        runs = runs[runs["run_id"].isin(list(run_ids))]
    if runs.empty:
        raise ValueError("expected runs of target=recommender, got none")
    setups = pd.Series([setup_text(row, _USUAL) for row in runs.to_dict("records")], index=runs.index, dtype=str)
    groups = runs.assign(setup=setups).groupby([*_SAME, "setup", "pairs_per_user"])
    return [_cell(store, rows) for _, rows in groups]


def _cell(store: Store, rows: pd.DataFrame) -> DistilledCell:
    first, sound = rows.iloc[0], rows[rows["status"] == "completed"]
    ranks = [store.ranks(run_id) for run_id in sound["run_id"]]
    return DistilledCell(
        first["dataset"], first["teacher"], int(first["embedding_dim"]), first["layers"], first["setup"],
        int(first["pairs_per_user"]), sound, {column: lost(ranks, column) for column in LOST if ranks},
        len(rows) - len(sound),
    )  # fmt: skip


def lost(ranks: list[dict[str, np.ndarray]], column: str) -> Comparison:
    """The network's metric less the dot model's, from the ranks of each seed."""
    _, protocol, metric = COLUMNS[column]
    return compare(*(np.stack([run[prefix + protocol] for run in ranks]) for prefix in ("", "dot_")), metric, K)
