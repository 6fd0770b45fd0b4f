"""A dot product and what an MLP adds to it: s = b + b_u + b_i + <x, y> + <w, tower([x; y; x * y])>.

w starts at zero: the similarity starts as the study's dot product, and whatever it gains is the network's.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ncfjax.keys import TRUE
from ncfjax.models.biased import BiasedSimilarity
from ncfjax.models.products import affine, inner, matrix_product
from ncfjax.models.tower import Tower, TowerSimilarity, expect_layers, in_item_blocks, layers_key, scaled_layers


class Parts(NamedTuple):
    """What adds up to the scores."""

    dot: Float[Array, "users items"]  # with the biases
    network: Float[Array, "users items"]


class Residual(BiasedSimilarity, TowerSimilarity):
    """layers[0] is 3 * (embedding_dim - 1), the width of [x; y; x * y]; then the width of each ReLU layer."""

    name = "residual"
    keys = {
        "layers": layers_key()._replace(default=lambda dim: scaled_layers(dim - 1, 3, 2, 1)),
        "regularize_weights": TRUE,
    }

    @classmethod
    def check(cls, embedding_dim: int, *, layers: Sequence[int], regularize_weights: bool = True) -> None:
        super().check(embedding_dim)
        width = 3 * (embedding_dim - 1)
        expect_layers(layers, tuple(layers[:1]) == (width,), f"[{width}, ...], 3 * (model.embedding_dim - 1) first")

    def __init__(self, embedding_dim: int, *, layers: Sequence[int], regularize_weights: bool, key: Array):
        self.check(embedding_dim, layers=layers)
        super().__init__()
        self.regularize_weights = regularize_weights
        self.layers = tuple(layers)
        self.tower = Tower(layers, key)
        self.weight = nnx.Param(jnp.zeros(layers[-1]))

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        x, y = p[..., :-1], q[..., :-1]
        of_user, of_item, of_product = self._first_kernels
        of_pair = affine(y, of_item, self.tower.biases[0][...]) + matrix_product(x * y, of_product)
        network = matrix_product(self.tower(matrix_product(x, of_user), of_pair), self.weight[...])
        return jnp.sum(x * y, axis=-1) + network + self.biases(p, q)

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item, the network's part a few users at a time."""
        return sum(self.parts(p, q))

    def parts(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Parts:
        """The dot product's share of each score, and the network's.

        A user's factors make one matrix of what the first layer does with an item: Y = B + diag(x) C.
        """
        x, y = p[:, :-1], q[:, :-1]
        of_user, of_item, of_product = self._first_kernels
        from_user = affine(x, of_user, self.tower.biases[0][...])

        def score(user, items):
            x, from_user = user
            kernel = of_item + x[:, None] * of_product
            units = jax.nn.relu(matrix_product(kernel.T, items) + from_user[:, None])
            return matrix_product(self.weight[...], self.tower.later_layers(units))

        dot = inner(x, y) + self.biases(p[:, None, :], q[None, :, :])
        return Parts(dot, in_item_blocks(score, (x, from_user), y.T))

    def predictive_factors(self, embedding_dim: int) -> int:
        """The dot product's, or the width of the last layer, whichever are more."""
        return max(embedding_dim - 1, self.layers[-1])

    @property
    def _first_kernels(self) -> list[Float[Array, "factors width"]]:
        """Of x, of y and of x * y."""
        return jnp.split(self.tower.kernels[0][...], 3)
