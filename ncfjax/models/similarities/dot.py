"""The dot product (Rendle et al., RecSys 2020, arXiv:2005.09683).

    with biases    s = b + b_u + b_i + <p, q>
    without        s = <p, q>

With biases the last entry of a vector *is* its bias, so that embedding_dim - 1 factors are left, as in the study. With
`frozen_constants` b is one that was drawn once and is not trained, as in the internship report's model.
"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ncfjax.keys import FLAG, TRUE
from ncfjax.models.constants import drawn_once
from ncfjax.models.products import inner
from ncfjax.models.similarity import DotForm, Similarity, expect_dim


class Dot(Similarity):
    """The dot product of two vectors, plus user, item and global biases unless `biases` is False."""

    name = "dot"
    keys = {"biases": TRUE._replace(default_is_blank=True), "frozen_constants": FLAG}

    @classmethod
    def check(cls, embedding_dim: int, *, biases: bool, frozen_constants: bool = False) -> None:
        expect_dim(embedding_dim, 1 + biases, " (with biases, one is the bias)" * biases)
        if frozen_constants and not biases:
            raise ValueError("model.frozen_constants: expected false, as model.biases=false has no constant, got True")

    def __init__(self, embedding_dim: int, *, biases: bool, frozen_constants: bool = False, key: Array | None = None):
        """Nothing of it is random: `key` is not used."""
        self.check(embedding_dim, biases=biases, frozen_constants=frozen_constants)
        self.biases = biases
        self.bias = nnx.Param(jnp.zeros(())) if biases and not frozen_constants else None

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        if not self.biases:
            return jnp.sum(p * q, axis=-1)
        return jnp.sum(_with_one(p) * q, axis=-1) + (p[..., -1] + self._constant)

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item as one matrix product."""
        if not self.biases:
            return inner(p, q)
        return inner(_with_one(p), q) + (p[:, -1:] + self._constant)

    def as_dot(self) -> DotForm:
        """With biases a query has a one where a key has the item's; the user's and the global one are the offset."""
        if not self.biases:
            return DotForm(query=lambda p: p, key=lambda q: q, offset=lambda p: jnp.zeros(len(p)))
        return DotForm(query=_with_one, key=lambda q: q, offset=lambda p: p[:, -1] + self._constant)

    @property
    def _constant(self) -> Float[Array, ""]:
        return drawn_once() if self.bias is None else self.bias[...]

    @property
    def holds_biases(self) -> bool:
        return self.biases

    @property
    def global_bias(self) -> nnx.Param | None:
        return self.bias


def _with_one(p: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
    """A one in the place of the user's bias lets the product with an item's vector add the item's bias."""
    # A select and no update in place: under vmap that becomes a scatter, four times slower than the rest of a step.
    is_bias = jnp.arange(p.shape[-1]) == p.shape[-1] - 1
    return jnp.where(jnp.broadcast_to(is_bias, p.shape), 1.0, p)
