"""A bilinear form: s = b + b_u + b_i + x' W y.

It is no richer than the dot product, as W moves into x or y; its penalty is another. GMF's W is diagonal.
"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ncfjax.keys import TRUE
from ncfjax.models.biased import InnerSimilarity
from ncfjax.models.products import matrix_product


class Bilinear(InnerSimilarity):
    """W starts as the identity: the dot product."""

    name = "bilinear"
    keys = {"regularize_weights": TRUE}

    def __init__(self, embedding_dim: int, *, regularize_weights: bool, key: Array | None = None):
        """Nothing of it is random: `key` is not used."""
        self.check(embedding_dim)
        super().__init__()
        self.regularize_weights = regularize_weights
        self.form = nnx.Param(jnp.eye(embedding_dim - 1))

    def query(self, x: Float[Array, "*batch factors"]) -> Float[Array, "*batch factors"]:
        """W' x"""
        return matrix_product(x, self.form[...])

    def key(self, y: Float[Array, "*batch factors"]) -> Float[Array, "*batch factors"]:
        """y"""
        return y

    @property
    def multiplications_per_pair(self) -> int:
        """Of x' W, where a pair stands alone."""
        return self.form.size
