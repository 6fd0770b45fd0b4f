import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.models.constants import drawn_once
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot
from ncfjax.models.similarity import make_similarity


def make_model(key, *, biases, embedding_dim=5):
    model = Recommender(7, 11, embedding_dim, Dot(embedding_dim, biases=biases), stddev=1.0, key=key)
    if biases:
        model.similarity.bias[...] = jnp.float32(0.25)
    return model


def test_the_dot_product_with_biases_is_the_papers_formula():
    dot = Dot(3, biases=True)
    dot.bias[...] = jnp.float32(10.0)
    p, q = jnp.array([1.0, 2.0, 0.5]), jnp.array([3.0, -1.0, 0.25])
    assert dot(p, q) == 10.0 + 0.5 + 0.25 + (1.0 * 3.0 - 2.0 * 1.0)


def test_without_biases_every_entry_is_a_factor():
    assert Dot(2, biases=False)(jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0])) == 11.0


@pytest.mark.parametrize("biases", [True, False])
def test_scoring_all_items_equals_scoring_pairs(key, biases):
    model = make_model(key, biases=biases)
    users, items = jnp.arange(7), jnp.arange(11)
    pairs = model.score(users[:, None], items[None, :])
    np.testing.assert_allclose(model.score_all(users), pairs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("dim", "biases"), [(1, True), (0, False)])
def test_a_dimension_without_a_factor_is_refused(dim, biases):
    with pytest.raises(ValueError, match=f"embedding_dim: expected an integer >= {dim + 1}.*got {dim}"):
        Dot(dim, biases=biases)


def test_a_frozen_constant_is_no_parameter_and_the_same_for_all(key):
    frozen = make_similarity("dot", 5, key=key, frozen_constants=True)
    assert not jax.tree.leaves(frozen) and frozen.global_bias is None
    p, q = jax.random.normal(key, (2, 9, 5))
    difference = frozen(p, q) - Dot(5, biases=True)(p, q)
    np.testing.assert_allclose(difference, np.full(9, drawn_once()), rtol=1e-5)
    np.testing.assert_allclose(jnp.diag(frozen.all_pairs(p, q)), frozen(p, q), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="frozen_constants: expected false, as model.biases=false has no constant"):
        make_similarity("dot", 5, key=key, biases=False, frozen_constants=True)
