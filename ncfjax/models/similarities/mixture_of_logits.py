"""A mixture of logits (Zhai et al., KDD 2023, arXiv:2306.04039; Ding and Zhai, WWW 2025, arXiv:2407.15462).

    s = b + b_u + b_i + sum_ab pi_ab <x_a / |x_a|, y_b / |y_b|> / tau        a, b = 1 ... num_components
    pi = softmax(U x * V y + gate(l))                                       l: all logits that are summed

x_a are the equal parts of a user's factors, y_b of an item's: users and items have as many parameters as those of a dot
product. Factors that are left over move the gates alone. In the papers' comparison the mixture alone also had a vector
for every user's id. gate is an MLP with one hidden layer of SiLU units. It starts, as U and V do, with every pi_ab
nearly the same.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ncfjax.keys import COUNT, TRUE, Key
from ncfjax.models.biased import BiasedSimilarity, unit
from ncfjax.models.products import affine, matrix_product
from ncfjax.models.tower import in_item_blocks

SMALL = 0.01  # the standard deviation of the gates' weights at the start


class MixtureOfLogits(BiasedSimilarity):
    """num_components^2 logits of parts of two vectors, weighted by gates that both vectors and the logits open."""

    name = "mixture_of_logits"
    keys = {
        "num_components": COUNT._replace(default=3),
        "gate_width": COUNT._replace(default=16),
        "temperature": Key(float, lambda value: value > 0, "a number > 0", default=0.2),
        "regularize_weights": TRUE._replace(default=False),  # it would pull tau towards 1, too
    }

    @classmethod
    def check(cls, embedding_dim: int, *, num_components: int, **options) -> None:
        super().check(embedding_dim)
        if num_components >= embedding_dim:
            expected = f"at most model.embedding_dim - 1 = {embedding_dim - 1}"
            raise ValueError(f"model.num_components: expected {expected}, got {num_components}")

    def __init__(
        self,
        embedding_dim: int,
        *,
        num_components: int,
        gate_width: int,
        temperature: float,
        regularize_weights: bool,
        key: Array,
    ):
        self.check(embedding_dim, num_components=num_components)
        super().__init__()
        self.num_components, self.gate_width, self.regularize_weights = num_components, gate_width, regularize_weights
        factors, num_logits = embedding_dim - 1, num_components**2
        shapes = (factors, num_logits), (factors, num_logits), (num_logits, gate_width), (gate_width, num_logits)
        drawn = [SMALL * jax.random.normal(k, shape) for k, shape in zip(jax.random.split(key, 4), shapes, strict=True)]
        self.user_gate, self.item_gate, self.hidden, self.output = map(nnx.Param, drawn)
        self.hidden_bias, self.output_bias = nnx.Param(jnp.zeros(gate_width)), nnx.Param(jnp.zeros(num_logits))
        self.log_temperature = nnx.Param(jnp.log(jnp.float32(temperature)))

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        x, y = p[..., :-1], q[..., :-1]
        products = self._components(x)[..., :, None, :] * self._components(y)[..., None, :, :]
        logits = self._tempered(jnp.sum(products, axis=-1))
        logits = logits.reshape(*logits.shape[:-2], self.num_components**2)
        gates = matrix_product(x, self.user_gate[...]) * matrix_product(y, self.item_gate[...])
        return self._mixed(logits, gates) + self.biases(p, q)

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item, a few users at a time."""
        return self.all_prepared(p, self.prepare(q))

    def prepare(self, q: Float[Array, "items dim"]) -> Float[Array, "width items"]:
        """The items' components, then their gates, then their biases."""
        y = q[:, :-1]
        components = self._components(y).reshape(len(y), -1)
        return jnp.concatenate([components, matrix_product(y, self.item_gate[...]), q[:, -1:]], axis=1).T

    def all_prepared(
        self, p: Float[Array, "users dim"], prepared: Float[Array, "width items"]
    ) -> Float[Array, "users items"]:
        """`all_pairs` with items that are prepared."""
        x, num_logits = p[:, :-1], self.num_components**2

        def score(user, items):
            components, gates = user
            of_items = items[: -num_logits - 1].reshape(self.num_components, -1, items.shape[1])
            products = jax.vmap(lambda of_item: matrix_product(components, of_item), out_axes=1)(of_items)
            logits = self._tempered(products).reshape(num_logits, -1).T
            return self._mixed(logits, gates[None, :] * items[-num_logits - 1 : -1].T) + items[-1]

        users = self._components(x), matrix_product(x, self.user_gate[...])
        return in_item_blocks(score, users, prepared) + (p[:, -1:] + self.bias[...])

    def _components(self, x: Float[Array, "*batch factors"]) -> Float[Array, "*batch components part"]:
        part = x.shape[-1] // self.num_components
        return unit(x[..., : self.num_components * part].reshape(*x.shape[:-1], self.num_components, part))

    def _tempered(self, cosines: Float[Array, "..."]) -> Float[Array, "..."]:
        return cosines * jnp.exp(-self.log_temperature[...])

    def _mixed(
        self, logits: Float[Array, "*#batch logits"], gates: Float[Array, "*#batch logits"]
    ) -> Float[Array, "*#batch"]:
        """The logits' mean, weighted by the softmax of what the vectors' gates and those of the logits add up to."""
        units = jax.nn.silu(affine(logits, self.hidden[...], self.hidden_bias[...]))
        weights = jax.nn.softmax(gates + affine(units, self.output[...], self.output_bias[...]), axis=-1)
        return jnp.sum(weights * logits, axis=-1)

    def predictive_factors(self, embedding_dim: int) -> int:
        """The logits."""
        return self.num_components**2

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        """Logits, the gate's units, the weights."""
        return self.num_components**2, self.gate_width, self.num_components**2

    @property
    def multiplications_per_pair(self) -> int:
        num_factors, num_logits = len(self.user_gate), self.num_components**2
        return (self.num_components - 1) * num_factors + num_logits * (2 * self.gate_width + 2)
