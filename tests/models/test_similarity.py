import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import GMF, MLP, Dot, NeuMF


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


LEARNED = {
    "gmf": lambda key: GMF(6, regularize_weights=True, key=key),
    "mlp": lambda key: MLP(6, layers=(12, 7, 3), regularize_weights=True, key=key),
    "neumf": lambda key: NeuMF(6, layers=(8, 5), regularize_weights=True, key=key),
}


@pytest.mark.parametrize("name", LEARNED)
def test_learned_similarities_score_all_items_as_they_score_pairs(key, name):
    model = Recommender(7, 11, 6, LEARNED[name](key), stddev=1.0, key=key)
    pairs = model.score(jnp.arange(7)[:, None], jnp.arange(11)[None, :])
    np.testing.assert_allclose(model.score_all(jnp.arange(7)), pairs, rtol=1e-5, atol=1e-6)
    assert np.std(pairs) > 0.1


def test_gmf_with_equal_weights_is_a_scaled_dot_product(key):
    gmf, dot = GMF(4, regularize_weights=True, key=key), Dot(4, biases=False)
    gmf.output.weight[...], gmf.output.bias[...] = jnp.full(4, 3.0), jnp.float32(0.5)
    p, q = jax.random.normal(key, (2, 5, 4))
    np.testing.assert_allclose(gmf(p, q), 3.0 * dot(p, q) + 0.5, rtol=1e-5)


def test_neumf_is_its_gmf_plus_its_mlp(key):
    neumf = NeuMF(6, layers=(8, 5, 3), regularize_weights=True, key=key)
    gmf, mlp = GMF(2, regularize_weights=True, key=key), MLP(4, layers=(8, 5, 3), regularize_weights=True, key=key)
    gmf.output.weight[...], mlp.output.weight[...] = neumf.output.weight[:2], neumf.output.weight[2:]
    mlp.tower = neumf.tower
    p, q = jax.random.normal(key, (2, 9, 6))
    np.testing.assert_allclose(neumf(p, q), gmf(p[:, :2], q[:, :2]) + mlp(p[:, 2:], q[:, 2:]), rtol=1e-5, atol=1e-6)


def test_weights_start_as_in_the_authors_code(key):
    """Glorot's and LeCun's uniform distributions have these bounds; biases are zero."""
    neumf = NeuMF(300, layers=(400, 200, 50), regularize_weights=True, key=key)
    for kernel, (fan_in, fan_out) in zip(neumf.tower.kernels, [(400, 200), (200, 50)], strict=True):
        bound = np.sqrt(6 / (fan_in + fan_out))
        assert kernel.shape == (fan_in, fan_out) and 0.98 * bound < np.max(np.abs(kernel[...])) <= bound
        np.testing.assert_allclose(np.std(kernel[...]), bound / np.sqrt(3), rtol=0.03)
    bound = np.sqrt(3 / (100 + 50))
    assert neumf.output.weight.shape == (150,) and 0.9 * bound < np.max(np.abs(neumf.output.weight[...])) <= bound
    assert not any(np.any(bias[...]) for bias in neumf.tower.biases) and neumf.output.bias[...] == 0.0


def test_scoring_all_items_multiplies_the_first_layer_once_per_item(key):
    """By the compiler's count: naive pairs pay 64 x 32 multiplications each, here a pair pays those of the rest."""
    mlp = MLP(32, layers=(64, 32, 4), regularize_weights=True, key=key)
    p, q = jax.random.normal(key, (4, 32)), jax.random.normal(key, (1000, 32))

    def naive(p, q):
        pairs = jnp.concatenate([jnp.repeat(p, 1000, axis=0), jnp.tile(q, (4, 1))], axis=1)
        units = jax.nn.relu(pairs @ mlp.tower.kernels[0][...])
        return jax.nn.relu(units @ mlp.tower.kernels[1][...]) @ mlp.output.weight[...]

    np.testing.assert_allclose(mlp.all_pairs(p, q).reshape(-1), naive(p, q), rtol=1e-4, atol=1e-4)
    counted = [
        jax.jit(f).lower(p, q).compile().cost_analysis()["flops"] for f in (mlp.all_pairs, mlp.tower.halves, naive)
    ]
    ours, halves, pairs = counted
    assert halves < 1.1 * 2 * (4 + 1000) * 32 * 32 and pairs > 4000 * 2 * 64 * 32
    # The compiler counts the loop over users once; the naive form would add 4000 * 2 * 64 * 32 at least once a user.
    assert ours < halves + 4000 * 2 * (32 * 4 + 4 + 2 * 32)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda key: MLP(8, layers=(12, 6), regularize_weights=True, key=key), "2 \\* embedding_dim = 16 first.*12, 6"),
        (lambda key: MLP(8, layers=(16,), regularize_weights=True, key=key), "the width of each ReLU layer.*16"),
        (lambda key: MLP(8, layers=(16, 0), regularize_weights=True, key=key), "16, 0"),
        (lambda key: MLP(8, layers=(), regularize_weights=True, key=key), "got \\[\\]"),
        (lambda key: NeuMF(8, layers=(16, 8), regularize_weights=True, key=key), "even number below .* = 16 first"),
        (lambda key: NeuMF(8, layers=(7, 4), regularize_weights=True, key=key), "even number below"),
        (lambda key: GMF(0, regularize_weights=True, key=key), "embedding_dim: expected at least 1, got 0"),
    ],
)
def test_layers_that_do_not_fit_the_embedding_are_refused(key, build, message):
    with pytest.raises(ValueError, match=message):
        build(key)
