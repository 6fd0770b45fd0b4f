"""Rows that no training changes: popularity, and on synthetic data the oracle, the best that any model can do.

They tell a reader where the numbers of a table begin and where they must end.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from experiments.config import SweepConfig, reference_config
from experiments.rows import values_of
from ncfjax.baselines.popularity import Popularity, fit_popularity
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import ranks_of
from ncfjax.store import Store, run_id


class Oracle(NamedTuple):
    """The scores that synthetic data were drawn from."""

    scores: Float[Array, "num_users items"]

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        return self.scores[users]


def references(data: LeaveOneOut) -> dict[str, Popularity | Oracle]:
    """Name -> scorer, of those that the data set has."""
    known: dict[str, Popularity | Oracle] = {"popularity": fit_popularity(data.train)}
    return known if data.oracle is None else known | {"oracle": Oracle(jnp.asarray(data.oracle.scores))}


def store_references(store: Store, config: SweepConfig, data: LeaveOneOut, shared: dict[str, Any]) -> None:
    """Stores the rows that are missing. Tuning has none: its tables answer which configuration is best."""
    if config.phase == "tune":
        return
    done = store.completed()
    for name, scorer in references(data).items():
        key = run_id(reference_config(config, name))
        if key not in done:
            ranks = ranks_of(scorer, data)
            started_at = datetime.now(UTC).isoformat(timespec="seconds")
            row = shared | values_of(ranks) | {"run_id": key, "phase": "run", "model": name, "started_at": started_at}
            store.append(row, [], ranks._asdict())
