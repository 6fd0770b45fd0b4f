from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ncfjax.data.interactions import Interactions
from ncfjax.models.tables import Layout
from ncfjax.training import loop, optimizers
from ncfjax.training.loop import EPOCHS, Hyperparameters, Spec, epoch_key, init_train_state, train
from ncfjax.training.objectives import damped, expected_gradient, sampled_gradient
from ncfjax.training.optimizers import Rows, apply_gradient, gather_rows
from ncfjax.training.sampling import make_training_data, sample_negatives, shuffled
from ncfjax.training.train_state import TrainState

USERS, ITEMS = 7, 12
HYPERPARAMETERS = Hyperparameters(*map(jnp.float32, (0.05, 0.01, 0.3, 1.0)))


USERS_AND_ITEMS = np.nonzero(np.random.default_rng(0).random((USERS, ITEMS)) < 0.4)
ALL_EPOCHS = {**EPOCHS, "shuffled": loop.shuffled_examples_epoch}


@pytest.fixture(scope="module")
def data():
    return make_training_data(Interactions(*USERS_AND_ITEMS, USERS, ITEMS))


@partial(jax.jit, static_argnames="spec")  # called eagerly, each of its operations would be compiled by itself
def train_state_of(spec):
    return init_train_state(spec, USERS, ITEMS, HYPERPARAMETERS.stddev, jnp.uint32(0))


@partial(jax.jit, static_argnames=("run_epoch", "spec"))
def after_an_epoch(run_epoch, spec, data, state, key):
    return run_epoch(spec, data, HYPERPARAMETERS, state, key, Layout(len(state.model.item))).model


def test_epochs_differ_in_everything_random_and_seeds_do_too():
    keys = [epoch_key(jnp.uint32(seed), jnp.int32(epoch)) for seed in (0, 1) for epoch in (0, 1)]
    orders = [tuple(np.asarray(shuffled(key, 50, 50))[0]) for key in keys]
    negatives = [tuple(np.asarray(sample_negatives(key, (50,), 1000))) for key in keys]
    assert len(set(orders)) == len(set(negatives)) == 4


def test_one_block_of_all_users_is_one_step_of_gradient_descent(data):
    """An `expected` epoch whose block holds everybody is gradient descent with damped biases, whatever the order."""
    spec = Spec(embedding_dim=4, objective="expected", batch_size=USERS, num_negatives=3)
    state = train_state_of(spec)
    everyone = jnp.arange(USERS)
    dense = np.zeros((USERS, ITEMS), bool)
    dense[np.asarray(data.users), np.asarray(data.items)] = True
    model = state.model
    arguments = jnp.asarray(dense), data.count, jnp.float32(3.0), HYPERPARAMETERS.penalty
    gradient = damped(
        expected_gradient(model.similarity, model.user[everyone], model.item[...], *arguments),
        HYPERPARAMETERS.learning_rate,
    )
    user, item = np.array(state.model.user[...]), np.array(state.model.item[...])
    got = after_an_epoch(EPOCHS["expected"], spec, data, state, jax.random.key(3))
    np.testing.assert_allclose(got.user[...], user - 0.05 * np.asarray(gradient.user), atol=1e-6)
    np.testing.assert_allclose(got.item[...], item - 0.05 * np.asarray(gradient.item), atol=1e-6)


@pytest.mark.parametrize("objective", EPOCHS)
def test_the_last_incomplete_batch_is_trained_too(data, objective):
    """Every user and, by `expected`, every item moves in an epoch, although the batch size divides nothing."""
    spec = Spec(embedding_dim=4, objective=objective, batch_size=5, num_negatives=0 if objective == "sampled" else 2)
    state = train_state_of(spec)
    user, item = np.array(state.model.user[...]), np.array(state.model.item[...])
    trained = after_an_epoch(EPOCHS[objective], spec, data, state, jax.random.key(3))
    moved = np.any(np.asarray(trained.user[...]) != user, axis=1)
    assert moved.tolist() == (np.asarray(data.count) > 0).tolist()
    touched = np.isin(np.arange(ITEMS), np.asarray(data.items)) if objective == "sampled" else np.ones(ITEMS, bool)
    assert np.any(np.asarray(trained.item[...]) != item, axis=1).tolist() == touched.tolist()


