"""A multilayer perceptron over both vectors: s = b + <w, tower([p; q])> (He et al., WWW 2017, arXiv:1708.05031)."""

from collections.abc import Sequence

import jax
from jaxtyping import Array, Float

from ncfjax.keys import TRUE
from ncfjax.models.tower import Output, Tower, TowerSimilarity, expect_layers, layers_key


class MLP(TowerSimilarity):
    """A tower over the concatenated vectors: s = b + <w, tower([p; q])>; layers[0] is 2 * embedding_dim."""

    name = "mlp"
    keys = {"layers": layers_key(2, 1, "1/2"), "regularize_weights": TRUE}

    @classmethod
    def check(cls, embedding_dim: int, *, layers: Sequence[int], regularize_weights: bool = True) -> None:
        super().check(embedding_dim)
        width = 2 * embedding_dim
        expect_layers(layers, tuple(layers[:1]) == (width,), f"[{width}, ...], 2 * model.embedding_dim first")

    def __init__(self, embedding_dim: int, *, layers: Sequence[int], regularize_weights: bool, key: Array):
        self.check(embedding_dim, layers=layers)
        self.regularize_weights = regularize_weights
        self.layers = tuple(layers)
        tower_key, output_key = jax.random.split(key)
        self.tower = Tower(layers, tower_key)
        self.output = Output(layers[-1], output_key)

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        return self.output(self.tower(*self.tower.halves(p, q)))

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item, a few users at a time."""
        return self.all_prepared(p, self.prepare(q))

    def prepare(self, q: Float[Array, "items dim"]) -> Float[Array, "width items"]:
        """The items' part of the first layer."""
        return self.tower.prepare(q)

    def all_prepared(
        self, p: Float[Array, "users dim"], prepared: Float[Array, "width items"]
    ) -> Float[Array, "users items"]:
        """`all_pairs` with items that are prepared."""
        return self.tower.all_prepared(self.output.weight[...], p, prepared) + self.output.bias[...]
