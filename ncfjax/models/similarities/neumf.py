"""GMF and MLP side by side, with embeddings of their own (He et al., WWW 2017, arXiv:1708.05031).

s = b + <w, [p_g * q_g; tower([p_m; q_m])]>         p = [p_g; p_m], q = [q_g; q_m]

The internship report's NeuMF adds them up after a sigmoid of GMF, whose weights were drawn once and not trained:

s = b + sigmoid(<w_g, p_g * q_g>) + <w_m, tower([p_m; q_m])>         `gmf_sigmoid`, `frozen_constants`
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
from jaxtyping import Array, Float

from ncfjax.keys import FLAG, TRUE
from ncfjax.models.constants import drawn_once
from ncfjax.models.products import inner, matrix_product
from ncfjax.models.tower import Output, Tower, TowerSimilarity, expect_layers, layers_key


class Prepared(NamedTuple):
    """Items of a catalogue, as NeuMF's two parts take them."""

    gmf: Float[Array, "items factors"]
    mlp: Float[Array, "width items"]


class NeuMF(TowerSimilarity):
    """GMF and MLP side by side, joined by their output weights.

    The tower's input layers[0] takes layers[0] / 2 entries of each vector, the last ones; GMF has the others.
    """

    name = "neumf"
    keys = {
        "layers": layers_key("4/3", "2/3", "1/3"),
        "regularize_weights": TRUE,
        "unit_weights": FLAG,  # those of GMF's factors start at one, as a dot product
        "gmf_sigmoid": FLAG,
        "frozen_constants": FLAG,
    }

    @classmethod
    def check(cls, embedding_dim: int, *, layers: Sequence[int], **options: bool) -> None:
        super().check(embedding_dim)
        width = 2 * embedding_dim
        fits = len(layers) > 0 and layers[0] % 2 == 0 and layers[0] < width
        expect_layers(layers, fits, f"an even number below 2 * model.embedding_dim = {width} first")

    def __init__(
        self,
        embedding_dim: int,
        *,
        layers: Sequence[int],
        regularize_weights: bool,
        unit_weights: bool = False,
        gmf_sigmoid: bool = False,
        frozen_constants: bool = False,
        key: Array,
    ):
        self.check(embedding_dim, layers=layers)
        self.regularize_weights = regularize_weights
        self.gmf_sigmoid, self.frozen_constants = gmf_sigmoid, frozen_constants
        self.num_factors = embedding_dim - layers[0] // 2  # of GMF
        self.layers = tuple(layers)
        tower_key, output_key = jax.random.split(key)
        self.tower = Tower(layers, tower_key)
        num_factors = 0 if frozen_constants else self.num_factors
        self.output = Output(num_factors + layers[-1], output_key, num_ones=num_factors * unit_weights)

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        (p_gmf, p_mlp), (q_gmf, q_mlp) = self._branches(p), self._branches(q)
        units = self.tower(*self.tower.halves(p_mlp, q_mlp))
        gmf = self._gmf(matrix_product(p_gmf * q_gmf, self._weight_gmf))
        return gmf + matrix_product(units, self._weight_mlp) + self.output.bias[...]

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item, the tower's part a few users at a time."""
        return self.all_prepared(p, self.prepare(q))

    def prepare(self, q: Float[Array, "items dim"]) -> "Prepared":
        """GMF's entries, and the items' part of the tower's first layer."""
        q_gmf, q_mlp = self._branches(q)
        return Prepared(q_gmf, self.tower.prepare(q_mlp))

    def all_prepared(self, p: Float[Array, "users dim"], prepared: "Prepared") -> Float[Array, "users items"]:
        """`all_pairs` with items that are prepared."""
        p_gmf, p_mlp = self._branches(p)
        gmf = self._gmf(inner(p_gmf * self._weight_gmf[None, :], prepared.gmf))
        return gmf + self.tower.all_prepared(self._weight_mlp, p_mlp, prepared.mlp) + self.output.bias[...]

    def predictive_factors(self, embedding_dim: int) -> int:
        """GMF's factors, or the width of the last layer, whichever are more: in the paper they are equal."""
        return max(self.num_factors, self.layers[-1])

    def _branches(self, vectors: Float[Array, "*batch dim"]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        return vectors[..., : self.num_factors], vectors[..., self.num_factors :]

    def _gmf(self, product: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        return jax.nn.sigmoid(product) if self.gmf_sigmoid else product

    @property
    def _weight_gmf(self) -> Float[Array, " factors"]:
        return drawn_once(self.num_factors) if self.frozen_constants else self.output.weight[: self.num_factors]

    @property
    def _weight_mlp(self) -> Float[Array, " width"]:
        return self.output.weight[...] if self.frozen_constants else self.output.weight[self.num_factors :]
