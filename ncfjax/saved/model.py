"""A saved model in memory, and its scores."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ncfjax.data.summary import Summary
from ncfjax.models.recommender import Recommender
from ncfjax.ratings.model import CenteredRecommender, RatingModel
from ncfjax.saved.forms import Model

USERS_PER_BLOCK = 512
KINDS = ("recommender", "baseline", "rating")


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A model that was trained before, and what is known of its users and items. Users and items go by their numbers:
    their places in `data.user_ids` and `data.item_ids`."""

    folder: Path
    kind: str  # one of KINDS
    method: str  # what a table calls it: "neumf", "ease", "alternating"
    model: Model
    data: Summary
    run: dict[str, Any] = field(repr=False)  # the row of its run: what is not empty of it

    def score_all(self, users: Int[np.ndarray, " users"] | Sequence[int]) -> Float[np.ndarray, "users items"]:
        """Scores of every item for each of the given users; one program is compiled for each number of users."""
        if getattr(self.model, "on_host", False):
            return self.model.score_all(np.asarray(users))
        return np.array(_score_all(self.model, jnp.asarray(users)))  # a copy, so that a caller may mask it

    def score(self, users: Int[np.ndarray, " n"], items: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Scores of pairs."""
        match self.model:
            case RatingModel() | CenteredRecommender():
                return self.model.predict(users, items)
            case Recommender():
                return np.asarray(_score(self.model, jnp.asarray(users), jnp.asarray(items)))
        scores = np.empty(len(users), np.float32)
        for start in range(0, len(users), USERS_PER_BLOCK):
            rows = slice(start, start + USERS_PER_BLOCK)
            distinct, places = np.unique(users[rows], return_inverse=True)
            scores[rows] = self.score_all(distinct)[places, items[rows]]
        return scores


_score_all = jax.jit(lambda model, users: model.score_all(users))
_score = jax.jit(lambda model, users, items: model.score(users, items))
