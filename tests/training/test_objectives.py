"""Gradients against explicit losses, and the sampled objective against the study's weights loop."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array, Float

from ncfjax.data.interactions import Interactions
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot
from ncfjax.models.similarities.gmf import GMF
from ncfjax.models.similarities.mlp import MLP
from ncfjax.models.similarities.neumf import NeuMF
from ncfjax.models.similarity import Similarity
from ncfjax.training import objectives
from ncfjax.training.objectives import Penalty
from ncfjax.training.sampling import make_training_data, sample_negatives, sample_unobserved

USERS, ITEMS, DIM = 5, 9, 4
PENALTY = Penalty(*map(jnp.float32, (0.03, 0.05, 0.02)))
WEIGHT = 0.7


@pytest.fixture
def model(key):
    model = Recommender(USERS, ITEMS, DIM, Dot(DIM, biases=True), stddev=0.5, key=key)
    model.user[...] = model.user[...].at[:, -1].set(jnp.linspace(-1.0, 1.0, USERS))
    model.item[...] = model.item[...].at[:, -1].set(jnp.linspace(0.5, -0.5, ITEMS))
    model.similarity.bias[...] = jnp.float32(-0.2)
    return model


LEARNED = {
    "gmf": lambda key: GMF(DIM, regularize_weights=True, key=key),
    "gmf, w not regularized": lambda key: GMF(DIM, regularize_weights=False, key=key),
    "mlp": lambda key: MLP(DIM, layers=(2 * DIM, 5, 3), regularize_weights=True, key=key),
    "neumf": lambda key: NeuMF(DIM, layers=(4, 3), regularize_weights=True, key=key),
}


@pytest.fixture(params=["dot", *LEARNED])
def any_model(request, key, model):
    if request.param == "dot":
        return model
    return Recommender(USERS, ITEMS, DIM, LEARNED[request.param](key), stddev=0.5, key=key)


def penalty(model, user, item, strength):
    """Half the squares of what an example touches, each part by its own strength."""
    own = jax.tree.leaves(model.similarity) if model.similarity.regularize_weights else []
    weights = PENALTY.weights * sum(jnp.sum(x**2) for x in own)
    is_bias = jnp.arange(DIM) == (DIM - 1 if model.similarity.holds_biases else DIM)
    entries = jnp.where(is_bias, PENALTY.biases, PENALTY.vectors)
    return strength / 2 * (weights + sum(jnp.sum(entries * x**2) for x in (model.user[user], model.item[item])))


def total_loss(model, examples):
    """Of examples (user, item, sign, weight), one after the other."""
    return jnp.sum(jax.lax.map(lambda example: example_loss(model, *example), tuple(map(jnp.asarray, examples))))


loss_gradient = jax.jit(jax.grad(total_loss))


def example_loss(model, user, item, sign, weight):
    """weight * (l(sign * score) + the penalty on what the example touches)."""
    return weight * jax.nn.softplus(-sign * model.score(*map(jnp.asarray, (user, item)))) + penalty(
        model, user, item, weight
    )


class Dense(NamedTuple):
    """A gradient over whole tables."""

    user: Float[Array, "users dim"]
    item: Float[Array, "items dim"]
    similarity: Similarity


@jax.jit
def sampled_gradient(model, users, items, negatives, valid, *rates) -> Dense:
    """Of positives, each with its negatives; a third rate is the weights [batch, 1] of the positives."""
    examples = jnp.concatenate([items[:, None], negatives], axis=1)
    label = jnp.arange(examples.shape[1])[None, :] == 0
    p, q = model.user[users], model.item[examples]
    user, item, similarity, _ = objectives.sampled_gradient(model.similarity, p, q, label, valid, *rates)
    item = jnp.zeros((ITEMS, DIM)).at[examples.reshape(-1)].add(item)
    return Dense(jnp.zeros((USERS, DIM)).at[users].add(user), item, similarity)


@partial(jax.jit, static_argnames="reject_positives")
def expected_gradient(model, users, *arguments, reject_positives=False, weights=None) -> Dense:
    """Of a block of users; an id past the table is padding."""
    arguments = *arguments, reject_positives, weights
    p = model.user.at[users].get(mode="clip")
    user, item, similarity, _ = objectives.expected_gradient(model.similarity, p, model.item[...], *arguments)
    return Dense(jnp.zeros((USERS, DIM)).at[users].add(user, mode="drop"), item, similarity)


def same(regularization: float) -> Penalty:
    """The study's: one strength for all parts."""
    return Penalty(*[jnp.float32(regularization)] * 3)


