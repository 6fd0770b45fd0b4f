"""What is left of a residual similarity's ranking without its network, or with no more of it than a bias could give.

score = dot + network

without the network     dot
with its item means     dot + mean over users of network, which is one number per item: a bias
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ncfjax.evaluation.shares import MOST_USERS
from ncfjax.models.recommender import Recommender


class Ablated(NamedTuple):
    """A scorer: a residual's dot product, and a number per item instead of the network."""

    model: Recommender
    of_items: Float[Array, " items"]

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        """Scores of every item for each of the given users."""
        model = self.model
        return model.similarity.parts(model.user[...][users], model.item[...]).dot + self.of_items[None]


def without_network(model: Recommender) -> Ablated:
    return Ablated(model, jnp.zeros(len(model.item)))


def with_item_means(model: Recommender) -> Ablated:
    return Ablated(model, _item_means(model))


@jax.jit
def _item_means(model: Recommender) -> Float[Array, " items"]:
    """Of the network's scores, over all users, MOST_USERS at a time."""
    num_users, vectors = len(model.user), model.user[...]
    numbers = jnp.arange(-(-num_users // MOST_USERS) * MOST_USERS).reshape(-1, MOST_USERS)

    def add(total, users):
        p = vectors.at[users].get(mode="clip")
        network = model.similarity.parts(p, model.item[...]).network
        return total + jnp.sum(jnp.where(users[:, None] < num_users, network, 0), axis=0), None

    return jax.lax.scan(add, jnp.zeros(len(model.item)), numbers)[0] / num_users
