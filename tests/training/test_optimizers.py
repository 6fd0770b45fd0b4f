"""Adam over touched rows against optax's dense Adam, and what the lazy one does instead."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.gmf import GMF
from ncfjax.training import optimizers
from ncfjax.training.objectives import Gradient
from ncfjax.training.optimizers import AdamState, apply_gradient, gather_rows, init_optimizer
from ncfjax.training.train_state import TrainState

USERS, ITEMS, DIM, STEPS = 40, 25, 3, 400  # batches of 3 users and 5 items are few enough to go by rows
RATE = jnp.float32(0.01)
apply_missed_decay = jax.jit(optimizers.apply_missed_decay, static_argnames="name")


@pytest.fixture
def model(key) -> Recommender:
    return Recommender(USERS, ITEMS, DIM, GMF(DIM, regularize_weights=True, key=key), stddev=0.1, key=key)


def toy_gradient(model: Recommender, user, item, noise) -> Gradient:
    """Pulls what was read towards noise, so that the next gradient depends on what the last step left."""
    similarity = jax.tree.map(lambda x: x - 0.3, model.similarity)
    return Gradient(user - noise[: len(user)], item - noise[-len(item) :], similarity)


def draw_steps(num_rows: int = 8):
    """Row 0 of the users is touched in the first steps and then never again; ids repeat, and some are padding."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(1, USERS, (STEPS, 3)), rng.integers(0, ITEMS, (STEPS, num_rows - 3))
    users[:5, 0], items[:, 1], users[7::9, 2], items[7::9, 2] = 0, items[:, 0], USERS, ITEMS
    return jnp.asarray(users), jnp.asarray(items), jnp.asarray(rng.normal(size=(STEPS, 3 + ITEMS, DIM)), jnp.float32)


def trained(name: str, model: Recommender, state=None, *, steps, whole_items: bool = False) -> TrainState:
    start = TrainState(model, init_optimizer(name, model) if state is None else state)
    return _trained(name, start, steps, whole_items, optimizers._MOVE_ALL)


@partial(jax.jit, static_argnames=("name", "whole_items", "move_all"))
def _trained(name: str, start: TrainState, steps, whole_items: bool, move_all: int) -> TrainState:
    del move_all  # optimizers.py reads it: another value is another program

    def step(train_state, batch):
        users, items, noise = batch
        user, item = gather_rows(name, RATE, train_state, users, None if whole_items else items)
        gradient = toy_gradient(train_state.model, user.values, item.values, noise)
        return apply_gradient(name, RATE, train_state, user, item, gradient), None

    return jax.lax.scan(step, start, steps)[0]


@partial(jax.jit, static_argnames="whole_items")
def dense_adam(model: Recommender, steps, whole_items: bool = False) -> Recommender:
    optimizer = optax.adam(RATE)

    def step(carry, batch):
        (model, state), (users, items, noise) = carry, batch
        items = jnp.arange(ITEMS) if whole_items else items
        user, item = model.user.at[users].get(mode="clip"), model.item.at[items].get(mode="clip")
        gradient = toy_gradient(model, user, item, noise)
        dense = jax.tree.map(jnp.zeros_like, model)
        dense.user[...] = dense.user.at[users].add(gradient.user, mode="drop")
        dense.item[...] = dense.item.at[items].add(gradient.item, mode="drop")
        dense.similarity = gradient.similarity
        updates, state = optimizer.update(dense, state)
        return (optax.apply_updates(model, updates), state), None

    return jax.lax.scan(step, (model, optimizer.init(model)), steps)[0][0]


def assert_same(ours: Recommender, theirs: Recommender) -> None:
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, atol=3e-6)


@pytest.mark.parametrize("whole_items", [False, True])
def test_adam_over_touched_rows_is_dense_adam(model, whole_items):
    steps = draw_steps()
    train_state = trained("adam", model, steps=steps, whole_items=whole_items)
    assert_same(apply_missed_decay("adam", RATE, train_state)[0], dense_adam(model, steps, whole_items))
    waiting = np.max(np.abs(train_state.model.user[0] - dense_adam(model, steps, whole_items).user[0]))
    assert waiting > 1e-3, "a row that is never touched again still has missed decay"


@pytest.mark.parametrize("num_rows", [8, 16])
def test_going_by_rows_and_moving_all_of_a_table_end_in_the_same_numbers(model, num_rows, monkeypatch):
    steps = draw_steps(num_rows)
    both = []
    for share in (0, 10**6):
        monkeypatch.setattr(optimizers, "_MOVE_ALL", share)
        both.append(apply_missed_decay("adam", RATE, trained("adam", model, steps=steps))[0])
    assert_same(*both)
    assert_same(both[0], dense_adam(model, steps))


def test_an_accelerator_moves_all_of_a_table_where_a_cpu_goes_by_rows(monkeypatch):
    assert optimizers._moves_all(100, 300) and not optimizers._moves_all(100, 301)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert optimizers._moves_all(100, 10_000) and not optimizers._moves_all(100, 10_001)


def test_missed_decay_applied_twice_or_between_steps_changes_nothing(model):
    steps = draw_steps()
    half = jax.tree.map(lambda x: x[: STEPS // 2], steps)
    once = apply_missed_decay("adam", RATE, trained("adam", model, steps=half))
    assert_same(apply_missed_decay("adam", RATE, once)[0], once[0])
    assert_same(once[0], dense_adam(model, half))
    rest = jax.tree.map(lambda x: x[STEPS // 2 :], steps)
    assert_same(apply_missed_decay("adam", RATE, trained("adam", *once, steps=rest))[0], dense_adam(model, steps))


def test_adam_in_its_first_steps_is_dense_adam(model):
    steps = jax.tree.map(lambda x: x[:3], draw_steps())
    assert_same(apply_missed_decay("adam", RATE, trained("adam", model, steps=steps))[0], dense_adam(model, steps))


def test_lazy_adam_leaves_untouched_rows_and_their_moments_alone(model):
    users, items, noise = draw_steps()
    steps = jnp.maximum(users, 2), items, noise  # users 0 and 1 are never touched
    moved, state = trained("lazy_adam", model, steps=steps)
    np.testing.assert_array_equal(moved.user[:2], model.user[:2])
    assert isinstance(state, AdamState) and not np.any(state.user.mean[:2])
    assert optimizers.apply_missed_decay("lazy_adam", RATE, TrainState(moved, state)).model is moved


def test_lazy_adam_is_dense_adam_where_every_step_touches_every_row(model):
    noise = jnp.asarray(np.random.default_rng(1).normal(size=(50, USERS + ITEMS, DIM)), jnp.float32)
    rows = jnp.broadcast_to(jnp.arange(USERS), (50, USERS)), jnp.broadcast_to(jnp.arange(ITEMS), (50, ITEMS))
    assert_same(trained("lazy_adam", model, steps=(*rows, noise))[0], dense_adam(model, (*rows, noise)))


def test_lazy_adam_is_another_algorithm(model):
    steps = draw_steps()
    lazy, dense = trained("lazy_adam", model, steps=steps)[0], dense_adam(model, steps)
    assert np.max(np.abs(lazy.user[...] - dense.user[...])) > 0.01
