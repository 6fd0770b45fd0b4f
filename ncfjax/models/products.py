"""Matrix products in full float32: accelerators round by default, and ties count against a model."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def inner(p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
    """<p, q> of every pair."""
    return jnp.inner(p, q, precision=jax.lax.Precision.HIGHEST)


def matrix_product(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def affine(
    units: Float[Array, "*batch width"], kernel: Float[Array, "width _"], bias: Float[Array, " _"]
) -> Float[Array, "*batch _"]:
    """A layer before its activation."""
    product = matrix_product(units, kernel)
    return product + jnp.broadcast_to(bias, product.shape)
