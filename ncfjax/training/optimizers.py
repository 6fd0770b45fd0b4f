"""Optimisers: how a gradient over touched rows moves a recommender.

    sgd         x - learning_rate * g on the touched rows alone; biases of whole histories damped (objectives.py)
    adam        Kingma and Ba (arXiv:1412.6980): the moments of every row decay at every step, touched or not
    lazy_adam   the moments of touched rows alone decay and move: another algorithm, not an approximation of adam

A step moves O(batch * dim) numbers in all three, and fills one integer per row to find repeated ids. Plain Adam would
move the tables; here a row that no batch touches waits until
it is read, and then makes up for its k missed steps at once. Since its last gradient, at step t, its moments m, v have
only decayed, so what it missed is a geometric sum:

    sum over j = 1..k of  learning_rate * a(t + j) * b1^j m / (sqrt(b2^j v) + eps)
        ~ learning_rate * m / (sqrt(v) + eps) * (tail(t) - r^k tail(t + k))

    a(t) = sqrt(1 - b2^t) / (1 - b1^t)      r = b1 / sqrt(b2)      tail(t) = sum over j >= 1 of a(t + j) r^j

exact but for eps, which decays along with sqrt(v) here: under a ten thousandth of a step where |g| > 1e-4. A test
holds it against optax's dense Adam, benchmarks/similarities.py times both.

A batch may hold a row more than once: its gradients are summed first, as one dense gradient would. The learning rate
may be traced, so a grid can hold a different one in each member; a similarity's own parameters move by `weights_rate`
times it.

Where a batch touches a good part of a table, `adam` moves all of it: a row by itself costs more than its share of a
sweep through the table.

A step gathers rows (`gather_rows`), takes the gradient there, and moves them (`apply_gradient`): each table is gathered
from and scattered to once, and so are its moments. `apply_missed_decay` ends an epoch: no row waits after it.
"""

import math
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import Similarity
from ncfjax.training.objectives import Gradient, damped
from ncfjax.training.train_state import TrainState

B1, B2, EPS = 0.9, 0.999, 1e-8  # of Kingma and Ba; Keras and PyTorch too, for the mean over a batch, not its sum
_RATIO = B1 / math.sqrt(B2)
_TAIL_TERMS = 160  # r^160 < 1e-7
# How many rows of a sweep cost as much as one by itself.
_MOVE_ALL = 3  # on a CPU: 0.12 against 0.04 us at 40 entries, two cores
_MOVE_ALL_ON_ACCELERATOR = 100  # rows by themselves are scattered by many small kernels, a sweep runs at memory's pace
_LAST_TAIL = 20_000  # b2^20,000 < 1e-8: from here on a = 1, and the tail stays what it is


class Moments(NamedTuple):
    """Adam's moments of some rows of a table, and up to which step each row is current."""

    mean: Float[Array, "rows dim"]
    square: Float[Array, "rows dim"]
    step: Int[Array, " rows"]


class AdamState(NamedTuple):
    """State of adam and lazy_adam after `step` steps."""

    step: Int[Array, ""]
    user: Moments
    item: Moments
    similarity: optax.OptState


OptimizerState = AdamState | tuple[()]


class Rows(NamedTuple):
    """Rows of a table as the next gradient must see them."""

    ids: Int[Array, " rows"] | None  # None: the whole table. May repeat; those past the table are padding
    values: Float[Array, "rows dim"]
    moments: Moments | None  # decayed up to now; None where the step does not go by rows


def init_optimizer(name: str, model: Recommender) -> OptimizerState:
    """The optimiser's state before the first step."""
    if name == "sgd":
        return ()
    moments = (_fresh(table[...]) for table in (model.user, model.item))
    return AdamState(jnp.int32(0), *moments, _adam(0.0, model.similarity).init(model.similarity))


def _adam(learning_rate, similarity: Similarity) -> optax.GradientTransformation:
    """Dense Adam of a similarity's own parameters, as one array; the plain dot product has none to make one of."""
    adam = optax.adam(learning_rate, B1, B2, EPS)
    return optax.flatten(adam) if jax.tree.leaves(similarity) else adam


def _fresh(table: Float[Array, "rows dim"]) -> Moments:
    return Moments(jnp.zeros_like(table), jnp.zeros_like(table), jnp.zeros(len(table), jnp.int32))


def gather_rows(
    name: str,
    learning_rate,
    train_state: TrainState,
    users: Int[Array, " users"],
    items: Int[Array, " items"] | None,
) -> tuple[Rows, Rows]:
    """The given rows of both tables, with the decay that they missed.

    Ids past the table are padding. `items` is None where every step moves all of them, so that none ever waits.
    """
    model, state = train_state
    user, item = model.user[...], model.item[...]
    if name == "sgd":
        return Rows(users, _take(user, users), None), Rows(items, _take(item, items), None)
    return (
        _gather_with_moments(name, learning_rate, user, state.user, state.step, users),
        _gather_with_moments(name, learning_rate, item, state.item, state.step, items),
    )


def apply_gradient(
    name: str, learning_rate, train_state: TrainState, user: Rows, item: Rows, gradient: Gradient, weights_rate=1.0
) -> TrainState:
    """One step against the gradient at the rows that were gathered."""
    of_weights = learning_rate * weights_rate
    model, state = train_state
    if name == "sgd":
        gradient = damped(gradient, learning_rate, weights_rate)
        tables = (
            _add(table[...], rows.ids, -learning_rate * g)
            for table, rows, g in ((model.user, user, gradient.user), (model.item, item, gradient.item))
        )
        similarity = jax.tree.map(lambda x, g: x - of_weights * g, model.similarity, gradient.similarity)
        return TrainState(_replaced(model, *tables, similarity), state)
    step = state.step + 1
    user_table, user_moments = _move(learning_rate, model.user[...], state.user, step, user, gradient.user)
    item_table, item_moments = _move(learning_rate, model.item[...], state.item, step, item, gradient.item)
    updates, moments = _adam(of_weights, model.similarity).update(gradient.similarity, state.similarity)
    moved = _replaced(model, user_table, item_table, optax.apply_updates(model.similarity, updates))
    return TrainState(moved, AdamState(step, user_moments, item_moments, moments))


