"""Optimisers: how a gradient over touched rows moves a recommender.

    sgd         x - learning_rate * g on the touched rows alone
    adam        Kingma and Ba (arXiv:1412.6980): the moments of every row decay at every step, touched or not
    lazy_adam   the moments of touched rows alone decay and move: another algorithm, not an approximation of adam

A step costs O(batch * dim) in all three. Plain Adam would cost O(tables); here a row that no batch touches waits until
it is read, and then makes up for its k missed steps at once. Since its last gradient, at step t, its moments m, v have
only decayed, so what it missed is a geometric sum:

    sum over j = 1..k of  learning_rate * a(t + j) * b1^j m / (sqrt(b2^j v) + eps)
        ~ learning_rate * m / (sqrt(v) + eps) * (tail(t) - r^k tail(t + k))

    a(t) = sqrt(1 - b2^t) / (1 - b1^t)      r = b1 / sqrt(b2)      tail(t) = sum over j >= 1 of a(t + j) r^j

exact but for eps, which decays along with sqrt(v) here: under a ten thousandth of a step where |g| > 1e-4. A test
holds it against optax's dense Adam, benchmarks/similarities.py times both.

A batch may hold a row more than once: its gradients are summed first, as one dense gradient would. The learning rate
may be traced, so a grid can hold a different one in each member.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from ncfjax.models.recommender import Recommender
from ncfjax.training.objectives import Gradient

OPTIMIZERS = ("sgd", "adam", "lazy_adam")
B1, B2, EPS = 0.9, 0.999, 1e-8  # of Kingma and Ba, and of Keras, optax and PyTorch
_RATIO = B1 / math.sqrt(B2)
_TAIL_TERMS = 160  # r^160 < 1e-7


class Rows(NamedTuple):
    """Adam's moments of a table, and up to which step each row of it is current."""

    mean: Float[Array, "rows dim"]
    square: Float[Array, "rows dim"]
    step: Float[Array, " rows"]
    tail: Float[Array, " rows"]  # tail(step)


class AdamState(NamedTuple):
    """State of adam and lazy_adam after `step` steps."""

    step: Float[Array, ""]
    user: Rows
    item: Rows
    similarity: optax.OptState


OptimizerState = AdamState | tuple[()]


def init_optimizer(name: str, model: Recommender) -> OptimizerState:
    """The optimiser's state before the first step."""
    if name == "sgd":
        return ()
    return AdamState(
        jnp.zeros(()), _init_rows(model.user[...]), _init_rows(model.item[...]), optax.adam(0.0).init(model.similarity)
    )


def _init_rows(table: Float[Array, "rows dim"]) -> Rows:
    zeros = jnp.zeros_like(table)
    return Rows(zeros, zeros, zeros[:, 0], zeros[:, 0])


def catch_up(
    name: str,
    learning_rate,
    model: Recommender,
    state: OptimizerState,
    users: Int[Array, " users"],
    items: Int[Array, " items"] | None,
) -> Recommender:
    """The model as the next gradient must see it: what waits in the given rows is made up for.

    Ids past the table are padding. `items` is None where every step moves all of them.
    """
    if name != "adam":
        return model
    moved = _copy(model)
    moved.user[...] = _caught_up(learning_rate, model.user[...], state.user, state.step, users)
    if items is not None:
        moved.item[...] = _caught_up(learning_rate, model.item[...], state.item, state.step, items)
    return moved


def settle(name: str, learning_rate, model: Recommender, state: OptimizerState) -> tuple[Recommender, OptimizerState]:
    """The model and its state with nothing left waiting: as dense Adam would leave them."""
    if name != "adam":
        return model, state
    moved = _copy(model)
    moved.user[...], user = _settled(learning_rate, model.user[...], state.user, state.step)
    moved.item[...], item = _settled(learning_rate, model.item[...], state.item, state.step)
    return moved, state._replace(user=user, item=item)


def descend(
    name: str, learning_rate, model: Recommender, state: OptimizerState, gradient: Gradient
) -> tuple[Recommender, OptimizerState]:
    """One step against `gradient`, whose rows have caught up."""
    if name == "sgd":
        return _add(model, jax.tree.map(lambda g: -learning_rate * g, _values(gradient)), gradient), state
    step, moved = state.step + 1, _copy(model)
    is_lazy = name == "lazy_adam"
    moved.user[...], user = _move_rows(
        learning_rate, model.user[...], state.user, step, gradient.users, gradient.user, is_lazy
    )
    if gradient.items is None:
        moved.item[...], item = _move_table(learning_rate, model.item[...], state.item, step, gradient.item)
    else:
        moved.item[...], item = _move_rows(
            learning_rate, model.item[...], state.item, step, gradient.items, gradient.item, is_lazy
        )
    updates, similarity = optax.adam(learning_rate, B1, B2, EPS).update(gradient.similarity, state.similarity)
    moved.similarity = optax.apply_updates(model.similarity, updates)
    return moved, AdamState(step, user, item, similarity)


