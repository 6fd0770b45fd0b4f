import jax
import numpy as np
import pytest

from ncfjax.models.constants import drawn_once
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.gmf import GMF
from ncfjax.models.similarities.mlp import MLP
from ncfjax.models.similarities.neumf import NeuMF
from ncfjax.models.similarity import make_similarity


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


@pytest.mark.parametrize("layers", [(16, 8), (7, 4)])
def test_layers_that_do_not_fit_the_embedding_are_refused(key, layers):
    with pytest.raises(ValueError, match="model.layers: expected an even number below 2 .* = 16 first"):
        NeuMF(8, layers=layers, regularize_weights=True, key=key)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_sigmoid_of_gmf_comes_before_the_sum(key, frozen):
    options = {"layers": (8, 5, 3), "gmf_sigmoid": True, "frozen_constants": frozen}
    neumf = make_similarity("neumf", 6, key=key, **options)
    p, q = jax.random.normal(key, (2, 9, 6))
    weight = drawn_once(2) if frozen else neumf.output.weight[:2]
    units = neumf.tower(*neumf.tower.halves(p[:, 2:], q[:, 2:]))
    mlp = units @ neumf.output.weight[0 if frozen else 2 :]
    np.testing.assert_allclose(neumf(p, q), jax.nn.sigmoid((p * q)[:, :2] @ weight) + mlp, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.diag(neumf.all_pairs(p, q)), neumf(p, q), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("dot", {"frozen_constants": True}, 266_720_100),
        ("dot", {}, 266_720_101),  # with a trained global bias
        ("neumf", {"layers": (100, 100, 25), "gmf_sigmoid": True, "frozen_constants": True}, 266_732_751),
        ("neumf", {"layers": (100, 100, 25)}, 266_732_801),  # with trained weights of GMF
    ],
)
def test_the_reports_models_have_its_numbers_of_parameters(key, name, options, expected):
    """From shapes alone: 17,771 movies, 2,649,430 users, 100 entries; dense layers of 10,100 + 2,525 + 26."""
    similarity = make_similarity(name, 100, key=key, **options)
    model = jax.eval_shape(lambda: Recommender(2_649_430, 17_771, 100, similarity, stddev=1.0, key=key))
    assert sum(leaf.size for leaf in jax.tree.leaves(model)) == expected


def test_neumf_whose_weights_start_at_one_starts_as_a_dot_product_and_a_fresh_mlp(key):
    plain, started = (NeuMF(6, layers=(4, 3), regularize_weights=True, unit_weights=x, key=key) for x in (False, True))
    np.testing.assert_array_equal(started.output.weight[...], [1.0] * 4 + plain.output.weight[4:].tolist())
    np.testing.assert_array_equal(started.tower.kernels[0][...], plain.tower.kernels[0][...])
