"""What a search found, trial by trial: how its best score on the holdout grows with the number of trials.

A trial is one configuration: its short run and its long one, which differ in their number of epochs, are one. Its score
is the best of its curve by the metric that chose, with the first of its seeds. Trials are in the order in which they
were first stored. A curve that is still rising says that a larger budget would bring more.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.analysis.equal_budget import TunedModel
from experiments.analysis.lines import setting_columns
from ncfjax.store import Store

CHOSEN_BY = "ndcg@10"
_NOT_A_TRIALS = ("num_epochs", "note", "select_epoch", "score")


class Searched(NamedTuple):
    """The trials of one tuned model."""

    tuned: TunedModel
    scores: Float[np.ndarray, " trials"]  # on the holdout; NaN where every run of a trial diverged
    seconds: float  # of training, all of them

    @property
    def best_so_far(self) -> Float[np.ndarray, " trials"]:
        return np.fmax.accumulate(self.scores)


def searched(models: Sequence[TunedModel], store: Store) -> list[Searched]:
    """Of every tuned model that has trials, in their order."""
    curves = store.curves()
    best = curves[curves["metric"] == CHOSEN_BY].groupby("run_id")["value"].max()
    return [_searched(tuned, best) for tuned in models if len(tuned.tried)]


def _searched(tuned: TunedModel, best) -> Searched:
    tried = tuned.tried[tuned.tried["seed"] == tuned.tried["seed"].iloc[0]]  # the best have more in the end
    rows = tried.assign(score=tried["run_id"].map(best))
    settings = [column for column in setting_columns(rows) if column not in _NOT_A_TRIALS]
    trials = rows.groupby(["objective", *settings], sort=False, dropna=False)["score"].max()
    return Searched(tuned, trials.to_numpy(float), float(tuned.tried["train_seconds"].sum()))
