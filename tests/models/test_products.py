"""Products of fewer bits, against NumPy's of rounded factors; and what is not asked for stays exact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.models.precisions import PRECISIONS
from ncfjax.models.products import inner, matrix_product, products_in

BITS = {"tensorfloat32": 10, "bfloat16": 7}
A, B = (np.random.default_rng(n).normal(size=shape).astype(np.float32) for n, shape in ((0, (5, 40)), (1, (7, 40))))


def rounded(x, bits: int) -> np.ndarray:
    """To so many bits after the first, to even: by the scale of each number."""
    mantissa, exponent = np.frexp(np.asarray(x, np.float64))
    return np.ldexp(np.round(mantissa * 2.0 ** (bits + 1)) / 2.0 ** (bits + 1), exponent)


@pytest.mark.parametrize(("precision", "bits"), BITS.items())
def test_factors_are_rounded_and_sums_are_not(precision, bits):
    with products_in(precision):
        product = inner(jnp.asarray(A), jnp.asarray(B))
    np.testing.assert_allclose(product, rounded(A, bits) @ rounded(B, bits).T, rtol=1e-5, atol=1e-5)
    assert np.abs(np.asarray(product) - A @ B.T).max() > 1e-4


@pytest.mark.parametrize(("precision", "bits"), BITS.items())
def test_the_products_that_go_back_have_rounded_factors_too(precision, bits):
    weights = np.random.default_rng(2).normal(size=(5, 7)).astype(np.float32)
    with products_in(precision):
        gradient = jax.grad(lambda a: jnp.sum(weights * matrix_product(a, jnp.asarray(B.T))))(jnp.asarray(A))
    np.testing.assert_allclose(gradient, rounded(weights, bits) @ rounded(B, bits), rtol=1e-5, atol=1e-5)


def test_outside_products_are_exact_again():
    with products_in("bfloat16"):
        pass
    np.testing.assert_allclose(inner(jnp.asarray(A), jnp.asarray(B)), A @ B.T, rtol=1e-5, atol=1e-5)
    assert PRECISIONS == ("float32", *BITS)
