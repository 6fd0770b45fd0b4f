"""What is asked of every method alike: a catalogue, users, what they had, and what exact search finds for them."""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from experiments.tasks.retrieval.config import K
from experiments.tasks.retrieval.source import Trained
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import Ranking, make_evaluation_batches, ranking_of
from ncfjax.models.recommender import Recommender
from ncfjax.retrieval import exact
from ncfjax.retrieval.enlarged import enlarged


@dataclass(frozen=True, eq=False)
class Asked:
    """One model, one catalogue and some users. A catalogue that was drawn has no histories and no held-out items."""

    trained: Trained
    data: LeaveOneOut
    model: Recommender  # of the catalogue
    users: Int[np.ndarray, " queries"]
    denied: UInt8[Array, "queries bytes"] | None
    positives: Int[np.ndarray, " queries"] | None

    @property
    def num_items(self) -> int:
        return len(self.model.item[...])

    @cached_property
    def queries(self) -> Float[Array, "queries dim"]:
        return self.model.user[...][jnp.asarray(self.users)]

    @cached_property
    def expected(self) -> Int[np.ndarray, "queries k"]:
        """What the model itself scores highest."""
        index = exact.build(self.model.item[...], self.model.similarity)
        return np.asarray(exact.search(index, self.queries, K, self.denied).items)

    @cached_property
    def ranking(self) -> Ranking | None:
        """Of the held-out items, by the model."""
        return None if self.positives is None else ranking_of(self.model, self.data)


def ask(trained: Trained, data: LeaveOneOut, num_items: int | None, num_queries: int | None, seed: int) -> Asked:
    """The questions of one seed: all held-out users, or some that are drawn.

    A catalogue of `num_items` is drawn from the distribution of the trained items.
    """
    places = np.arange(len(data.held_out))
    if num_queries is not None:
        places = np.sort(np.random.default_rng(seed).choice(places, num_queries, replace=False))
    users = data.held_out.users[places]
    if num_items is None:
        denied = make_evaluation_batches(data).unranked[users]
        return Asked(trained, data, trained.model, users, denied, data.held_out.positives[places])
    model = trained.model
    items = enlarged(model.item[...], num_items, jax.random.key(seed))
    return Asked(trained, data, Recommender.from_tables(model.user[...], items, model.similarity), users, None, None)
