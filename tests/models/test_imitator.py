import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.models.imitator import Imitator
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.mlp import MLP
from ncfjax.models.similarity import Similarity

PLAIN = {"layers": (6, 3), "activation": "relu", "product": False, "bilinear": False}
VARIANTS = [
    {},
    {"activation": "gelu"},
    {"product": True},
    {"bilinear": True},
    {"layers": (5,)},
    {"product": True, "bilinear": True},
]


def drawn(key, **changed):
    """With biases and a form that are not zero."""
    model = Imitator(4, **PLAIN | changed, key=key)
    leaves, tree = jax.tree.flatten(model)
    keys = jax.random.split(jax.random.fold_in(key, 1), len(leaves))
    return jax.tree.unflatten(tree, [x + jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)])


def test_the_plain_network_is_the_equation(key):
    model = drawn(key)
    p, q = jax.random.normal(key, (2, 4))
    units = np.concatenate([p, q])
    for kernel, bias in list(zip(model.kernels, model.biases, strict=True))[:-1]:
        units = np.maximum(units @ np.asarray(kernel[...]) + np.asarray(bias[...]), 0.0)
    expected = units @ np.asarray(model.kernels[-1][...]) + np.asarray(model.biases[-1][...])
    np.testing.assert_allclose(model(p, q), expected[0], rtol=1e-5)


def test_it_is_the_mlp_of_the_recommenders(key):
    """The same weights in both give the same scores."""
    model, mlp = drawn(key), MLP(4, layers=(8, 6, 3), regularize_weights=False, key=key)
    for n in range(2):
        mlp.tower.kernels[n][...], mlp.tower.biases[n][...] = model.kernels[n][...], model.biases[n][...]
    mlp.output.weight[...], mlp.output.bias[...] = model.kernels[2][:, 0], model.biases[2][0]
    p, q = jax.random.normal(key, (2, 7, 4))
    np.testing.assert_allclose(model(p, q), mlp(p, q), rtol=1e-5, atol=1e-5)


def test_a_form_that_is_the_identity_adds_the_dot_product(key):
    model, p, q = drawn(key, bilinear=True), *jax.random.normal(key, (2, 7, 4))
    model.form[...] = jnp.zeros((4, 4))
    without = model(p, q)
    model.form[...] = jnp.eye(4)
    np.testing.assert_allclose(model(p, q) - without, jnp.sum(p * q, axis=1), rtol=1e-4, atol=1e-5)


def test_a_product_input_sees_the_products(key):
    model = Imitator(4, **PLAIN | {"product": True}, key=key)
    assert model.kernels[0].shape == (12, 6)
    p, q = jax.random.normal(key, (2, 4))
    model.kernels[0][...] = model.kernels[0][...].at[:8].set(0.0)
    swapped = p * q
    np.testing.assert_allclose(model(p, q), model(swapped, jnp.ones(4)), rtol=1e-5)


@pytest.mark.parametrize("changed", VARIANTS, ids=str)
def test_all_pairs_are_pairs_and_a_recommender_can_rank_with_them(key, changed):
    model = drawn(key, **changed)
    assert isinstance(model, Similarity)
    p, q = jax.random.normal(key, (3, 4)), jax.random.normal(jax.random.fold_in(key, 2), (5, 4))
    scores = Recommender.from_tables(p, q, model).score_all(jnp.arange(3))
    np.testing.assert_allclose(scores, model(p[:, None], q[None]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"layers": ()}, r"layers: expected the width of each hidden layer in brackets, at least one, .*, got \(\)"),
        ({"layers": (4, 0)}, r"at least one, .*, got \(4, 0\)"),
        ({"activation": "rellu"}, "activation=rellu: no such name, did you mean relu\\? valid: relu, gelu, silu, tanh"),
    ],
)
def test_networks_that_cannot_be_are_refused(key, changed, message):
    with pytest.raises(ValueError, match=message):
        Imitator(4, **PLAIN | changed, key=key)