def dense_gather_rows(name, learning_rate, train_state, users, items):
    model = train_state.model
    return Rows(users, model.user.at[users].get(mode="clip"), None), Rows(
        items, model.item.at[items].get(mode="clip"), None
    )


def dense_apply_gradient(name, learning_rate, train_state, user, item, gradient, weights_rate):
    """optax's Adam on the whole tables, from a gradient over rows."""
    model, state = train_state
    dense = jax.tree.map(jnp.zeros_like, model)
    dense.user[...] = dense.user.at[user.ids].add(gradient.user, mode="drop")
    dense.item[...] = dense.item.at[item.ids].add(gradient.item, mode="drop")
    dense.similarity = gradient.similarity
    updates, state = optax.adam(learning_rate).update(dense, state)
    return TrainState(optax.apply_updates(model, updates), state)


@pytest.mark.parametrize("shuffle_examples", [False, True])
@pytest.mark.parametrize("reject_positives", [False, True])
def test_epochs_of_adam_are_epochs_of_dense_adam_padding_included(
    data, monkeypatch, shuffle_examples, reject_positives
):
    """Batches of 4 do not divide the positives: what only fills up must neither move nor wait."""
    options = {"shuffle_examples": shuffle_examples, "reject_positives": reject_positives, "optimizer": "adam"}
    spec = Spec(4, "sampled", 4, num_negatives=2, **options)
    monkeypatch.setattr(optimizers, "_MOVE_ALL", 0)  # by rows, although the tables are small
    assert len(data.users) % 4
    seed, epochs = jnp.uint32(0), (jnp.int32(0), jnp.int32(5))
    sparse = train(spec, data, HYPERPARAMETERS, train_state_of(spec), seed, *epochs).model
    model = train_state_of(spec).model
    monkeypatch.setattr(loop, "apply_gradient", dense_apply_gradient)
    monkeypatch.setattr(loop, "gather_rows", dense_gather_rows)
    monkeypatch.setattr(loop, "apply_missed_decay", lambda name, rate, train_state: train_state)
    dense = train(spec, data, HYPERPARAMETERS, TrainState(model, optax.adam(0.0).init(model)), seed, *epochs).model
    for ours, theirs in zip(jax.tree.leaves(sparse), jax.tree.leaves(dense), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_shuffled_examples_are_every_positive_once_and_its_negatives(data):
    """By one step of SGD over the whole epoch, which has the gradient of all examples at once."""
    spec = Spec(4, "sampled", 2 * 3 * len(data.users), num_negatives=2, shuffle_examples=True)
    state, key = train_state_of(spec), jax.random.key(5)

    @jax.jit
    def one_step(state):
        negatives = sample_negatives(jax.random.split(key)[1], (len(data.users), 2), ITEMS)
        examples = jnp.concatenate([data.items[:, None], negatives], axis=1)
        label, valid = jnp.arange(3)[None, :] == 0, jnp.ones(len(data.users), bool)
        user, item = gather_rows("sgd", HYPERPARAMETERS.learning_rate, state, data.users, examples.reshape(-1))
        q = item.values.reshape(*examples.shape, -1)
        weights = HYPERPARAMETERS.negative_weight, HYPERPARAMETERS.penalty
        gradient = sampled_gradient(state.model.similarity, user.values, q, label, valid, *weights)
        return apply_gradient("sgd", HYPERPARAMETERS.learning_rate, state, user, item, gradient).model

    want, got = one_step(state), after_an_epoch(loop.shuffled_examples_epoch, spec, data, state, key)
    for ours, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def spec_of(name, **options):
    objective, is_shuffled = ("sampled", True) if name == "shuffled" else (name, False)
    return Spec(4, objective, shuffle_examples=is_shuffled, options=(("biases", False),), **options)


@pytest.mark.parametrize("name", ALL_EPOCHS)
def test_an_epoch_weighs_every_positive_by_its_own_weight(name):
    """Without negatives, and all at once: a step of gradient descent, as a loop over the pairs in any order."""
    order = np.random.default_rng(1).permutation(len(USERS_AND_ITEMS[0]))
    users, items = (ids[order] for ids in USERS_AND_ITEMS)
    weights = np.random.default_rng(2).integers(1, 6, len(users)).astype(np.float32)
    data = make_training_data(Interactions(users, items, USERS, ITEMS, weights=weights))
    spec = spec_of(name, batch_size=2 * len(users), num_negatives=0)
    state, rates = train_state_of(spec), HYPERPARAMETERS
    p, q = np.array(state.model.user[...]), np.array(state.model.item[...])
    user, item, rate, penalty = p.copy(), q.copy(), float(rates.learning_rate), float(rates.regularization)
    for u, i, c in zip(users, items, weights, strict=True):
        delta = 1.0 / (1.0 + np.exp(-p[u] @ q[i])) - 1.0
        user[u] -= rate * c * (delta * q[i] + penalty * p[u])
        item[i] -= rate * c * (delta * p[u] + penalty * q[i])
    got = after_an_epoch(ALL_EPOCHS[name], spec, data, state, jax.random.key(3))
    np.testing.assert_allclose(got.user[...], user, atol=1e-6)
    np.testing.assert_allclose(got.item[...], item, atol=1e-6)


@pytest.mark.parametrize("reject_positives", [False, True])
@pytest.mark.parametrize("name", ALL_EPOCHS)
def test_weights_of_one_give_the_numbers_of_none(data, name, reject_positives):
    interactions = Interactions(*USERS_AND_ITEMS, USERS, ITEMS, weights=np.ones(len(data.users)))
    spec = spec_of(name, batch_size=4, num_negatives=3, reject_positives=reject_positives)
    models = [
        after_an_epoch(ALL_EPOCHS[name], spec, training_data, train_state_of(spec), jax.random.key(3))
        for training_data in (data, make_training_data(interactions))
    ]
    for none, ones in zip(*map(jax.tree.leaves, models), strict=True):
        np.testing.assert_allclose(ones, none, atol=1e-7)


def rates(**changed: float) -> Hyperparameters:
    return HYPERPARAMETERS._replace(**{name: jnp.float32(value) for name, value in changed.items()})


@partial(jax.jit, static_argnames="spec")
def trained(spec, data, hyperparameters, first_epoch, num_epochs, state):
    return train(spec, data, hyperparameters, state, jnp.uint32(0), first_epoch, num_epochs)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lazy_adam"])
def test_a_rate_that_decays_is_that_of_its_epoch(data, optimizer):
    spec = Spec(4, "sampled", 4, num_negatives=2, optimizer=optimizer)
    at_once = trained(spec, data, rates(decay=0.5), 0, 3, train_state_of(spec))
    by_hand = train_state_of(spec)
    for epoch in range(3):
        by_hand = trained(spec, data, rates(learning_rate=0.05 * 0.5**epoch), epoch, 1, by_hand)
    for got, want in zip(jax.tree.leaves(at_once), jax.tree.leaves(by_hand), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lazy_adam"])
@pytest.mark.parametrize("model", ["gmf", "mlp"])
def test_own_weights_move_by_their_own_rate(data, optimizer, model):
    spec = Spec(4, "sampled", 2 * len(data.users), num_negatives=2, model=model, optimizer=optimizer)
    start = train_state_of(spec).model
    once, thrice, never = (
        trained(spec, data, rates(weights_rate=factor), 0, 1, train_state_of(spec)).model for factor in (1, 3, 0)
    )
    for x, moved, further, stayed in zip(
        *(jax.tree.leaves(m.similarity) for m in (start, once, thrice, never)), strict=True
    ):
        np.testing.assert_allclose(stayed, x)
        if not (optimizer == "sgd" and x.ndim == 0):
            np.testing.assert_allclose(further - x, 3 * (moved - x), rtol=2e-3, atol=1e-6)
    for table in ("user", "item"):
        np.testing.assert_array_equal(getattr(thrice, table)[...], getattr(once, table)[...])


def test_biases_and_own_weights_have_penalties_of_their_own(data):
    """A strong penalty of one part shrinks that part alone."""
    spec = Spec(4, "expected", USERS, num_negatives=2)
    plain, biases, weights = (
        trained(spec, data, rates(**change), 0, 20, train_state_of(spec)).model
        for change in ({}, {"bias_penalty": 3.0}, {"weights_penalty": 0.1})
    )

    def size(x) -> float:
        return float(jnp.sum(jnp.abs(x)))

    assert size(biases.item[:, -1]) < 0.6 * size(plain.item[:, -1])
    assert size(biases.item[:, :-1]) > 0.7 * size(plain.item[:, :-1])
    assert size(weights.similarity.bias[...]) < 0.6 * size(plain.similarity.bias[...])
