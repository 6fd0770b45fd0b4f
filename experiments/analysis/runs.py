"""Runs that stand together for one way to rank: a method, a tuned model, a cell of a figure."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from ncfjax.evaluation.columns import COLUMNS
from ncfjax.evaluation.intervals import SeedMean, half_width_over_users, seed_mean
from ncfjax.store import Store


@dataclass(frozen=True, eq=False)
class Runs:
    """Completed runs of one setting."""

    store: Store | None  # None: nothing was run
    rows: pd.DataFrame  # one per seed; none where nothing has been run

    def __len__(self) -> int:
        return len(self.rows)

    def mean(self, column: str) -> SeedMean:
        """Over the runs."""
        return seed_mean(self.rows[column].to_numpy(float))

    def ranks(self, protocol: str) -> Integer[np.ndarray, "runs users"]:
        """Zero-based ranks of the held-out items, "sampled" or "full".

        Raises:
            StoreError: ranks that are missing.
        """
        return np.stack([self.store.ranks(run_id)[protocol] for run_id in self.rows["run_id"]])

    def per_user(self, column: str) -> Float[np.ndarray, "runs users"]:
        """What every user adds to the mean of a metric, of which more is better.

        Raises:
            StoreError: ranks that are missing.
        """
        shown = COLUMNS[column]
        return np.asarray(shown.of_ranks(self.ranks(shown.protocol)[..., None]))

    def half_width_over_users(self, column: str) -> float:
        """Half the 95 % interval of the mean over users."""
        return half_width_over_users(self.per_user(column))
