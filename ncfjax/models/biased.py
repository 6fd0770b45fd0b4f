"""Similarities that score as the study's dot product does, but for what two vectors' factors give:

    s = b + b_u + b_i + f(x, y)        p = [x; b_u], q = [y; b_i], so that embedding_dim - 1 factors are left

They differ from the dot product in f alone, and share with it what a user and an item are worth by themselves.
"""

from abc import abstractmethod

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ncfjax.models.products import inner
from ncfjax.models.similarity import DotForm, Similarity, expect_dim


class BiasedSimilarity(Similarity):
    """What they have in common: the biases."""

    holds_biases = True

    def __init__(self):
        self.bias = nnx.Param(jnp.zeros(()))

    @classmethod
    def check(cls, embedding_dim: int, **options) -> None:
        expect_dim(embedding_dim, 2, " (one is the bias)")

    @property
    def global_bias(self) -> nnx.Param:
        return self.bias

    def biases(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """b + b_u + b_i of pairs."""
        return p[..., -1] + q[..., -1] + self.bias[...]


class InnerSimilarity(BiasedSimilarity):
    """One that is an inner product, of what is made of a user's factors and of an item's:

    f(x, y) = <query(x), key(y)> + query_offset(x) + key_offset(y)
    """

    @abstractmethod
    def query(self, x: Float[Array, "*batch factors"]) -> Float[Array, "*batch dot_dim"]: ...

    @abstractmethod
    def key(self, y: Float[Array, "*batch factors"]) -> Float[Array, "*batch dot_dim"]: ...

    def query_offset(self, x: Float[Array, "*batch factors"]) -> Float[Array, "*batch"]:
        return jnp.zeros(x.shape[:-1])

    def key_offset(self, y: Float[Array, "*batch factors"]) -> Float[Array, "*batch"]:
        return jnp.zeros(y.shape[:-1])

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        x, y = p[..., :-1], q[..., :-1]
        product = jnp.sum(self.query(x) * self.key(y), axis=-1)
        return product + self.query_offset(x) + self.key_offset(y) + self.biases(p, q)

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item as one matrix product."""
        return self.all_prepared(p, self.prepare(q))

    def prepare(self, q: Float[Array, "items dim"]) -> Float[Array, "items dot_dim"]:
        """The keys, each with what the item is worth by itself."""
        y = q[:, :-1]
        return jnp.concatenate([self.key(y), (self.key_offset(y) + q[:, -1])[:, None]], axis=1)

    def all_prepared(
        self, p: Float[Array, "users dim"], prepared: Float[Array, "items dot_dim"]
    ) -> Float[Array, "users items"]:
        """`all_pairs` with items that are prepared."""
        return inner(self._with_one(p), prepared) + self._offset(p)[:, None]

    def as_dot(self) -> DotForm:
        """Its entries are those of `prepare`; a query has a one in the last place."""
        return DotForm(query=self._with_one, key=self.prepare, offset=self._offset)

    def _with_one(self, p: Float[Array, "users dim"]) -> Float[Array, "users dot_dim"]:
        return jnp.concatenate([self.query(p[:, :-1]), jnp.ones((len(p), 1))], axis=1)

    def _offset(self, p: Float[Array, "users dim"]) -> Float[Array, " users"]:
        return self.query_offset(p[:, :-1]) + p[:, -1] + self.bias[...]


def unit(x: Float[Array, "*batch factors"]) -> Float[Array, "*batch factors"]:
    """x / |x|; of a vector near zero less than that, so that its gradient stays finite."""
    return x / jnp.sqrt(jnp.sum(x * x, axis=-1, keepdims=True) + 1e-12)
