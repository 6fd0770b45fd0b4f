"""The tower of ReLU layers that MLP and NeuMF share, and the output weights of all of NCF's models.

A tower is stated by its `layers`, as in NCF's code: the width of its input [p; q], then of each ReLU layer. It starts
from Glorot's uniform distribution, the output weights w from LeCun's, both as in NCF's code; biases start at zero.

Its first layer is linear in [p; q]: the user half is computed once per user and, where a block of users meets every
item, the item half once per item.
"""

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ncfjax.keys import LARGEST, Key, anything
from ncfjax.models.products import affine, matrix_product
from ncfjax.models.similarity import Similarity

LONG = 8  # a catalogue of more than so many times the pairs that are held at once is scored in blocks of them


def pairs_at_once() -> int:
    """Pairs whose hidden layers are held at once: on a CPU one user's, which stay in its cache; else some 100 MB."""
    return 4_096 if jax.default_backend() == "cpu" else 1_048_576


class TowerSimilarity(Similarity):
    """What similarities share that have a tower, stated by their attribute `layers`, and output weights."""

    @property
    def global_bias(self) -> nnx.Param:
        return self.output.bias

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        return self.layers[1:]

    @property
    def multiplications_per_pair(self) -> int:
        return sum(a * b for a, b in itertools.pairwise(self.layers))

    def predictive_factors(self, embedding_dim: int) -> int:
        """The width of the last layer."""
        return self.layers[-1]


def layers_key(*factors: int | str) -> Key:
    """The key of a tower's layers, which are so many times embedding_dim unless they are given."""
    expected = "a list of integers in brackets, such as [64,32,16,8]"
    return Key(tuple, anything, expected, most=LARGEST, default=lambda dim: scaled_layers(dim, *factors))


def scaled_layers(embedding_dim: int, *factors: int | str) -> tuple[int, ...]:
    """Layers as multiples of embedding_dim: 32, 16, 8 of 16 and the factors 2, 1, "1/2".

    Raises:
        ValueError: one that is no integer.
    """
    fractions = [Fraction(factor) for factor in factors]
    widths = [embedding_dim * fraction for fraction in fractions]
    if any(width.denominator > 1 for width in widths):
        raise ValueError(
            f"model.embedding_dim: expected a multiple of {lcm(*(fraction.denominator for fraction in fractions))}, as "
            f"model.layers are {', '.join(map(str, factors))} times it, got {embedding_dim}"
        )
    return tuple(map(int, widths))


def expect_layers(layers: Sequence[int], fits: bool, first: str) -> None:
    """Raises ValueError unless they have the right first width and at least one layer after it."""
    if not fits or len(layers) < 2 or min(layers) < 1:
        expected = f"{first}, then the width of each ReLU layer, at least one"
        raise ValueError(f"model.layers: expected {expected}, got {list(layers)}")


class Tower(nnx.Module):
    """ReLU layers over [p; q], the first of them cut into the halves that p and q see."""

    def __init__(self, layers: Sequence[int], key: Array):
        draw = jax.nn.initializers.glorot_uniform()
        shapes = list(zip(layers[:-1], layers[1:], strict=True))
        keys = jax.random.split(key, len(shapes))
        self.kernels = nnx.List([nnx.Param(draw(k, shape)) for k, shape in zip(keys, shapes, strict=True)])
        self.biases = nnx.List([nnx.Param(jnp.zeros(width)) for width in layers[1:]])

    def halves(
        self, p: Float[Array, "*#users dim"], q: Float[Array, "*#items dim"]
    ) -> tuple[Float[Array, "*#users width"], Float[Array, "*#items width"]]:
        """What the first layer adds up, before its ReLU: the user's part, and the item's part with the bias."""
        return self._user_half(p), self._item_half(q)

    def _user_half(self, p: Float[Array, "*#users dim"]) -> Float[Array, "*#users width"]:
        return matrix_product(p, self.kernels[0][: p.shape[-1]])

    def _item_half(self, q: Float[Array, "*#items dim"]) -> Float[Array, "*#items width"]:
        return affine(q, self.kernels[0][q.shape[-1] :], self.biases[0][...])

    def __call__(self, user: Float[Array, "..."], item: Float[Array, "..."]) -> Float[Array, "..."]:
        """The last layer's units, from `halves`, which broadcast."""
        units = jax.nn.relu(user + item)
        for kernel, bias in zip(self.kernels[1:], self.biases[1:], strict=True):
            units = jax.nn.relu(affine(units, kernel[...], bias[...]))
        return units

    def prepare(self, q: Float[Array, "items dim"]) -> Float[Array, "width items"]:
        """The items' part of the first layer, for `all_prepared`.

        Units come first and items last, which is twice as fast on a CPU: the long axis is the one in a row in memory.
        """
        return self._item_half(q).T

    def all_prepared(
        self, weight: Float[Array, " last_width"], p: Float[Array, "users dim"], items: Float[Array, "width items"]
    ) -> Float[Array, "users items"]:
        """<weight, tower([p; q])> of every pair, a few users at a time, the items prepared."""

        def score(user, items):
            return matrix_product(weight, self.later_layers(jax.nn.relu(user[:, None] + items)))

        return in_item_blocks(score, self._user_half(p), items)

    def later_layers(self, units: Float[Array, "width items"]) -> Float[Array, "last_width items"]:
        """The last layer's units of one user's pairs, from the first layer's."""
        for kernel, bias in zip(self.kernels[1:], self.biases[1:], strict=True):
            units = jax.nn.relu(matrix_product(kernel[...].T, units) + bias[...][:, None])
        return units


def in_item_blocks(
    score: Callable[[Any, Float[Array, "width items"]], Float[Array, " items"]],
    users: Any,
    items: Float[Array, "width items"],
) -> Float[Array, "users items"]:
    """score(user, items) of every user, which `users` has along its first axis; some `pairs_at_once` at a time."""
    at_once, num_items = pairs_at_once(), items.shape[1]

    def score_blocks(user):
        def add(scores, start):
            block = jax.lax.dynamic_slice_in_dim(items, start, at_once, axis=1)
            return jax.lax.dynamic_update_slice_in_dim(scores, score(user, block), start, axis=0), None

        starts = jnp.minimum(jnp.arange(0, num_items, at_once), num_items - at_once)  # the last two may overlap
        return jax.lax.scan(add, jnp.zeros(num_items, items.dtype), starts)[0]

    if num_items > LONG * at_once:
        return jax.lax.map(score_blocks, users)
    return jax.lax.map(lambda user: score(user, items), users, batch_size=max(1, at_once // num_items))


class Output(nnx.Module):
    """Output weights and bias of NCF's models: s = b + <w, units>; the first `num_ones` weights start at one."""

    def __init__(self, width: int, key: Array, num_ones: int = 0):
        drawn = jax.nn.initializers.lecun_uniform()(key, (width, 1))[:, 0]
        self.weight = nnx.Param(drawn.at[:num_ones].set(1.0) if num_ones else drawn)
        self.bias = nnx.Param(jnp.zeros(()))

    def __call__(self, units: Float[Array, "*batch width"]) -> Float[Array, "*batch"]:
        return matrix_product(units, self.weight[...]) + self.bias[...]
