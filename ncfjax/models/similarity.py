"""Similarities: functions (p, q) -> score of a user's and an item's vector.

    Dot, with biases    s = b + b_u + b_i + <p, q>      (Rendle et al., RecSys 2020, arXiv:2005.09683)
    Dot, plain          s = <p, q>

`embedding_dim` counts the bias as the study does: with biases, the last entry of a vector *is* its bias, so that an
embedding of size d holds d - 1 factors. A similarity offers two views of the same function: `__call__` for pairs,
`all_pairs` for every user of a block against every item.
"""

from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float


@runtime_checkable
class Similarity(Protocol):
    """What a recommender asks of a similarity, which is a Flax module besides."""

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        ...

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item."""
        ...

    def clear_biases(self, vectors: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
        """Freshly drawn vectors as training starts from them."""
        ...


class Dot(nnx.Module):
    """The dot product of two vectors, plus user, item and global biases unless `biases` is False."""

    def __init__(self, embedding_dim: int, *, biases: bool):
        if embedding_dim < 1 + biases:
            raise ValueError(
                f"model.embedding_dim: expected at least {1 + biases} (biases={biases}), got {embedding_dim}"
            )
        self.biases = biases
        self.bias = nnx.Param(jnp.zeros(())) if biases else None

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        if not self.biases:
            return jnp.sum(p * q, axis=-1)
        return jnp.sum(_with_one(p) * q, axis=-1) + (p[..., -1] + self.bias[...])

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item as one matrix product."""
        if not self.biases:
            return _product(p, q)
        return _product(_with_one(p), q) + (p[:, -1:] + self.bias[...])

    def clear_biases(self, vectors: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
        """Freshly drawn vectors with their biases at zero, as the study starts."""
        return vectors.at[:, -1].set(0.0) if self.biases else vectors


def _product(p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
    """<p, q> of every pair in full float32: accelerators round by default, and ties count against a model."""
    return jnp.inner(p, q, precision=jax.lax.Precision.HIGHEST)


def _with_one(p: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
    """A one in the place of the user's bias lets the product with an item's vector add the item's bias."""
    # A select and no update in place: under vmap that becomes a scatter, four times slower than the rest of a step.
    is_bias = jnp.arange(p.shape[-1]) == p.shape[-1] - 1
    return jnp.where(jnp.broadcast_to(is_bias, p.shape), 1.0, p)


SIMILARITIES = {"dot": Dot}  # name in conf/model/ -> how it is built: (embedding_dim, biases=...)
