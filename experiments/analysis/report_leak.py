"""The leak of the internship report's notebook: what its validation error claims, and what a clean test set says.

Its data were one file of ratings read four times, then split into training and validation rows: nearly every validation
row has a copy among the training rows. Each model is trained on the same ratings both ways, read once and read four
times; the test ratings were taken out before.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.analysis.runs import Runs
from ncfjax.store import Store

CURVES = ("rmse_validation", "rmse")


@dataclass(frozen=True, eq=False)
class LeakedModel(Runs):
    """The runs of one model, read once or four times."""

    model: str
    leak: bool

    @property
    def label(self) -> str:
        return f"{self.model}, {'read four times' if self.leak else 'read once'}"

    def curve(self, metric: str) -> pd.Series:
        """Epoch -> mean over the seeds. Raises ValueError where the runs have none."""
        curves = self.store.curves()
        mine = curves[curves["run_id"].isin(list(self.rows["run_id"])) & (curves["metric"] == metric)]
        if mine.empty:
            raise ValueError(f"{self.store.folder / 'curves.csv'}: expected {metric} of {self.label}, got none")
        return mine.groupby("epoch")["value"].mean()

    @property
    def best_epoch(self) -> int:
        """Of the validation error, by which the notebook would stop."""
        return int(self.curve("rmse_validation").idxmin())


def leaked_models(store: Store) -> list[LeakedModel]:
    """By model, read once first.

    Raises:
        ValueError: no run that set validation rows aside.
    """
    runs = store.runs()
    runs = runs[(runs["validation_share"] > 0) & (runs["status"] == "completed") & (runs["split"] == "test")]
    if runs.empty:
        raise ValueError("expected completed runs with validation rows, got none")
    groups = runs.groupby(["model", np.where(runs["leak"] == "true", True, False)], sort=True)
    return [LeakedModel(store, rows, model, bool(leak)) for (model, leak), rows in groups]
