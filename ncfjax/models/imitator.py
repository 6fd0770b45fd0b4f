"""Networks that are to learn a similarity from examples of it: the study's MLP, and variants of it.

    s = b + <w, tower(x)> + p' W q        x = [p; q], or [p; q; p * q] with `product`; p' W q only with `bilinear`

The plain one is the study's (Rendle et al., RecSys 2020, arXiv:2005.09683, section 4): hidden layers [2dm, dm, dm/2] of
ReLU units over [p; q], as Keras draws them: weights from Glorot's uniform distribution, biases at zero. W starts at
zero, so that a bilinear network begins as the one without.

An imitator is a similarity, so a recommender can rank with it; but its vectors are given and are not trained, so it has
no name among the similarities that can be.
"""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ncfjax.models.imitator_keys import KEYS
from ncfjax.models.products import affine, matrix_product
from ncfjax.models.similarity import Similarity
from ncfjax.models.tower import pairs_at_once


class Imitator(Similarity):
    """A network over pairs of vectors; `layers` are the widths of its hidden layers."""

    regularize_weights = False  # the study has no penalty

    def __init__(
        self,
        embedding_dim: int,
        *,
        layers: Sequence[int],
        activation: str,
        product: bool,
        bilinear: bool,
        key: Array,
    ):
        self.layers = KEYS["layers"].read("layers", layers)
        self.activation, self.product = KEYS["activation"].read("activation", activation), product
        self.widths = ((3 if product else 2) * embedding_dim, *layers, 1)
        shapes = list(itertools.pairwise(self.widths))
        draw = jax.nn.initializers.glorot_uniform()
        kernels = [draw(k, shape) for k, shape in zip(jax.random.split(key, len(shapes)), shapes, strict=True)]
        self.kernels = nnx.List([nnx.Param(kernel) for kernel in kernels])
        self.biases = nnx.List([nnx.Param(jnp.zeros(width)) for width in self.widths[1:]])
        self.form = nnx.Param(jnp.zeros((embedding_dim, embedding_dim))) if bilinear else None

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        return self.layers

    @property
    def multiplications_per_pair(self) -> int:
        form = 0 if self.form is None else self.form.shape[-1] ** 2
        return sum(a * b for a, b in itertools.pairwise(self.widths)) + form

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        p, q = jnp.broadcast_arrays(p, q)
        units = jnp.concatenate([p, q, p * q] if self.product else [p, q], axis=-1)
        for kernel, bias in zip(self.kernels[:-1], self.biases[:-1], strict=True):
            units = getattr(jax.nn, self.activation)(affine(units, kernel[...], bias[...]))
        score = affine(units, self.kernels[-1][...], self.biases[-1][...])[..., 0]
        return score if self.form is None else score + jnp.sum(matrix_product(p, self.form[...]) * q, axis=-1)

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item, a few users at a time.

        The first layer is linear in [p; q]: each half is computed once. Units come first, as in `Tower.all_pairs`.
        """
        dim, kernel, items_last = q.shape[1], self.kernels[0][...], q.T
        users = matrix_product(p, kernel[:dim])
        items = affine(q, kernel[dim : 2 * dim], self.biases[0][...]).T

        def score(p_and_user):
            p, user = p_and_user
            units = user[:, None] + items
            if self.product:
                units = units + matrix_product((p[:, None] * kernel[2 * dim :]).T, items_last)
            for kernel_, bias in zip(self.kernels[1:], self.biases[1:], strict=True):
                units = getattr(jax.nn, self.activation)(units)
                units = matrix_product(kernel_[...].T, units) + bias[...][:, None]
            form = 0.0 if self.form is None else matrix_product(matrix_product(p, self.form[...]), items_last)
            return units[0] + form

        return jax.lax.map(score, (p, users), batch_size=max(1, pairs_at_once() // len(q)))
