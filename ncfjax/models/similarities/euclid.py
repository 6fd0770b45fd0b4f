"""The negative squared distance: s = b + b_u + b_i - |x - y|^2 (a logit of it: Hsieh et al., WWW 2017, train a margin).

As |x - y|^2 = |x|^2 + |y|^2 - 2 <x, y>, it ranks like a dot product whose item bias is b_i - |y|^2.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ncfjax.models.biased import InnerSimilarity


class Euclid(InnerSimilarity):
    """The nearer two vectors' factors are, the higher the score."""

    name = "euclid"

    def __init__(self, embedding_dim: int, *, key: Array | None = None):
        """Nothing of it is random: `key` is not used."""
        self.check(embedding_dim)
        super().__init__()

    def query(self, x: Float[Array, "*batch factors"]) -> Float[Array, "*batch factors"]:
        """2 x"""
        return 2.0 * x

    def key(self, y: Float[Array, "*batch factors"]) -> Float[Array, "*batch factors"]:
        """y"""
        return y

    def query_offset(self, x: Float[Array, "*batch factors"]) -> Float[Array, "*batch"]:
        """-|x|^2"""
        return -jnp.sum(x * x, axis=-1)

    def key_offset(self, y: Float[Array, "*batch factors"]) -> Float[Array, "*batch"]:
        """-|y|^2"""
        return -jnp.sum(y * y, axis=-1)
