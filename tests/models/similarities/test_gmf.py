import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.models.similarities.dot import Dot
from ncfjax.models.similarities.gmf import GMF


def test_gmf_with_equal_weights_is_a_scaled_dot_product(key):
    gmf, dot = GMF(4, regularize_weights=True, key=key), Dot(4, biases=False)
    gmf.output.weight[...], gmf.output.bias[...] = jnp.full(4, 3.0), jnp.float32(0.5)
    p, q = jax.random.normal(key, (2, 5, 4))
    np.testing.assert_allclose(gmf(p, q), 3.0 * dot(p, q) + 0.5, rtol=1e-5)


def test_gmf_whose_weights_start_at_one_starts_as_the_dot_product(key):
    gmf, dot = GMF(4, regularize_weights=False, unit_weights=True, key=key), Dot(4, biases=False)
    p, q = jax.random.normal(key, (2, 5, 4))
    np.testing.assert_array_equal(gmf(p, q), dot(p, q))


def test_a_dimension_without_a_factor_is_refused(key):
    with pytest.raises(ValueError, match="embedding_dim: expected an integer >= 1, got 0"):
        GMF(0, regularize_weights=True, key=key)
