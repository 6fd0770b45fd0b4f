"""One side of the objective, given the other: every user's theta_j given all x_i, or every x_i given all theta_j.

    theta_j = (sum over i: r(i,j)=1 of x_i x_i' + lambda n_j^nu I)^-1  sum over i: r(i,j)=1 of (y(i, j) - b - b_i) x_i

With biases x_i has one more entry, a one, whose weight is b_j with a penalty mu of its own. All users are solved at
once (least_squares.py); the items' half is the same with users and items exchanged.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ncfjax.baselines.least_squares import Side, make_side, on_devices, solve_rows
from ncfjax.data.ratings import Ratings
from ncfjax.ratings.model import RatingModel
from ncfjax.ratings.objective import Penalty

SHORTEST = 10  # histories up to here are solved together: a program more costs more than their padding


def make_users(train: Ratings, dim: int) -> Side:
    """The ratings of every user; `dim` entries are solved for each."""
    sizes = train.num_users, train.num_items, dim
    return on_devices(make_side(train.users, train.items, *sizes, train.values, shortest=SHORTEST))


def make_items(train: Ratings, dim: int) -> Side:
    """The ratings of every item."""
    sizes = train.num_items, train.num_users, dim
    return on_devices(make_side(train.items, train.users, *sizes, train.values, shortest=SHORTEST))


def learn_users(
    model: RatingModel,
    users: Side,
    penalty: Penalty,
    *,
    biases: bool,
    prior: Float[Array, "users dim"] | None = None,
) -> RatingModel:
    """The model with the best theta_j, and b_j if `biases` (else they stay, and have to be zero).

    `prior`: what theta_j, then b_j, are drawn to in place of zero.
    """
    given = _given(model.x, model.item_bias + model.bias, users.counts, penalty, biases=biases)
    solved = solve_rows(users, *given, prior)
    if not biases:
        return model._replace(theta=solved)
    return model._replace(theta=solved[:, :-1], user_bias=solved[:, -1])


@partial(jax.jit, static_argnames="biases")
def _given(x, offsets, counts, penalty: Penalty, *, biases: bool):
    """Vectors and offsets of the items, penalties of the users' entries."""
    entries = jnp.full(x.shape[1], penalty.regularization)
    if biases:
        x = jnp.concatenate([x, jnp.ones((len(x), 1))], axis=1)
        entries = jnp.append(entries, penalty.bias_regularization)
    return x, offsets, counts[:, None] ** penalty.nu * entries[None]


def learn_items(
    model: RatingModel,
    items: Side,
    penalty: Penalty,
    *,
    biases: bool,
    prior: Float[Array, "items dim"] | None = None,
) -> RatingModel:
    """The same of the items."""
    return _exchanged(learn_users(_exchanged(model), items, penalty, biases=biases, prior=prior))


def _exchanged(model: RatingModel) -> RatingModel:
    """Users as items, items as users."""
    return RatingModel(model.bias, model.item_bias, model.user_bias, model.x, model.theta)
