"""Models of ratings: the errors that each makes on the folds of a data set, and who is better by the pairwise rule.

Read are final runs of a tuning, or runs that were never tuned, on the test ratings, without the leak of the report's
notebook. Folds of other sizes are other data, and runs that were not tuned stand together only where they have the same
hyperparameters, so that a run that a study does not have changes none of its numbers. A model's folds stand together:
one run is the errors that one seed makes on all of them, and a seed that was not on every fold counts nothing. What a
user adds is its squared error over all folds; the mean over users is the mean squared error of all test ratings:

    -(sum of the user's squared errors) * users / test ratings          negated: of a metric more is better
"""

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
_DATA = ["dataset", "folds", "fold_count", "test_share", "fold_seed"]
_MODEL = ["model", "embedding_dim", "features"]
# Of a run that was not tuned; of one that was, the holdout of its fold chose them.
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
    setup: str  # what tells it from others of its name: "not tuned, regularization 3"; mostly empty

    @property
    def name(self) -> str:
        size = f" d={self.embedding_dim}" if self.embedding_dim else ""
        known = f" ({self.features.replace('_', ' and ')})" * bool(self.features)
        return self.model.replace("_", " ") + size + known + f" [{self.setup}]" * bool(self.setup)

    @property
    def label(self) -> str:
        return self.name

    @cached_property
    def by_seed(self) -> list[pd.DataFrame]:
        """The rows of each seed that was on every fold, a fold each."""
        seeds = [rows for _, rows in self.rows.groupby(self.rows["seed"].fillna(0))]
        return [rows for rows in seeds if len(rows) == self.num_folds]

    @cached_property
    def num_folds(self) -> int:
        """The most that a seed has."""
        return int(self.rows.groupby(self.rows["seed"].fillna(0)).size().max())

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
        arrays = self._arrays(pd.concat(self.by_seed))
        return {side: _bins(arrays, side) for side in ("users", "items")}


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
    is_clean = (runs["split"] == "test") & (runs["status"] == "completed") & (runs["leak"] != "true")
    runs = runs[is_clean & (runs["phase"] != "tune") & ~(runs["validation_share"] > 0)]
    if runs.empty:
        raise ValueError("expected completed runs on test ratings, got none")
    return [
        _data(*data[:2], setting_text(dict(zip(_DATA[2:], data[2:], strict=True))), _models(store, rows))
        for data, rows in runs.groupby(_DATA, dropna=False, sort=False)
    ]


def setting_text(values: Mapping[str, Any]) -> str:
    """ "fold_count 10, fold_seed 1"; what is empty is left out."""
    shown = {name: value for name, value in values.items() if not (pd.isna(value) or value == "")}
    return ", ".join(f"{name} {f'{x:g}' if isinstance(x, float) else x}" for name, x in shown.items())


def _models(store: Store, runs: pd.DataFrame) -> list[RatedModel]:
    """A model for each setting of its runs on one kind of folds."""
    models = []
    for name, rows in runs.groupby(_MODEL, dropna=False, sort=False):
        phases = rows["phase"]
        settings = rows[_HYPERPARAMETERS].where(phases == "run")  # blank where it was tuned
        varied = [column for column in settings if settings[column][phases == "run"].nunique(dropna=False) > 1]
        for _, group in rows.groupby([phases, *(settings[column] for column in varied)], dropna=False, sort=False):
            is_other = group["phase"].iloc[0] == "run" and phases.nunique() > 1
            setting = setting_text(settings.loc[group.index[0], varied].to_dict())
            models.append(_model(store, group, *name, ", ".join(filter(None, ["not tuned" * is_other, setting]))))
    return models


def _model(store: Store, rows: pd.DataFrame, model: str, dim: float, features: str, setup: str) -> RatedModel:
    rated = RatedModel(store, rows, model, None if pd.isna(dim) else int(dim), features, setup)
    if rows.duplicated(["fold", "seed"]).any():
        raise ValueError(f"{rated.name}: expected one run per fold and seed in {store.folder}, got {len(rows)}")
    return rated


def _data(dataset: str, folds: str, sizes: str, models: list[RatedModel]) -> RatedData:
    models = sorted(models, key=lambda model: -model.mean(ERROR).mean)
    most = max(model.num_folds for model in models)
    whole = [model for model in models if model.num_folds == most]  # the others were not run on every fold yet
    pairs = [(ours, other) for place, other in enumerate(whole) for ours in whole[place + 1 :]]
    return RatedData(dataset, folds, sizes, models, pairwise_tests(pairs, ERROR))