def _correction(step: Float[Array, "..."]) -> Float[Array, "..."]:
    """a(step): what the biases of both moments amount to."""
    return jnp.sqrt(-jnp.expm1(step * math.log(B2))) / -jnp.expm1(step * math.log(B1))


def _tail(step: Float[Array, ""]) -> Float[Array, ""]:
    terms = jnp.arange(1, _TAIL_TERMS + 1, dtype=jnp.float32)
    return jnp.sum(_correction(step + terms) * _RATIO**terms)


def _missed(step: Float[Array, ""], since: Float[Array, " rows"], tail: Float[Array, " rows"]):
    """How far m / (sqrt(v) + eps) has moved a row since the step up to which it is current, in learning rates."""
    return tail - _RATIO ** (step - since) * _tail(step)


def _direction(mean, square, step):
    """m / (sqrt(v) + eps), eps as after the bias correction."""
    return mean / (jnp.sqrt(square) + EPS * jnp.sqrt(-jnp.expm1(jnp.maximum(step, 1) * math.log(B2))))


def _caught_up(learning_rate, table, rows: Rows, step, ids) -> Float[Array, "rows dim"]:
    mean, square, since, tail = (x.at[ids].get(mode="clip") for x in rows)
    missed = learning_rate * _missed(step, since, tail)[:, None] * _direction(mean, square, step)
    # Set and not add: an id that occurs twice catches up once.
    return table.at[ids].set(table.at[ids].get(mode="clip") - missed, mode="drop")


def _settled(learning_rate, table, rows: Rows, step) -> tuple[Float[Array, "rows dim"], Rows]:
    missed = learning_rate * _missed(step, rows.step, rows.tail)[:, None] * _direction(rows.mean, rows.square, step)
    k = (step - rows.step)[:, None]
    current = jnp.full_like(rows.step, step), jnp.full_like(rows.tail, _tail(step))
    return table - missed, Rows(B1**k * rows.mean, B2**k * rows.square, *current)


def _move_rows(learning_rate, table, rows: Rows, step, ids, gradient, is_lazy) -> tuple[Array, Rows]:
    gradient = _summed(ids, gradient, len(table))
    mean, square, since = (x.at[ids].get(mode="clip") for x in rows[:3])
    k = 1.0 if is_lazy else (step - since)[:, None]
    mean = B1**k * mean + (1 - B1) * gradient
    square = B2**k * square + (1 - B2) * gradient**2
    move = learning_rate * _correction(step) * _direction(mean, square, step)
    table = table.at[ids].set(table.at[ids].get(mode="clip") - move, mode="drop")
    rows = rows._replace(
        mean=rows.mean.at[ids].set(mean, mode="drop"), square=rows.square.at[ids].set(square, mode="drop")
    )
    if not is_lazy:
        tail = jnp.broadcast_to(_tail(step), ids.shape)
        rows = rows._replace(
            step=rows.step.at[ids].set(step, mode="drop"), tail=rows.tail.at[ids].set(tail, mode="drop")
        )
    return table, rows


def _move_table(learning_rate, table, rows: Rows, step, gradient) -> tuple[Array, Rows]:
    mean = B1 * rows.mean + (1 - B1) * gradient
    square = B2 * rows.square + (1 - B2) * gradient**2
    table = table - learning_rate * _correction(step) * _direction(mean, square, step)
    return table, Rows(mean, square, jnp.full_like(rows.step, step), jnp.full_like(rows.tail, _tail(step)))


def _summed(ids: Int[Array, " batch"], gradient: Float[Array, "batch dim"], num_rows: int) -> Float[Array, "batch dim"]:
    """For each id the sum of the gradients of all its places in the batch."""
    places = jnp.arange(len(ids))
    table = jnp.zeros(num_rows, places.dtype).at[ids].set(places, mode="drop")
    place = table.at[ids].get(mode="fill", fill_value=len(ids))  # padding has none
    return jnp.zeros_like(gradient).at[place].add(gradient, mode="drop").at[place].get(mode="clip")


def _copy(model: Recommender) -> Recommender:
    return jax.tree.map(lambda x: x, model)  # modules are values here


def _values(gradient: Gradient):
    return gradient.user, gradient.item, gradient.similarity


def _add(model: Recommender, values, gradient: Gradient) -> Recommender:
    """Adds values to the rows that `gradient` names. Padding ids fall outside the table and are dropped."""
    user, item, similarity = values
    moved = _copy(model)
    moved.user[...] = model.user.at[gradient.users].add(user, mode="drop")
    if gradient.items is None:
        moved.item[...] = model.item[...] + item
    else:
        moved.item[...] = model.item.at[gradient.items].add(item, mode="drop")
    moved.similarity = jax.tree.map(jnp.add, model.similarity, similarity)
    return moved