def dense(gradient: Dense):
    return gradient.user, gradient.item, *jax.tree.leaves(gradient.similarity)


def step(model, learning_rate, gradient: Dense):
    return jax.tree.map(
        lambda x, g: x - learning_rate * g, (model.user[...], model.item[...], model.similarity), tuple(gradient)
    )


def assert_same(gradient, model, tolerance=1e-5):
    """`model` holds the gradient of a loss in the place of its parameters."""
    want = model.user[...], model.item[...], *jax.tree.leaves(model.similarity)
    for got, expected in zip(dense(gradient), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def test_sampled_gradient_is_the_gradient_of_the_sampled_loss(any_model):
    users, items = np.array([0, 3, 3]), np.array([2, 2, 8])
    negatives = np.array([[1, 1], [2, 4], [8, 0]])  # a repeat, and positives among them

    examples = []
    for u, i, drawn in zip(users, items, negatives, strict=True):
        examples += [(u, i, 1.0, 1.0), *((u, j, -1.0, WEIGHT) for j in drawn)]
    valid = jnp.ones(3, bool)
    gradient = sampled_gradient(any_model, users, items, negatives, valid, jnp.float32(WEIGHT), PENALTY)
    assert_same(gradient, loss_gradient(any_model, list(zip(*examples, strict=True))))


def test_a_weighted_sampled_gradient_is_the_gradient_of_the_weighted_loss(any_model):
    """The weight of a positive is its own: its negatives count as without it."""
    users, items, weights = np.array([0, 3, 3]), np.array([2, 2, 8]), np.array([0.5, 1.0, 5.0], np.float32)
    negatives = np.array([[1, 1], [2, 4], [8, 0]])
    examples = []
    for u, i, c, drawn in zip(users, items, weights, negatives, strict=True):
        examples += [(u, i, 1.0, c), *((u, j, -1.0, WEIGHT) for j in drawn)]
    rates = jnp.float32(WEIGHT), PENALTY, weights[:, None]
    gradient = sampled_gradient(any_model, users, items, negatives, jnp.ones(3, bool), *rates)
    assert_same(gradient, loss_gradient(any_model, list(zip(*examples, strict=True))))


@settings(max_examples=20)
@given(st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_a_positive_of_weight_k_counts_as_one_that_is_listed_k_times(weights):
    model = Recommender(USERS, ITEMS, DIM, Dot(DIM, biases=True), stddev=0.5, key=jax.random.key(0))
    users, items, rates = np.array([0, 3, 3, 1]), np.array([2, 2, 8, 0]), (jnp.float32(1), PENALTY)
    listed = np.resize(np.repeat(np.arange(4), weights), 16)  # of one shape, so that one program is compiled
    is_listed, none = jnp.arange(16) < sum(weights), np.zeros((16, 0), int)
    want = sampled_gradient(model, users[listed], items[listed], none, is_listed, *rates)
    column = np.array(weights, np.float32)[:, None]
    got = sampled_gradient(model, users, items, none[:4], jnp.ones(4, bool), *rates, column)
    for ours, theirs in zip(dense(got), dense(want), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_examples_that_are_not_valid_count_nothing(any_model):
    rates = jnp.float32(WEIGHT), PENALTY
    users, items, negatives = jnp.array([0, 1]), jnp.array([2, 3]), jnp.array([[4], [5]])
    padded = sampled_gradient(any_model, users, items, negatives, jnp.array([True, False]), *rates)
    alone = sampled_gradient(any_model, users[:1], items[:1], negatives[:1], jnp.array([True]), *rates)
    for got, want in zip(dense(padded), dense(alone), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


def expected_arguments():
    positives = np.random.default_rng(0).random((USERS, ITEMS)) < 0.4
    return jnp.asarray(positives), jnp.asarray(positives.sum(1), jnp.int32)


@pytest.mark.parametrize("reject_positives", [False, True])
def test_expected_gradient_is_the_gradient_of_the_expected_loss(any_model, reject_positives):
    positives, count = expected_arguments()
    per_positive = 3 * WEIGHT
    users = np.array([4, 1])

    examples = []
    for u in (4, 1):
        for i in range(ITEMS):
            weight = per_positive * int(count[u]) / (ITEMS - reject_positives * int(count[u]))
            examples.append((u, i, -1.0, 0.0 if positives[u, i] and reject_positives else weight))
            examples += [(u, i, 1.0, 1.0)] * bool(positives[u, i])
    rates = jnp.float32(per_positive), PENALTY
    arguments = positives[users], count[users], *rates
    gradient = expected_gradient(any_model, users, *arguments, reject_positives=reject_positives)
    assert_same(gradient, loss_gradient(any_model, list(zip(*examples, strict=True))))


@pytest.mark.parametrize("reject_positives", [False, True])
def test_a_weighted_expected_gradient_is_the_gradient_of_the_weighted_loss(any_model, reject_positives):
    """The weights of a user's positives are their own: the negatives are by the number of positives."""
    positives, count = expected_arguments()
    weights = np.where(positives, np.random.default_rng(1).integers(1, 6, positives.shape), 0).astype(np.float32)
    users, per_positive, examples = np.array([4, 1]), 3 * WEIGHT, []
    for u in users:
        for i in range(ITEMS):
            weight = per_positive * int(count[u]) / (ITEMS - reject_positives * int(count[u]))
            examples.append((u, i, -1.0, 0.0 if positives[u, i] and reject_positives else weight))
            examples.append((u, i, 1.0, weights[u, i]))
    arguments = positives[users], count[users], jnp.float32(per_positive), PENALTY
    options = {"reject_positives": reject_positives, "weights": weights[users]}
    gradient = expected_gradient(any_model, users, *arguments, **options)
    assert_same(gradient, loss_gradient(any_model, list(zip(*examples, strict=True))), tolerance=2e-5)


def test_a_padding_user_counts_nothing(any_model):
    positives, count = expected_arguments()
    rates = jnp.float32(2.0), PENALTY
    alone = expected_gradient(any_model, jnp.array([2]), positives[2:3], count[2:3], *rates)
    rows = jnp.stack([positives[2], jnp.zeros(ITEMS, bool)])
    padded = expected_gradient(any_model, jnp.array([2, USERS]), rows, jnp.array([count[2], 0]), *rates)
    for got, want in zip(dense(padded), dense(alone), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("reject_positives", [False, True])
def test_the_expected_gradient_is_the_mean_of_many_sampled_ones(any_model, reject_positives):
    positives, count = expected_arguments()
    data = make_training_data(Interactions(*np.nonzero(np.asarray(positives)), USERS, ITEMS))
    num_negatives, draws = 3, 5_000
    valid = jnp.ones(len(data.users), bool)
    rates = jnp.float32(WEIGHT), PENALTY

    def sampled(key):
        if reject_positives:
            negatives = sample_unobserved(key, data.users, num_negatives, data, ITEMS)
        else:
            negatives = sample_negatives(key, (len(data.users), num_negatives), ITEMS)
        return dense(sampled_gradient(any_model, data.users, data.items, negatives, valid, *rates))

    draws = jax.jit(jax.vmap(sampled))(jax.random.split(jax.random.key(1), draws))
    everyone = jnp.arange(USERS)
    expected = dense(
        expected_gradient(
            any_model, everyone, positives, count, num_negatives * rates[0], rates[1], reject_positives=reject_positives
        )
    )
    for many, want in zip(draws, expected, strict=True):
        error = np.std(many, axis=0) / np.sqrt(len(many))
        assert np.all(np.abs(np.mean(many, axis=0) - want) < 5 * error + 2e-4)


def study_loop(user, item, bias, examples, learning_rate, regularization, *, simultaneous):
    """The study's SGD in NumPy, one example after the other; the last entry of a row is its bias."""
    user, item = user.astype(np.float64), item.astype(np.float64)
    for u, i, label in examples:
        p = user[u].copy() if simultaneous else user[u]  # a view in the authors' script: the item sees the new user
        q = item[i].copy()
        score = bias + p[-1] + q[-1] + p[:-1] @ q[:-1]
        delta = 1.0 / (1.0 + np.exp(-score)) - label
        user[u, :-1] -= learning_rate * (delta * q[:-1] + regularization * p[:-1])
        item[i, :-1] -= learning_rate * (delta * p[:-1] + regularization * q[:-1])
        user[u, -1] -= learning_rate * (delta + regularization * user[u, -1])
        item[i, -1] -= learning_rate * (delta + regularization * q[-1])
        bias -= learning_rate * (delta + regularization * bias)
    return user, item, bias


def draw_examples(count):
    rng = np.random.default_rng(1)
    labels = rng.random(count) < 0.3
    return list(zip(rng.integers(0, USERS, count), rng.integers(0, ITEMS, count), labels, strict=True))


def numpy_steps(user, item, bias, batches, learning_rate, regularization):
    """The study's SGD where a positive and its negatives are taken at the same parameters and their steps added up.

    The step of a positive is times its weight.
    """
    user, item = user.astype(np.float64), item.astype(np.float64)
    for u, i, negatives, weight in batches:
        old_user, old_item, old_bias = user.copy(), item.copy(), bias
        for j, label, step in [(i, 1.0, learning_rate * weight), *((j, 0.0, learning_rate) for j in negatives)]:
            p, q = old_user[u], old_item[j]
            delta = 1.0 / (1.0 + np.exp(-(old_bias + p[-1] + q[-1] + p[:-1] @ q[:-1]))) - label
            user[u] -= step * (delta * np.append(q[:-1], 1.0) + regularization * p)
            item[j] -= step * (delta * np.append(p[:-1], 1.0) + regularization * q)
            bias -= step * (delta + regularization * old_bias)
    return user, item, bias


@pytest.mark.parametrize(("num_negatives", "heaviest"), [(0, 1), (1, 1), (4, 1), (4, 5)])
def test_batches_of_one_positive_are_the_studys_sgd(model, num_negatives, heaviest):
    """Same order, same negatives: equal to 1e-5 after 300 steps. Without negatives it is the study's loop."""
    learning_rate, regularization = 0.05, 0.01
    tables = np.array(model.user[...]), np.array(model.item[...]), float(model.similarity.bias[...])
    pairs = [(u, i) for u, i, _ in draw_examples(300)]
    negatives = np.random.default_rng(2).integers(0, ITEMS, (len(pairs), num_negatives))
    weights = np.random.default_rng(3).integers(1, heaviest + 1, len(pairs))
    batches = [(*pair, drawn, weight) for pair, drawn, weight in zip(pairs, negatives, weights, strict=True)]
    want = numpy_steps(*tables, batches, learning_rate, regularization)
    if num_negatives == 0:
        positives = [(*pair, 1.0) for pair in pairs]
        for one, other in zip(
            want, study_loop(*tables, positives, learning_rate, regularization, simultaneous=True), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-12)

    def train_step(model, batch):
        pair, drawn, weight = batch
        rates = jnp.float32(1), same(regularization), weight.reshape(1, 1)
        arguments = pair[:1], pair[1:], drawn[None], jnp.ones(1, bool), *rates
        moved = jax.tree.map(lambda x: x, model)
        moved.user[...], moved.item[...], moved.similarity = step(
            model, learning_rate, sampled_gradient(model, *arguments)
        )
        return moved, None

    batches = jnp.asarray(pairs, jnp.int32), jnp.asarray(negatives, jnp.int32), jnp.asarray(weights, jnp.float32)
    trained = jax.lax.scan(train_step, model, batches)[0]
    got = trained.user[...], trained.item[...], trained.similarity.bias[...]
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_one_positive_with_its_negatives_is_the_studys_step_to_second_order(model):
    """A positive and its negatives share one step here, where the study takes 1 + m steps.

    They differ by O(learning_rate^2).
    """
    tables = np.array(model.user[...]), np.array(model.item[...]), float(model.similarity.bias[...])
    negatives = [1, 5, 1, 7]
    examples = [(2, 3, True), *((2, j, False) for j in negatives)]

    def difference(learning_rate):
        want = study_loop(*tables, examples, learning_rate, 0.01, simultaneous=True)
        one = jnp.ones(1, bool)
        arguments = jnp.array([2]), jnp.array([3]), jnp.array([negatives]), one, jnp.float32(1), same(0.01)
        user, item, similarity = step(model, learning_rate, sampled_gradient(model, *arguments))
        got = user, item, similarity.bias[...]
        return max(np.max(np.abs(ours - theirs)) for ours, theirs in zip(got, want, strict=True))

    assert difference(0.1) < 0.05
    assert 50 < difference(0.1) / difference(0.01) < 200  # a hundredth for a tenth of the rate


def test_the_studys_aliased_item_step_does_not_matter(model):
    """Its item step sees the already updated user: at the study's rate a thousand steps differ by under 1 % of what
    they move."""
    tables = np.array(model.user[...]), np.array(model.item[...]), float(model.similarity.bias[...])
    examples = draw_examples(1000)
    simultaneous = study_loop(*tables, examples, 0.002, 0.005, simultaneous=True)
    aliased = study_loop(*tables, examples, 0.002, 0.005, simultaneous=False)
    for a, b, start in zip(simultaneous, aliased, tables, strict=True):
        assert np.linalg.norm(a - b) < 0.01 * np.linalg.norm(a - start)
    assert np.linalg.norm(simultaneous[1] - aliased[1]) > 0  # and the two loops are not the same
