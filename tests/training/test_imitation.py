import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ncfjax.data.dot_pairs import DotPairOptions, draw_dot_pairs
from ncfjax.models.similarities.dot import Dot
from ncfjax.training import imitation
from ncfjax.training.imitation import KERAS_EPS, ImitationSpec, RegressionPairs

# Called eagerly, each of their operations would be compiled by itself, and each loop in each call.
train_imitator = jax.jit(imitation.train_imitator, static_argnames="spec")
init_imitator = jax.jit(imitation.init_imitator, static_argnames="spec")
imitation_step, errors = jax.jit(imitation.imitation_step), jax.jit(imitation.errors)
SPEC = ImitationSpec(embedding_dim=4, layers=(8, 4), batch_size=32, num_epochs=4)
SEED = jnp.uint32(5)


def regression_pairs_of(vectors, pairs, teacher=None):
    teacher = Dot(vectors.user.shape[1], biases=False) if teacher is None else teacher
    return RegressionPairs(teacher, *map(jnp.asarray, (*vectors, *pairs)))


@pytest.fixture(scope="module")
def data():
    return draw_dot_pairs(DotPairOptions(60, 4, pairs_per_user=20, num_fresh=500), seed=0)


@pytest.fixture(scope="module")
def pairs(data):
    return regression_pairs_of(data.vectors, data.train)


def numbers(state):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(state.model)])


def test_a_step_is_adam_on_the_mean_squared_error_of_the_pairs_in_the_batch(pairs):
    """Written out with optax; two of the five ids are padding."""
    count, state = len(pairs.users), init_imitator(SPEC, SEED)
    moved = imitation_step(pairs, 0.01, state, jnp.array([3, count, 10, count + 7, 4]))

    @jax.jit
    def one_step(model):
        ids = jnp.array([3, 10, 4])
        p, q = pairs.p[pairs.users[ids]], pairs.q[pairs.items[ids]]
        label = jnp.sum(p * q, axis=1) + pairs.noise[ids]
        gradient = jax.grad(lambda model: jnp.mean((model(p, q) - label) ** 2))(model)
        adam = optax.adam(0.01, eps=KERAS_EPS)
        updates, _ = adam.update(gradient, adam.init(model))
        return optax.apply_updates(model, updates)

    expected = numbers(state._replace(model=one_step(state.model)))
    np.testing.assert_allclose(numbers(moved), expected, atol=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_epochs_in_one_call_are_epochs_in_many(pairs, schedule):
    spec = SPEC._replace(schedule=schedule)
    at_once = train_imitator(spec, pairs, 0.01, init_imitator(spec, SEED), SEED, 0, 3)
    state = init_imitator(spec, SEED)
    for epoch in range(3):
        state = train_imitator(spec, pairs, 0.01, state, SEED, epoch, 1)
    np.testing.assert_allclose(numbers(at_once), numbers(state), atol=1e-6)


def test_a_cosine_ends_at_rest(pairs):
    """Its last epoch moves far less than its first."""
    spec = SPEC._replace(schedule="cosine", num_epochs=20)
    states = [init_imitator(spec, SEED)]
    for epoch in range(20):
        states.append(train_imitator(spec, pairs, 0.01, states[-1], SEED, epoch, 1))
    steps = [np.linalg.norm(numbers(b) - numbers(a)) for a, b in zip(states[:-1], states[1:], strict=True)]
    assert steps[-1] < steps[0] / 20


def test_errors_are_root_mean_squares_over_all_pairs(data, pairs):
    test = regression_pairs_of(data.vectors, data.test)
    model = init_imitator(SPEC, SEED).model
    p, q = test.p[test.users], test.q[test.items]
    dot = np.sum(np.asarray(p * q), axis=1)
    label = dot + data.test.noise
    expected = [np.sqrt(np.mean(off**2)) for off in (np.asarray(model(p, q)) - label, dot - label, label)]
    np.testing.assert_allclose(errors(model, test), expected, rtol=1e-5)


@pytest.mark.parametrize(("name", "value"), [("product", True), ("bilinear", True)])
def test_a_network_that_can_multiply_learns_the_dot_product_where_the_plain_one_does_not(name, value):
    data = draw_dot_pairs(DotPairOptions(400, 8, num_fresh=2000), seed=1)
    pairs, fresh = regression_pairs_of(data.vectors, data.train), regression_pairs_of(data.fresh_vectors, data.fresh)
    spec = ImitationSpec(embedding_dim=8, layers=(16, 8), batch_size=256, num_epochs=10)
    gaps = []
    for variant in (spec, spec._replace(**{name: value})):
        rmse = errors(train_imitator(variant, pairs, 0.003, init_imitator(variant, SEED), SEED, 0, 10).model, fresh)
        gaps.append(float(rmse.model - rmse.teacher))
    plain, multiplying = gaps
    assert multiplying < 0.02 < plain < 0.28


def test_seeds_and_rates_can_be_vmapped_and_a_member_equals_its_run_alone(pairs):
    seeds, rates = jnp.array([1, 2, 1], jnp.uint32), jnp.array([0.01, 0.01, 0.003])

    def run(seed, rate):
        return train_imitator(SPEC, pairs, rate, init_imitator(SPEC, seed), seed, 0, 2)

    together, run = jax.jit(jax.vmap(run))(seeds, rates), jax.jit(run)
    for n in range(3):
        alone = run(seeds[n], rates[n])
        np.testing.assert_allclose(
            numbers(jax.tree.map(lambda x, n=n: x[n], together)), numbers(alone), rtol=1e-4, atol=1e-5
        )
