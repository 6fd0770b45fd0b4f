"""Optimisers: how a gradient over touched rows moves a recommender.

    sgd     x - learning_rate * g on the touched rows alone; a step costs O(batch * dim)
    adam    Kingma and Ba (arXiv:1412.6980), optax defaults; dense: the moments of untouched rows decay too, and a step
            costs O(tables)

The learning rate may be traced, so a grid can hold a different one in each member.
"""

import jax
import jax.numpy as jnp
import optax

from ncfjax.models.recommender import Recommender
from ncfjax.training.objectives import Gradient


def init_optimizer(name: str, model: Recommender) -> optax.OptState:
    """The optimiser's state before the first step."""
    return optax.adam(0.0).init(model) if name == "adam" else optax.EmptyState()


def descend(name: str, learning_rate, model: Recommender, state: optax.OptState, gradient: Gradient):
    """One step against `gradient`: (model, state)."""
    if name == "sgd":
        return _add(model, jax.tree.map(lambda g: -learning_rate * g, _values(gradient)), gradient), state
    zeros = jax.tree.map(jnp.zeros_like, model)
    updates, state = optax.adam(learning_rate).update(_add(zeros, _values(gradient), gradient), state)
    return optax.apply_updates(model, updates), state


def _values(gradient: Gradient):
    return gradient.user, gradient.item, gradient.similarity


def _add(model: Recommender, values, gradient: Gradient) -> Recommender:
    """Adds values to the rows that `gradient` names. Padding ids fall outside the table and are dropped."""
    user, item, similarity = values
    moved = jax.tree.map(lambda x: x, model)  # a copy: modules are values here
    moved.user[...] = model.user.at[gradient.users].add(user, mode="drop")
    if gradient.items is None:
        moved.item[...] = model.item[...] + item
    else:
        moved.item[...] = model.item.at[gradient.items].add(item, mode="drop")
    moved.similarity = jax.tree.map(jnp.add, model.similarity, similarity)
    return moved
