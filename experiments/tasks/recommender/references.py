"""Rows that no training changes: popularity, and on synthetic data the oracle, the best that any model can do.

They tell a reader where the numbers of a table begin and where they must end.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from experiments.engine.work import Result
from experiments.tasks.data import data_cells
from experiments.tasks.ranking import values_of
from experiments.tasks.recommender.task import reference_id, reference_names
from ncfjax.baselines.popularity import Popularity, fit_popularity
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import ranks_of


class Oracle(NamedTuple):
    """The scores that synthetic data were drawn from."""

    scores: Float[Array, "num_users items"]

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        return self.scores[users]


def reference(data: LeaveOneOut, name: str) -> Popularity | Oracle:
    return Oracle(jnp.asarray(data.oracle.scores)) if name == "oracle" else fit_popularity(data.train)


def reference_results(config: Any, data: LeaveOneOut, done: set[str]) -> Iterator[tuple[str, Result]]:
    """The rows that are missing."""
    for name in reference_names(config):
        if (key := reference_id(config, name)) not in done:
            ranks = ranks_of(reference(data, name), data)
            cells = data_cells(config, data) | {"phase": "run", "split": config.split, "model": name}
            yield key, Result(cells | values_of(ranks), arrays=ranks._asdict())
