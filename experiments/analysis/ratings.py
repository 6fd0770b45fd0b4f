"""Models of ratings: the errors that each makes on the folds of a data set, and who is better by the pairwise rule.

Read are final runs of a tuning, or runs that were never tuned, on the test ratings, without the leak of the report's
notebook. A run that a study does not have changes no error of a model:

    data      ratings of other number, and folds of other sizes, are other data
    folds     those that most models were run on; a seed, or a model, that was not on all of them counts nothing
    tuned     the newest choice of a fold; the final runs of a smaller grid are no longer read
    untuned   runs stand together only where they have the same hyperparameters

It may add a model, and so a pair to correct for. One run is the errors that one seed makes on all folds. What a user
adds is its squared error over all folds; the mean over users is the mean squared error of all test ratings:

    -(sum of the user's squared errors) * users / test ratings          negated: of a metric more is better
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from experiments.analysis.pairwise import PairwiseTest, pairwise_tests
from experiments.analysis.runs import Runs
from ncfjax.evaluation.intervals import SeedMean, seed_mean
from ncfjax.store import Store

ERROR = "rmse"
_DATA = ["dataset", "folds", "fold_count", "test_share", "fold_seed", "num_ratings"]
_MODEL = ["model", "embedding_dim", "features", "num_members"]
# Of a run that was not tuned. Of one that was, the holdout of its fold chose them.
_HYPERPARAMETERS = [
    "user_damping", "item_damping", "learning_rate", "decay", "regularization", "bias_regularization",
    "feature_regularization", "nu", "stddev", "num_epochs", "optimizer", "batch_size", "biases", "layers",
    "regularize_weights", "frozen_constants", "gmf_sigmoid",
]  # fmt: skip
EDGES = (0, 1, 5, 10, 20, 50, 100, 200, 500)  # of the numbers of training ratings that are shown together


class Bin(NamedTuple):
    """Test ratings of users, or items, that have so many training ratings."""

    low: int
    high: int | None  # inclusive; None: any number from `low` on
    rmse: float
    num_ratings: int

    @property
    def label(self) -> str:
        return f"{self.low}+" if self.high is None else f"{self.low}" + f"-{self.high}" * (self.high > self.low)


@dataclass(frozen=True, eq=False)
class RatedModel(Runs):
    """Runs of one model on the folds of a data set."""

    model: str
    embedding_dim: int | None
    features: str
    num_members: int | None  # of an ensemble
    setup: str  # what tells it from others of its name: "not tuned, regularization 3"; mostly empty
    diverged: int  # runs that are not among its rows

    @property
    def name(self) -> str:
        size = f" d={self.embedding_dim}" if self.embedding_dim else ""
        known = f" ({self.features.replace('_', ' and ')})" * bool(self.features)
        many = f" of {self.num_members}" if self.num_members else ""
        setup = ", ".join(filter(None, [self.setup, f"{self.diverged} diverged" * bool(self.diverged)]))
        return self.model.replace("_", " ") + many + size + known + f" [{setup}]" * bool(setup)

    @property
    def label(self) -> str:
        return self.name

    @cached_property
    def by_seed(self) -> list[pd.DataFrame]:
        """The rows of each seed, a fold each."""
        return [rows for _, rows in self.rows.groupby(self.rows["seed"].fillna(0))]

    @property
    def num_folds(self) -> int:
        return self.rows["fold"].nunique()

    def mean(self, column: str) -> SeedMean:
        """Over the seeds, each a mean over its folds."""
        return seed_mean(np.array([rows[column].mean() for rows in self.by_seed]))

    def per_user(self, column: str) -> Float[np.ndarray, "seeds users"]:
        """What every user adds to the negated mean squared error, whose root is `rmse`."""
        if column != ERROR:
            raise ValueError(f"expected {ERROR}, which a user's squared errors add up to, got {column}")
        values = []
        for rows in self.by_seed:
            squared = sum(fold["users_squared_error"].astype(float) for fold in self._arrays(rows))
            values.append(-squared * len(squared) / sum(fold["users_test"].sum() for fold in self._arrays(rows)))
        return np.stack(values)

    def _arrays(self, rows: pd.DataFrame) -> list:
        return [self.store.ranks(run_id) for run_id in rows["run_id"]]

    @cached_property
    def bins(self) -> dict[str, list[Bin]]:
        """ "users" | "items" -> the error by the number of training ratings, all folds and seeds together."""
        return {side: _bins(self._arrays(self.rows), side) for side in ("users", "items")}


class RatedData(NamedTuple):
    """The models of one data set and one kind of folds, the best last."""

    dataset: str
    folds: str  # random | official | ...
    sizes: str  # of the folds: "fold_count 10", empty where they are those of conf/folds
    models: list[RatedModel]
    tests: list[PairwiseTest]  # of every two models


def _bins(arrays: Sequence, side: str) -> list[Bin]:
    train, test, squared = (
        np.concatenate([fold[f"{side}_{what}"] for fold in arrays]) for what in ("train", "test", "squared_error")
    )
    places, bins = np.searchsorted(EDGES, train, side="right") - 1, []
    for place, low in enumerate(EDGES):
        inside, high = places == place, EDGES[place + 1] - 1 if place + 1 < len(EDGES) else None
        if num_ratings := int(test[inside].sum()):
            bins.append(Bin(low, high, float(np.sqrt(squared[inside].sum() / num_ratings)), num_ratings))
    return bins


def rated_data(store: Store) -> list[RatedData]:
    """By data set and kind of folds.

    Raises:
        ValueError: no such run; several runs of a model on one fold by one seed.
        StoreError: what was kept of a run is missing.
    """
    runs = store.runs()
    is_clean = (runs["split"] == "test") & (runs["leak"] != "true") & ~(runs["validation_share"] > 0)
    runs = runs[is_clean & (runs["phase"] != "tune")]
    if not (runs["status"] == "completed").any():
        raise ValueError("expected completed runs on test ratings, got none")
    runs = runs.assign(num_ratings=runs["num_train"] + runs["num_test"])
    groups = [(data, _models(store, rows)) for data, rows in runs.groupby(_DATA, dropna=False, sort=False)]
    groups = [(data, models) for data, models in groups if models]
    named_alike = Counter(str(data[:-1]) for data, _ in groups)
    return [_data(data if named_alike[str(data[:-1])] > 1 else data[:-1], models) for data, models in groups]


def setting_text(values: Mapping[str, Any]) -> str:
    """ "fold_count 10, fold_seed 1"; what is empty is left out."""
    shown = {name: value for name, value in values.items() if not (pd.isna(value) or value == "")}
    return ", ".join(f"{name} {f'{x:g}' if isinstance(x, float) else x}" for name, x in shown.items())


def _models(store: Store, runs: pd.DataFrame) -> list[RatedModel]:
    """A model for each setting of its runs, on the folds that most of them were run on."""
    found = []
    for name, rows in runs.groupby(_MODEL, dropna=False, sort=False):
        phases = rows["phase"]
        settings = rows[_HYPERPARAMETERS].where(phases == "run")  # blank where it was tuned
        varied = [column for column in settings if settings[column][phases == "run"].nunique(dropna=False) > 1]
        for _, group in rows.groupby([phases, *(settings[column] for column in varied)], dropna=False, sort=False):
            is_other = group["phase"].iloc[0] == "run" and phases.nunique() > 1
            setting = setting_text(settings.loc[group.index[0], varied].to_dict())
            setup = ", ".join(filter(None, ["not tuned" * is_other, setting]))
            found.append((name, setup, group if group["phase"].iloc[0] == "run" else _newest_choice(group)))
    folds = _usual_folds([group for _, _, group in found])
    return [model for name, setup, group in found if len(model := _model(store, group, folds, name, setup))]


def _newest_choice(finals: pd.DataFrame) -> pd.DataFrame:
    """Of the final runs of each fold, those with the hyperparameters of the latest."""
    kept = []
    for _, rows in finals.groupby("fold"):
        newest = rows.loc[rows["started_at"].idxmax(), _HYPERPARAMETERS]
        is_newest = [(row == newest) | (row.isna() & newest.isna()) for _, row in rows[_HYPERPARAMETERS].iterrows()]
        kept.append(rows[[bool(same.all()) for same in is_newest]])
    return pd.concat(kept)


def _usual_folds(groups: list[pd.DataFrame]) -> frozenset[int]:
    """The folds that most models were run on; of several such sets that which most others hold, then the largest."""
    counts = Counter(frozenset(group["fold"]) for group in groups)
    return max(counts, key=lambda folds: (counts[folds], sum(folds <= other for other in counts), len(folds)))


def _model(store: Store, group: pd.DataFrame, folds: frozenset[int], name: tuple, setup: str) -> RatedModel:
    """Of the seeds that completed all of the folds."""
    done = group[(group["status"] == "completed") & group["fold"].isin(folds)]
    rows = done[done.groupby(done["seed"].fillna(0))["fold"].transform("nunique") == len(folds)]
    model, dim, features, members = (None if pd.isna(part) else part for part in name)
    dim, members = (size and int(size) for size in (dim, members))
    diverged = int((group["status"] == "diverged").sum())
    rated = RatedModel(store, rows, model, dim, features or "", members, setup, diverged)
    if rows.duplicated(["fold", "seed"]).any():
        raise ValueError(f"{rated.name}: expected one run per fold and seed in {store.folder}, got {len(rows)}")
    return rated


def _data(data: tuple, models: list[RatedModel]) -> RatedData:
    """`data` are values of _DATA, the number of ratings only where other ratings go by the same names."""
    models = sorted(models, key=lambda model: -model.mean(ERROR).mean)
    pairs = [(ours, other) for place, other in enumerate(models) for ours in models[place + 1 :]]
    sizes = setting_text(dict(zip(_DATA[2:], data[2:], strict=False)))
    return RatedData(*data[:2], sizes, models, pairwise_tests(pairs, ERROR))
