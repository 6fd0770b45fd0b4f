"""What a search found, trial by trial: how its best score on the holdout grows with the number of trials.

A trial is one configuration: its short run and its long one, which differ in their number of epochs, are one. Its score
is the best of its curve by the metric that chose. Trials are in the order in which they were first stored. A curve that
is still rising says that a larger budget would bring more.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from experiments.analysis.lines import setting_columns
from ncfjax.store import Store

CHOSEN_BY = "ndcg@10"
_NOT_A_TRIALS = ("num_epochs", "note", "select_epoch")


class Searched(NamedTuple):
    """The trials of one model at one size."""

    model: str
    embedding_dim: int
    scores: Float[np.ndarray, " trials"]  # on the holdout; NaN where every run of a trial diverged
    seconds: float  # of training, all of them

    @property
    def best_so_far(self) -> Float[np.ndarray, " trials"]:
        return np.fmax.accumulate(self.scores)


def searched(store: Store) -> list[Searched]:
    """Per model and size, in the order of the table."""
    runs = store.runs()
    tried = runs[(runs["phase"] == "tune") & (runs["split"] == "holdout")]
    curves = store.curves()
    best = curves[curves["metric"] == CHOSEN_BY].groupby("run_id")["value"].max()
    tried = tried.assign(score=tried["run_id"].map(best))
    groups = tried.groupby(["model", "embedding_dim"], sort=False)
    return [_searched(model, int(dim), rows) for (model, dim), rows in groups]


def _searched(model: str, dim: int, rows: pd.DataFrame) -> Searched:
    settings = [column for column in setting_columns(rows) if column not in _NOT_A_TRIALS and column != "score"]
    trials = rows.groupby(["objective", *settings], sort=False, dropna=False)["score"].max()
    return Searched(model, dim, trials.to_numpy(float), float(rows["train_seconds"].sum()))
