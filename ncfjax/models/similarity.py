"""Similarities: functions (p, q) -> score of a user's and an item's vector.

    Dot, with biases    s = b + b_u + b_i + <p, q>              (Rendle et al., RecSys 2020, arXiv:2005.09683)
    Dot, plain          s = <p, q>
    GMF                 s = b + <w, p * q>                      (He et al., WWW 2017, arXiv:1708.05031)
    MLP                 s = b + <w, tower([p; q])>
    NeuMF               s = b + <w, [p_g * q_g; tower([p_m; q_m])]>         p = [p_g; p_m], q = [q_g; q_m]

`embedding_dim` is the size of a whole vector: with biases its last entry *is* the bias, so that d - 1 factors are left
(as in the study); NeuMF's vector holds the separate embeddings of both branches side by side. A score is a logit: NCF
ends in a sigmoid, which changes no ranking until it rounds two scores to one, and belongs to the loss here.

A tower is stated by its `layers`, as in NCF's code: the width of its input [p; q], then of each ReLU layer. It starts
from Glorot's uniform distribution, the output weights w from LeCun's, both as in NCF's code; biases start at zero.

A similarity offers two views of the same function: `__call__` for pairs, `all_pairs` for every user of a block against
every item. A tower's first layer is linear in [p; q], so both compute its user half once per user, and `all_pairs` its
item half once per item.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float


def pairs_at_once() -> int:
    """Pairs whose hidden layers are held at once: on a CPU one user's, which stay in its cache; else some 100 MB."""
    return 4_096 if jax.default_backend() == "cpu" else 1_048_576


