import jax
import numpy as np
import pytest

from ncfjax.models.similarities.gmf import GMF
from ncfjax.models.similarities.mlp import MLP
from ncfjax.models.similarities.neumf import NeuMF


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
