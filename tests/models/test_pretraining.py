import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncfjax.models.pretraining import as_gmf, join
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot
from ncfjax.models.similarities.gmf import GMF
from ncfjax.models.similarities.mlp import MLP
from ncfjax.models.similarities.neumf import NeuMF

NUM_USERS, NUM_ITEMS = 6, 9
LAYERS = (8, 5, 3)


def scatter(model, key):
    """`model` with every parameter drawn, its biases too."""
    leaves, structure = jax.tree.flatten(model)
    keys = jax.random.split(key, len(leaves))
    return jax.tree.unflatten(structure, [jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)])


def make_gmf(key, num_users=NUM_USERS, num_items=NUM_ITEMS):
    similarity = GMF(2, regularize_weights=True, key=key)
    return scatter(Recommender(num_users, num_items, 2, similarity, stddev=1.0, key=key), key)


def make_mlp(key, num_users=NUM_USERS, num_items=NUM_ITEMS):
    similarity = MLP(4, layers=LAYERS, regularize_weights=False, key=key)
    return scatter(Recommender(num_users, num_items, 4, similarity, stddev=1.0, key=key), key)


@jax.jit
def make_pair(key):
    gmf_key, mlp_key = jax.random.split(key)
    return make_gmf(gmf_key), make_mlp(mlp_key)


@jax.jit
def scores_apart_and_joined(seed, alpha):
    gmf, mlp = make_pair(jax.random.key(seed))
    joined, users = join(gmf, mlp, alpha, regularize_weights=True), jnp.arange(NUM_USERS)
    return gmf.score_all(users), mlp.score_all(users), joined.score_all(users)


def assert_ranks_alike(scores, others):
    np.testing.assert_allclose(scores, others, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(np.argsort(scores, axis=1), np.argsort(others, axis=1))


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_alpha_one_ranks_as_gmf_alone_and_alpha_zero_as_the_mlp_alone(seed):
    gmf, mlp, joined = scores_apart_and_joined(jnp.uint32(seed), jnp.float32(1.0))
    assert_ranks_alike(joined, gmf)
    joined = scores_apart_and_joined(jnp.uint32(seed), jnp.float32(0.0))[2]
    assert_ranks_alike(joined, mlp)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1, width=32))
def test_a_joined_score_is_the_weighted_sum_of_both(seed, alpha):
    gmf, mlp, joined = scores_apart_and_joined(jnp.uint32(seed), jnp.float32(alpha))
    np.testing.assert_allclose(joined, alpha * gmf + (1.0 - alpha) * mlp, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("regularize_weights", [True, False])
def test_a_joined_model_goes_where_a_drawn_one_goes(key, regularize_weights):

    def draw():
        similarity = NeuMF(6, layers=LAYERS, regularize_weights=regularize_weights, key=key)
        return Recommender(NUM_USERS, NUM_ITEMS, 6, similarity, stddev=1.0, key=key)

    drawn = jax.eval_shape(draw)
    joined = join(*make_pair(key), 0.5, regularize_weights=regularize_weights)
    assert jax.tree.structure(joined) == jax.tree.structure(drawn)
    assert [(x.shape, x.dtype) for x in jax.tree.leaves(joined)] == [(x.shape, x.dtype) for x in jax.tree.leaves(drawn)]


def test_joining_under_vmap_equals_joining_alone(key):
    keys, alphas = jax.random.split(key, 3), jnp.array([0.0, 0.3, 1.0])
    gmf, mlp = jax.vmap(make_pair)(keys)
    grid = jax.jit(jax.vmap(lambda *pair: join(*pair, regularize_weights=True)))(gmf, mlp, alphas)
    for member, alpha in enumerate(alphas):
        pair = jax.tree.map(lambda x, member=member: x[member], (gmf, mlp))
        alone = join(*pair, alpha, regularize_weights=True)
        for x, y in zip(jax.tree.leaves(grid), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(x[member], y, rtol=1e-6)


def test_what_is_joined_outlives_the_models_it_came_from(key):
    """Training donates its model: a joined one must not share a buffer with the two."""
    gmf, mlp = make_pair(key)
    joined = join(gmf, mlp, 0.5, regularize_weights=True)
    before = np.array(joined.score_all(jnp.arange(NUM_USERS)))
    for leaf in jax.tree.leaves((gmf, mlp)):
        leaf.delete()
    np.testing.assert_array_equal(joined.score_all(jnp.arange(NUM_USERS)), before)


@pytest.mark.parametrize("side", ["user", "item"])
def test_models_of_different_sizes_are_refused(key, side):
    sizes = {"num_users": NUM_USERS, "num_items": NUM_ITEMS}
    expected = sizes[f"num_{side}s"]
    mlp = make_mlp(key, **{**sizes, f"num_{side}s": expected + 1})
    with pytest.raises(ValueError, match=f"pretraining: expected an MLP of {expected} {side}s, .*got {expected + 1}"):
        join(make_gmf(key), mlp, 0.5, regularize_weights=True)


def test_models_in_the_wrong_order_are_refused(key):
    gmf, mlp = make_pair(key)
    with pytest.raises(ValueError, match="pretraining: expected GMF and MLP, got MLP and GMF"):
        join(mlp, gmf, 0.5, regularize_weights=True)


def test_a_dot_product_is_a_gmf_of_one_factor_more(key):
    dot = Recommender(NUM_USERS, NUM_ITEMS, 4, Dot(4, biases=True), stddev=1.0, key=key)
    dot.user[...], dot.item[...] = jax.random.normal(key, (NUM_USERS, 4)), jax.random.normal(key, (NUM_ITEMS, 4))
    dot.similarity.bias[...] = jnp.float32(0.3)
    gmf, users = as_gmf(dot, regularize_weights=True), jnp.arange(NUM_USERS)
    assert gmf.user.shape == (NUM_USERS, 5)
    np.testing.assert_allclose(gmf.score_all(users), dot.score_all(users), rtol=1e-5, atol=1e-6)
