"""Matrix products, in full float32 unless training asks for less: ties count against a model, so scores are exact.

    float32            the default; accelerators would round by default
    tensorfloat32      factors of 10 bits, sums in float32: tensor cores of an NVIDIA GPU
    bfloat16           factors of 7 bits, sums in float32: TPUs and GPUs

On a CPU, which has neither, factors are rounded and then multiplied in float32: the same numbers but for the order of
the sums, at no gain of speed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

import jax
import jax.numpy as jnp
from jax.lax import DotAlgorithmPreset
from jaxtyping import Array, Float

from ncfjax.models.precisions import FLOAT32, MANTISSA_BITS

_ALGORITHMS = {"tensorfloat32": DotAlgorithmPreset.TF32_TF32_F32, "bfloat16": DotAlgorithmPreset.BF16_BF16_F32}
_EXPONENT_BITS = 8

_precision = ContextVar("precision", default=FLOAT32)


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """The precision of what is traced within; a program has to be another program for another one."""
    token = _precision.set(precision)
    try:
        yield
    finally:
        _precision.reset(token)


def inner(p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
    """<p, q> of every pair."""
    return _product(jnp.inner, p, q)


def matrix_product(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    return _product(jnp.matmul, a, b)


def affine(
    units: Float[Array, "*batch width"], kernel: Float[Array, "width _"], bias: Float[Array, " _"]
) -> Float[Array, "*batch _"]:
    """A layer before its activation."""
    product = matrix_product(units, kernel)
    return product + jnp.broadcast_to(bias, product.shape)


def _product(multiply: Callable, a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    if (precision := _precision.get()) == FLOAT32:
        return multiply(a, b, precision=jax.lax.Precision.HIGHEST)
    if jax.default_backend() != "cpu":
        return multiply(a, b, precision=_ALGORITHMS[precision])
    bits = MANTISSA_BITS[precision]
    product = multiply(_rounded(a, bits), _rounded(b, bits), precision=jax.lax.Precision.HIGHEST)
    return _with_rounded_gradient(product, bits)  # which is a factor of the products that go back


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _rounded(x: Float[Array, "..."], bits: int) -> Float[Array, "..."]:
    return jax.lax.reduce_precision(x, _EXPONENT_BITS, bits)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _with_rounded_gradient(x: Float[Array, "..."], bits: int) -> Float[Array, "..."]:
    return x


_rounded.defvjp(lambda x, bits: (_rounded(x, bits), None), lambda bits, _, gradient: (gradient,))
_with_rounded_gradient.defvjp(
    lambda x, bits: (x, None),
    lambda bits, _, gradient: (jax.lax.reduce_precision(gradient, _EXPONENT_BITS, bits),),
)
