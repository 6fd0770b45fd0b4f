"""Rows that no training changes: popularity, and on synthetic data the oracle, the best that any model can do.

They tell a reader where the numbers of a table begin and where they must end.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiments.config import SweepConfig, reference_config
from experiments.rows import metrics
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import ranks_of
from ncfjax.store import Store, run_id


class Popularity(NamedTuple):
    """The number of users that have an item in training, as its score for every user."""

    counts: Float[Array, " items"]

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        return jnp.broadcast_to(self.counts, (len(users), len(self.counts)))


class Oracle(NamedTuple):
    """The scores that synthetic data were drawn from."""

    scores: Float[Array, "num_users items"]

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        return self.scores[users]


def references(data: LeaveOneOut) -> dict[str, Popularity | Oracle]:
    """Name -> scorer, of those that the data set has."""
    counts = np.bincount(data.train.items, minlength=data.train.num_items)
    known: dict[str, Popularity | Oracle] = {"popularity": Popularity(jnp.asarray(counts, jnp.float32))}
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
            values = {metric: float(value) for metric, value in metrics(ranks).items()}
            started_at = datetime.now(UTC).isoformat(timespec="seconds")
            row = shared | values | {"run_id": key, "phase": "run", "model": name, "started_at": started_at}
            store.append(row, [], ranks._asdict())
