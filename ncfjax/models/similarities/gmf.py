"""Generalised matrix factorization: s = b + <w, p * q> (He et al., WWW 2017, arXiv:1708.05031)."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ncfjax.keys import FLAG, TRUE
from ncfjax.models.products import inner
from ncfjax.models.similarity import DotForm, Similarity
from ncfjax.models.tower import Output


class GMF(Similarity):
    """A dot product whose factors are weighted: s = b + <w, p * q>.

    The weights add no expressiveness, sqrt(|w|) moves into p and q. If they are not regularised, they void an L2
    penalty on the embeddings: w grows, p and q shrink, the scores stay. With `unit_weights` they start at one, as a dot
    product; else they are drawn as in NCF's code, half of them below zero.
    """

    name = "gmf"
    keys = {"regularize_weights": TRUE, "unit_weights": FLAG}

    def __init__(self, embedding_dim: int, *, regularize_weights: bool, unit_weights: bool = False, key: Array):
        self.check(embedding_dim)
        self.regularize_weights = regularize_weights
        self.output = Output(embedding_dim, key, num_ones=embedding_dim * unit_weights)

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        return self.output(p * q)

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item as one matrix product."""
        return inner(p * self.output.weight[None, :], q) + self.output.bias[...]

    def as_dot(self) -> DotForm:
        """The weights move into the query; the bias is the offset, the same for all."""
        return DotForm(
            query=lambda p: p * self.output.weight[None, :],
            key=lambda q: q,
            offset=lambda p: jnp.broadcast_to(self.output.bias[...], len(p)),
        )

    @property
    def global_bias(self) -> nnx.Param:
        return self.output.bias
