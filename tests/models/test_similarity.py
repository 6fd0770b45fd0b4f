import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import Dot


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


def test_fresh_biases_are_zero_and_factors_have_the_asked_stddev(key):
    dim = 200
    model = Recommender(500, 400, dim, Dot(dim, biases=True), stddev=0.1, key=key)
    assert not np.any(model.user[:, -1]) and not np.any(model.item[:, -1])
    np.testing.assert_allclose(np.std(model.user[:, :-1]), 0.1, rtol=0.02)
    assert abs(np.corrcoef(model.user[:400, 0], model.item[:, 0])[0, 1]) < 0.2  # users and items from different keys


@pytest.mark.parametrize(("dim", "biases"), [(1, True), (0, False)])
def test_a_dimension_without_a_factor_is_refused(dim, biases):
    with pytest.raises(ValueError, match=f"embedding_dim: expected at least {dim + 1}.*got {dim}"):
        Dot(dim, biases=biases)


def test_a_vmapped_model_gives_one_member_back_as_a_working_model(key):
    grid = jax.vmap(lambda key: make_model(key, biases=True))(jax.random.split(key, 3))
    member = jax.tree.map(lambda x: x[1], grid)
    alone = make_model(jax.random.split(key, 3)[1], biases=True)
    np.testing.assert_allclose(member.score_all(jnp.arange(7)), alone.score_all(jnp.arange(7)), rtol=1e-6)
