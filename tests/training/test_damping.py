"""Steps of `expected` along biases: stable for the longest history, and they end where undamped ones would."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.interactions import Interactions
from ncfjax.training.loop import Hyperparameters, Spec, init_train_state, train
from ncfjax.training.objectives import Gradient, Penalty, damped, expected_gradient
from ncfjax.training.sampling import make_training_data
from ncfjax.training.train_state import TrainState

ITEMS, HEAVY, NUM_NEGATIVES = 3_000, 2_000, 8
STUDY = Hyperparameters(*map(jnp.float32, (0.002, 0.005, 0.1, 1.0)))


def interactions(num_items: int, heavy: int, light: int):
    """User 0 has `heavy` items, four others have `light` each."""
    users = np.repeat(np.arange(5), [heavy, *[light] * 4])
    others = (np.random.default_rng(user).permutation(num_items)[:light] for user in range(4))
    return make_training_data(Interactions(users, np.concatenate([np.arange(heavy), *others]), 5, num_items))


@jax.jit
def gradient_of(data, model, rates) -> Gradient:
    """Undamped, of all users in one block."""
    positives = jnp.zeros((5, len(model.item)), bool).at[data.users, data.items].set(True)
    per_positive = rates.negative_weight * NUM_NEGATIVES
    arguments = positives, data.count, per_positive, rates.penalty
    return expected_gradient(model.similarity, model.user[...], model.item[...], *arguments)


@partial(jax.jit, static_argnames=("spec", "num_items"))
def start(spec: Spec, num_items: int = ITEMS) -> TrainState:
    return init_train_state(spec, 5, num_items, STUDY.stddev, jnp.uint32(0))


@partial(jax.jit, static_argnames=("spec", "num_epochs"))
def after(spec, data, hyperparameters, state, first_epoch, num_epochs) -> TrainState:
    return train(spec, data, hyperparameters, state, jnp.uint32(0), first_epoch, num_epochs)


def test_the_bias_of_a_user_with_2000_items_converges_monotonically():
    """Of items that stay as they are. Undamped, a step is lr (1 + w m) n / 4 = 9 times what a bend of 1/4 allows."""
    data, model = interactions(ITEMS, HEAVY, 10), start(Spec(4, "expected", 5, NUM_NEGATIVES)).model
    user, steps = model.user[...], []
    for _ in range(12):
        model.user[...] = user
        step = STUDY.learning_rate * damped(gradient_of(data, model, STUDY), STUDY.learning_rate).user[:, -1]
        user = user.at[:, -1].add(-step)
        steps.append(np.asarray(step))
    heavy = np.array(steps)[:, 0]
    assert np.all(heavy > 0) or np.all(heavy < 0)
    assert np.all(np.diff(np.abs(heavy)) < 0) and abs(heavy[-1]) < 0.002 * abs(heavy[0])


def test_a_rounding_error_at_the_start_stays_one():
    spec, data = Spec(8, "expected", 2, NUM_NEGATIVES), interactions(ITEMS, HEAVY, 10)
    scores = []
    for scale in (1.0, 1.0 + 1e-7):
        state = start(spec)
        state.model.user[...] = state.model.user[...] * jnp.float32(scale)
        scores.append(np.asarray(after(spec, data, STUDY, state, jnp.int32(0), 100).model.score_all(jnp.arange(5))))
    np.testing.assert_allclose(*scores, atol=1e-4)
    np.testing.assert_array_equal(*(np.argsort(np.round(s, 4), axis=1, kind="stable")[:, -10:] for s in scores))


@pytest.mark.parametrize("model", ["dot", "gmf"])
def test_it_ends_where_the_undamped_gradient_is_zero(model):
    """All users in one block, so that the steps end at a stationary point of the objective."""
    spec, data = Spec(2, "expected", 5, NUM_NEGATIVES, model=model), interactions(60, 40, 6)
    rates = STUDY._replace(learning_rate=jnp.float32(0.02), regularization=jnp.float32(0.02))
    trained = after(spec, data, rates, start(spec, 60), jnp.int32(0), 5_000).model
    first, last = (gradient_of(data, m, rates) for m in (start(spec, 60).model, trained))
    for before, there in zip(jax.tree.leaves(first[:3]), jax.tree.leaves(last[:3]), strict=True):
        assert np.abs(there).max() < 1e-3 * max(1.0, float(np.abs(before).max()))


def test_a_weight_of_a_positive_counts_in_the_curvature_and_the_number_of_negatives_does_not_change():
    similarity, ones = start(Spec(4, "expected", 5, NUM_NEGATIVES), 60).model.similarity, jnp.ones
    weights = jnp.zeros((2, 60)).at[0, :3].set(jnp.array([1.0, 2.5, 4.0]))
    arguments = weights > 0, jnp.array([3, 0]), jnp.float32(NUM_NEGATIVES), Penalty(*jnp.zeros(3)), False, weights
    gradient = expected_gradient(similarity, ones((2, 4)), ones((60, 4)), *arguments)
    np.testing.assert_allclose(gradient.bias_curvature, [(7.5 + 8 * 3) / 4, 0.0])


@pytest.mark.parametrize("model", ["dot", "gmf", "mlp", "neumf"])
def test_only_biases_are_damped(model):
    spec, data = Spec(6, "expected", 5, NUM_NEGATIVES, model=model), interactions(60, 40, 6)
    plain = gradient_of(data, start(spec, 60).model, STUDY)
    lighter, rate = damped(plain, STUDY.learning_rate), 0.002
    curvature = 9 * np.array([40, 6, 6, 6, 6]) / 4
    num_factors = 5 if model == "dot" else 6
    np.testing.assert_array_equal(lighter.user[:, :num_factors], plain.user[:, :num_factors])
    np.testing.assert_array_equal(lighter.item, plain.item)
    if model == "dot":
        np.testing.assert_allclose(lighter.user[:, -1], plain.user[:, -1] / (1 + rate * curvature), rtol=1e-5)
    bias, global_bias = plain.similarity.global_bias[...], lighter.similarity.global_bias[...]
    np.testing.assert_allclose(global_bias, bias / (1 + rate * curvature.sum()), rtol=1e-5)
    changed = [not np.array_equal(*pair) for pair in zip(*map(jax.tree.leaves, (plain[2], lighter[2])), strict=True)]
    assert sum(changed) == 1