@runtime_checkable
class Similarity(Protocol):
    """What a recommender asks of a similarity, which is a Flax module besides."""

    regularize_weights: bool  # whether its own parameters share the penalty of the embeddings

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

    regularize_weights = True

    def __init__(self, embedding_dim: int, *, biases: bool, key: Array | None = None):
        """Nothing of it is random: `key` is not used."""
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
            return _inner(p, q)
        return _inner(_with_one(p), q) + (p[:, -1:] + self.bias[...])

    def clear_biases(self, vectors: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
        """Freshly drawn vectors with their biases at zero, as the study starts."""
        return vectors.at[:, -1].set(0.0) if self.biases else vectors


class WithoutBiases(nnx.Module):
    """What similarities share whose vectors hold no biases."""

    def clear_biases(self, vectors: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
        """The vectors: they hold no biases."""
        return vectors


class GMF(WithoutBiases):
    """A dot product whose factors are weighted: s = b + <w, p * q>.

    The weights add no expressiveness, sqrt(|w|) moves into p and q. If they are not regularised, they void an L2
    penalty on the embeddings: w grows, p and q shrink, the scores stay.
    """

    def __init__(self, embedding_dim: int, *, regularize_weights: bool, key: Array):
        _expect_dim(embedding_dim, 1)
        self.regularize_weights = regularize_weights
        self.output = Output(embedding_dim, key)

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        return self.output(p * q)

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item as one matrix product."""
        return _inner(p * self.output.weight[None, :], q) + self.output.bias[...]


class MLP(WithoutBiases):
    """A tower over the concatenated vectors: s = b + <w, tower([p; q])>; layers[0] is 2 * embedding_dim."""

    def __init__(self, embedding_dim: int, *, layers: Sequence[int], regularize_weights: bool, key: Array):
        _expect_layers(
            layers, tuple(layers[:1]) == (2 * embedding_dim,), f"2 * embedding_dim = {2 * embedding_dim} first"
        )
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
        mlp = self.tower.all_pairs(self.output.weight[...], p, q)
        return mlp + self.output.bias[...]


class NeuMF(WithoutBiases):
    """GMF and MLP side by side, joined by their output weights.

    The tower's input layers[0] takes layers[0] / 2 entries of each vector, the last ones; GMF has the others.
    """

    def __init__(self, embedding_dim: int, *, layers: Sequence[int], regularize_weights: bool, key: Array):
        fits = len(layers) > 0 and layers[0] % 2 == 0 and layers[0] // 2 < embedding_dim
        _expect_layers(layers, fits, f"an even number below 2 * embedding_dim = {2 * embedding_dim} first")
        self.regularize_weights = regularize_weights
        self.num_factors = embedding_dim - layers[0] // 2  # of GMF
        self.layers = tuple(layers)
        tower_key, output_key = jax.random.split(key)
        self.tower = Tower(layers, tower_key)
        self.output = Output(self.num_factors + layers[-1], output_key)

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        (p_gmf, p_mlp), (q_gmf, q_mlp) = self._branches(p), self._branches(q)
        units = self.tower(*self.tower.halves(p_mlp, q_mlp))
        gmf = matrix_product(p_gmf * q_gmf, self._weight_gmf)
        return gmf + matrix_product(units, self._weight_mlp) + self.output.bias[...]

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item, the tower's part a few users at a time."""
        (p_gmf, p_mlp), (q_gmf, q_mlp) = self._branches(p), self._branches(q)
        gmf = _inner(p_gmf * self._weight_gmf[None, :], q_gmf)
        return gmf + self.tower.all_pairs(self._weight_mlp, p_mlp, q_mlp) + self.output.bias[...]

    def _branches(self, vectors: Float[Array, "*batch dim"]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        return vectors[..., : self.num_factors], vectors[..., self.num_factors :]

    @property
    def _weight_gmf(self) -> Float[Array, " factors"]:
        return self.output.weight[: self.num_factors]

    @property
    def _weight_mlp(self) -> Float[Array, " width"]:
        return self.output.weight[self.num_factors :]


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
        kernel, dim = self.kernels[0], p.shape[-1]
        return matrix_product(p, kernel[:dim]), affine(q, kernel[dim:], self.biases[0][...])

    def __call__(self, user: Float[Array, "..."], item: Float[Array, "..."]) -> Float[Array, "..."]:
        """The last layer's units, from `halves`, which broadcast."""
        units = jax.nn.relu(user + item)
        for kernel, bias in zip(self.kernels[1:], self.biases[1:], strict=True):
            units = jax.nn.relu(affine(units, kernel[...], bias[...]))
        return units

    def all_pairs(
        self, weight: Float[Array, " width"], p: Float[Array, "users dim"], q: Float[Array, "items dim"]
    ) -> Float[Array, "users items"]:
        """<weight, tower([p; q])> of every pair, a few users at a time.

        Units come first and items last, which is twice as fast on a CPU: the long axis is the one in a row in memory.
        """
        users, items = self.halves(p, q)
        items = items.T

        def score(user):
            units = jax.nn.relu(user[:, None] + items)
            for kernel, bias in zip(self.kernels[1:], self.biases[1:], strict=True):
                units = jax.nn.relu(matrix_product(kernel[...].T, units) + bias[...][:, None])
            return matrix_product(weight, units)

        return jax.lax.map(score, users, batch_size=max(1, pairs_at_once() // len(q)))


class Output(nnx.Module):
    """Output weights and bias of NCF's models: s = b + <w, units>."""

    def __init__(self, width: int, key: Array):
        self.weight = nnx.Param(jax.nn.initializers.lecun_uniform()(key, (width, 1))[:, 0])
        self.bias = nnx.Param(jnp.zeros(()))

    def __call__(self, units: Float[Array, "*batch width"]) -> Float[Array, "*batch"]:
        return matrix_product(units, self.weight[...]) + self.bias[...]


def _inner(p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
    """<p, q> of every pair in full float32: accelerators round by default, and ties count against a model."""
    return jnp.inner(p, q, precision=jax.lax.Precision.HIGHEST)


def matrix_product(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """A matrix product in full float32."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def affine(
    units: Float[Array, "*batch width"], kernel: Float[Array, "width _"], bias: Float[Array, " _"]
) -> Float[Array, "*batch _"]:
    """A layer before its activation."""
    product = matrix_product(units, kernel)
    return product + jnp.broadcast_to(bias, product.shape)


def _with_one(p: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
    """A one in the place of the user's bias lets the product with an item's vector add the item's bias."""
    # A select and no update in place: under vmap that becomes a scatter, four times slower than the rest of a step.
    is_bias = jnp.arange(p.shape[-1]) == p.shape[-1] - 1
    return jnp.where(jnp.broadcast_to(is_bias, p.shape), 1.0, p)


def _expect_dim(embedding_dim: int, least: int) -> None:
    if embedding_dim < least:
        raise ValueError(f"model.embedding_dim: expected at least {least}, got {embedding_dim}")


def _expect_layers(layers: Sequence[int], fits: bool, expected: str) -> None:
    if len(layers) < 2 or not fits or min(layers) < 1:
        raise ValueError(f"model.layers: expected {expected}, then the width of each ReLU layer, got {list(layers)}")


# name in conf/model/ -> how it is built: (embedding_dim, key=..., and the options of that file)
SIMILARITIES = {"dot": Dot, "gmf": GMF, "mlp": MLP, "neumf": NeuMF}