def apply_missed_decay(name: str, learning_rate, train_state: TrainState) -> TrainState:
    """The model and its state with nothing left waiting: as dense Adam would leave them."""
    if name != "adam":
        return train_state
    model, state = train_state
    user, user_moments = _rows_with_missed_decay(learning_rate, model.user[...], state.user, state.step)
    item, item_moments = _rows_with_missed_decay(learning_rate, model.item[...], state.item, state.step)
    return TrainState(_replaced(model, user, item), state._replace(user=user_moments, item=item_moments))


def _correction(step: Int[Array, ""]) -> Float[Array, "..."]:
    """a(step): what the biases of both moments amount to."""
    return jnp.sqrt(-jnp.expm1(step * math.log(B2))) / -jnp.expm1(step * math.log(B1))


@cache
def _tails() -> Float[np.ndarray, " steps"]:
    """tail(step) for all steps up to the last that differs from the one before."""
    steps = np.arange(1, _LAST_TAIL + _TAIL_TERMS + 1)
    corrections = np.sqrt(-np.expm1(steps * math.log(B2))) / -np.expm1(steps * math.log(B1))
    weights = _RATIO ** np.arange(1, _TAIL_TERMS + 1)
    return np.convolve(corrections, weights[::-1], mode="valid").astype(np.float32)


def _tail(step: Int[Array, "..."]) -> Float[Array, "..."]:
    return jnp.asarray(_tails()).at[step].get(mode="clip")


def _direction(mean, square, step):
    """m / (sqrt(v) + eps), eps as after the bias correction."""
    return mean / (jnp.sqrt(square) + EPS * jnp.sqrt(-jnp.expm1(jnp.maximum(step, 1) * math.log(B2))))


def _moves_all(num_rows: int, table_rows: int) -> bool:
    share = _MOVE_ALL if jax.default_backend() == "cpu" else _MOVE_ALL_ON_ACCELERATOR
    return share * num_rows >= table_rows


def _gather_with_moments(name: str, learning_rate, table, moments: Moments, step, ids) -> Rows:
    values = _take(table, ids)
    if ids is None or (name == "adam" and _moves_all(len(ids), len(table))):
        return Rows(ids, values, None)
    moments = jax.tree.map(lambda x: _take(x, ids), moments)
    if name == "adam":
        values, moments = _rows_with_missed_decay(learning_rate, values, moments, step)
    return Rows(ids, values, moments)


def _rows_with_missed_decay(learning_rate, values, moments: Moments, step) -> tuple[Array, Moments]:
    """Rows as they are after all of `step` steps, the last of which they may have missed."""
    k = step - moments.step
    missed = learning_rate * (_tail(moments.step) - _power(_RATIO, k) * _tail(step))
    values -= missed[:, None] * _direction(moments.mean, moments.square, step)
    mean, square = _power(B1, k)[:, None] * moments.mean, _power(B2, k)[:, None] * moments.square
    # The step, but by way of what was read: a scatter that need not wait for the gather makes XLA copy the table.
    return values, Moments(mean, square, jnp.maximum(moments.step, step))


def _power(base: float, k: Int[Array, " rows"]) -> Float[Array, " rows"]:
    return jnp.exp(k * math.log(base))


def _move(learning_rate, table, moments: Moments, step, rows: Rows, gradient) -> tuple[Array, Moments]:
    """The table and its moments after a step."""
    if rows.moments is not None:
        values, moved = _moved(learning_rate, rows.values, rows.moments, step, _summed(rows.ids, gradient, len(table)))
        moved = jax.tree.map(lambda x, new: _set(x, rows.ids, new), moments, moved)
        return _set(table, rows.ids, values), moved
    whole = gradient if rows.ids is None else jnp.zeros_like(table).at[rows.ids].add(gradient, mode="drop")
    return _moved(learning_rate, table, moments, step, whole)


def _moved(learning_rate, values, moments: Moments, step, gradient) -> tuple[Array, Moments]:
    mean = B1 * moments.mean + (1 - B1) * gradient
    square = B2 * moments.square + (1 - B2) * gradient**2
    values = values - learning_rate * _correction(step) * _direction(mean, square, step)
    return values, Moments(mean, square, jnp.maximum(moments.step, step))


def _summed(ids: Int[Array, " batch"], gradient: Float[Array, "batch dim"], num_rows: int) -> Float[Array, "batch dim"]:
    """For each id the sum of the gradients of all its places in the batch."""
    places = jnp.arange(len(ids))
    table = jnp.zeros(num_rows, places.dtype).at[ids].set(places, mode="drop")
    place = table.at[ids].get(mode="fill", fill_value=len(ids))  # padding has none
    return jnp.zeros_like(gradient).at[place].add(gradient, mode="drop").at[place].get(mode="clip")


def _take(table, ids):
    return table if ids is None else table.at[ids].get(mode="clip")


def _set(table, ids, values):
    return table.at[ids].set(values, mode="drop")


def _add(table, ids, values):
    return table + values if ids is None else table.at[ids].add(values, mode="drop")


def _replaced(model: Recommender, user, item, similarity=None) -> Recommender:
    moved = jax.tree.map(lambda x: x, model)  # a copy: modules are values here
    moved.user[...], moved.item[...] = user, item
    if similarity is not None:
        moved.similarity = similarity
    return moved
