"""Learned similarities against the dot product of the same embedding_dim, each as a tuning left it.

Read are the final runs of a tuning: one tuned setting per model and size, several seeds, on the test split.

    difference    mean over users of a learned similarity's metric less that of the dot product, each averaged over its
                  seeds; its interval is for other users and other seeds
    p-value       of Wilcoxon's signed-rank test of the users' differences, corrected by Holm over all sizes and models
                  in the same metric and protocol: each of these four columns is a family of its own
    winner        the better of the two, or "no difference" where the interval holds 0 or the corrected p >= 0.05

The winner of a size is the learned similarity that beats the dot product, by most if there are several; "dot" if the
dot product beats all of that size; else "no difference". Learned similarities are not tested against each other.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Integer

from experiments.columns import COLUMNS, K
from experiments.lines import MODELS, SETTINGS, completed, is_pretrained, settings
from ncfjax.evaluation.significance import Comparison, compare, holm
from ncfjax.store import Store

LEVEL = 0.05
BASE, NO_DIFFERENCE = "dot", "no difference"
FREE_WEIGHTS = ", weights free"


def verdict(found: Comparison, p_value: float, ours: str, other: str) -> str:
    """The better of two, or NO_DIFFERENCE where the interval holds 0 or the corrected p-value is not below LEVEL."""
    if found.low <= 0.0 <= found.high or p_value >= LEVEL:
        return NO_DIFFERENCE
    return ours if found.low > 0.0 else other


class Tuned(NamedTuple):
    """One model at one size."""

    dataset: str
    model: str  # as in conf/model/
    pretrained: bool
    free_weights: bool  # its own weights pay no penalty
    embedding_dim: int
    rows: pd.DataFrame  # completed final runs, all of one setting
    num_diverged: int  # of the final runs
    tried: pd.DataFrame  # tuning runs, diverged ones too

    @property
    def name(self) -> str:
        return self.model + ", pretrained" * self.pretrained + FREE_WEIGHTS * self.free_weights

    @property
    def order(self) -> tuple[int, int, bool, bool]:
        """By size, each size in the order of MODELS."""
        known = list(MODELS)
        place = known.index(self.model) if self.model in known else len(known)
        return self.embedding_dim, place, self.pretrained, self.free_weights


class Duel(NamedTuple):
    """A learned similarity against the dot product of its size, by one column of runs.csv."""

    ours: Tuned
    column: str
    comparison: Comparison
    p_value: float  # corrected

    @property
    def winner(self) -> str:
        """The name of the model, "dot" or "no difference"."""
        return verdict(self.comparison, self.p_value, self.ours.name, BASE)


def tuned(runs: pd.DataFrame) -> list[Tuned]:
    """The tuned models of a study, in order.

    Raises:
        ValueError: no final run on the test split, several data sets, or several settings of a model at one size.
    """
    final = runs[(runs["phase"] == "final") & (runs["split"] == "test")]
    if final.empty:
        found = ", ".join(f"{n} {' '.join(kind)}" for kind, n in runs.groupby(["phase", "split"]).size().items())
        raise ValueError(f"expected final runs of a tuning on the test split, got {found or 'none'}")
    for column in ("dataset", "negatives"):
        if final[column].nunique() > 1:
            raise ValueError(f"expected final runs of one {column}, got {'; '.join(final[column].unique())}")
    tries = dict(iter(_by_size(runs[runs["phase"] == "tune"])))
    found = []
    for (dim, model, *kind), of in _by_size(final):
        rows, num_diverged = completed(of), int((of["status"] == "diverged").sum())
        tried = tries.get((dim, model, *kind), runs[:0])
        found.append(Tuned(of["dataset"].iloc[0], model, *kind, int(dim), rows, num_diverged, tried))
        _check_one_setting(found[-1])
    return sorted(found, key=lambda of: of.order)


def _by_size(rows: pd.DataFrame):
    free_weights = rows["regularize_weights"] == "false"
    return rows.groupby([rows["embedding_dim"], rows["model"], is_pretrained(rows), free_weights])


def _check_one_setting(of: Tuned) -> None:
    if len(of.rows[["objective", *SETTINGS]].drop_duplicates()) > 1:
        found = sorted({setting.replace("\n", ", ") for setting in of.rows["objective"] + "\n" + settings(of.rows)})
        raise ValueError(
            f"{of.name} d={of.embedding_dim}: expected final runs of one tuned setting, got {'; '.join(found)}"
        )


def duels(store: Store, models: Sequence[Tuned]) -> list[Duel]:
    """Every learned similarity against the dot product of its size, where both have a completed run.

    Raises:
        ValueError, StoreError: ranks that are missing, or of other users.
    """
    bases = {of.embedding_dim: of for of in models if of.model == BASE and len(of.rows)}
    ours = [of for of in models if of.model != BASE and len(of.rows) and of.embedding_dim in bases]
    found = []
    for column, (_, protocol, metric) in COLUMNS.items():
        comparisons = [
            compare(_ranks(store, of, protocol), _ranks(store, bases[of.embedding_dim], protocol), metric, K)
            for of in ours
        ]
        p_values = holm(np.array([comparison.p_value for comparison in comparisons], float))
        found += map(Duel, ours, [column] * len(ours), comparisons, p_values.tolist())
    return found


def _ranks(store: Store, of: Tuned, protocol: str) -> Integer[np.ndarray, "seeds users"]:
    return np.stack([store.ranks(run_id)[protocol] for run_id in of.rows["run_id"]])


def unpaired(models: Sequence[Tuned], found: Sequence[Duel]) -> list[Tuned]:
    """The learned similarities that are in no duel."""
    tested = {duel.ours.order for duel in found}
    return [of for of in models if of.model != BASE and of.order not in tested]


def winner(of_size: Sequence[Duel]) -> str:
    """Of all the duels of one size, by one column."""
    beating = [duel for duel in of_size if duel.winner == duel.ours.name]
    if beating:
        return max(beating, key=lambda duel: duel.comparison.difference).ours.name
    return BASE if all(duel.winner == BASE for duel in of_size) else NO_DIFFERENCE
