"""Models of ratings: the errors that each makes on the folds of a data set, and who is better by the pairwise rule.

Read are final runs of a tuning, or runs that were never tuned, on the test ratings, without the leak of the report's
notebook. A model's folds stand together: one run is the errors that one seed makes on all of them, and what a user adds
is its squared error over all folds, so that the mean over users is the mean squared error of all test ratings:

    -(sum of the user's squared errors) * users / test ratings          negated: of a metric more is better
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from experiments.analysis.pairwise import PairwiseTest, pairwise_tests
from experiments.analysis.runs import Runs
from ncfjax.evaluation.intervals import SeedMean, seed_mean
from ncfjax.store import Store

ERROR = "rmse"
_SETTING = ["dataset", "folds", "model", "embedding_dim", "features"]
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

    dataset: str
    folds: str  # random | official | ...
    model: str
    embedding_dim: int | None
    features: str

    @property
    def name(self) -> str:
        size = f" d={self.embedding_dim}" if self.embedding_dim else ""
        return self.model.replace("_", " ") + size + f" ({self.features.replace('_', ' and ')})" * bool(self.features)

    @property
    def label(self) -> str:
        return f"{self.dataset} {self.folds} {self.name}"

    @property
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
    folds: str
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
    is_clean = (runs["split"] == "test") & (runs["status"] == "completed") & (runs["leak"] == "")
    runs = runs[is_clean & (runs["phase"] != "tune") & ~(runs["validation_share"] > 0)]
    if runs.empty:
        raise ValueError("expected completed runs on test ratings, got none")
    groups: dict[tuple[str, str], list[RatedModel]] = {}
    for (dataset, folds, model, dim, features), rows in runs.groupby(_SETTING, dropna=False, sort=False):
        rated = RatedModel(store, rows, dataset, folds, model, None if pd.isna(dim) else int(dim), features)
        if rows.duplicated(["fold", "seed"]).any():
            raise ValueError(f"{rated.label}: expected one run per fold and seed in {store.folder}, got {len(rows)}")
        groups.setdefault((dataset, folds), []).append(rated)
    return [_data(*key, models) for key, models in groups.items()]


def _data(dataset: str, folds: str, models: list[RatedModel]) -> RatedData:
    models = sorted(models, key=lambda model: -model.mean(ERROR).mean)
    most = max(model.num_folds for model in models)
    whole = [model for model in models if model.num_folds == most]  # the others were not run on every fold yet
    pairs = [(ours, other) for place, other in enumerate(whole) for ours in whole[place + 1 :]]
    return RatedData(dataset, folds, models, pairwise_tests(pairs, ERROR))
