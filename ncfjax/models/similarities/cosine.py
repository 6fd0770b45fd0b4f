"""The cosine with a learned temperature: s = b + b_u + b_i + <x / |x|, y / |y|> / tau (Mao et al., CIKM 2021,
arXiv:2109.12613, but for the biases, and for tau, which is fixed there)."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ncfjax.keys import Key
from ncfjax.models.biased import InnerSimilarity, unit


class Cosine(InnerSimilarity):
    """The angle between two vectors' factors, whatever their lengths.

    tau is stored as its logarithm, has no penalty, and starts at `temperature`. The factors' penalty changes no score,
    as lengths count nowhere, but how far a step turns a vector: it is a learning rate of its own.
    """

    name = "cosine"
    keys = {"temperature": Key(float, lambda value: value > 0, "a number > 0", default=0.2)}
    regularize_weights = False

    def __init__(self, embedding_dim: int, *, temperature: float, key: Array | None = None):
        """Nothing of it is random: `key` is not used."""
        self.check(embedding_dim)
        super().__init__()
        self.log_temperature = nnx.Param(jnp.log(jnp.float32(temperature)))

    def query(self, x: Float[Array, "*batch factors"]) -> Float[Array, "*batch factors"]:
        """x / (|x| tau)"""
        return unit(x) * jnp.exp(-self.log_temperature[...])

    def key(self, y: Float[Array, "*batch factors"]) -> Float[Array, "*batch factors"]:
        """y / |y|"""
        return unit(y)
