"""How much of the scores of a residual similarity is its network's.

    score = dot + network over users and items; every share is of the variance of the scores over all these pairs

    network        Var(network) / Var(score)
    interaction    Var(network less its mean per user and per item) / Var(score)

What a network gives every item, whoever asks, a bias of the item could give too; what it gives every user changes no
ranking. Only the interaction is what a dot product with biases may lack.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ncfjax.models.recommender import Recommender

MOST_USERS = 128  # a few arrays of so many users' scores are held, as where a block of users is ranked


class Shares(NamedTuple):
    network: Float[Array, ""]
    interaction: Float[Array, ""]


@jax.jit
def network_shares(model: Recommender) -> Shares:
    """Of the first users, at most MOST_USERS, and all items."""
    dot, network = model.similarity.parts(model.user[:MOST_USERS], model.item[...])
    whole = jnp.var(dot + network)
    of_users, of_items = jnp.mean(network, axis=1, keepdims=True), jnp.mean(network, axis=0, keepdims=True)
    interaction = network - of_users - of_items + jnp.mean(network)
    return Shares(jnp.var(network) / whole, jnp.var(interaction) / whole)
