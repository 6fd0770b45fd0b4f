"""Similarities: functions (p, q) -> score of a user's and an item's vector.

A similarity offers two views of one function: `__call__` for pairs, `all_pairs` for every user of a block against every
item. What is linear in p or q is computed once per user or item; `prepare` computes
what is linear in q beforehand, for all users who will ask. A score is a logit: NCF ends in a sigmoid, which
changes no ranking until it rounds two scores to one, and belongs to the loss here.

`embedding_dim` is the size of a whole vector: a bias that a vector holds is one of its entries.

A class with a `name` is known by it; which options it has beside `embedding_dim`, its `keys` say. So a new similarity
is one file in similarities/ and one in conf/model/.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import jax
from flax import nnx
from jaxtyping import Array, Float

from ncfjax.keys import Key
from ncfjax.models.registry import check_similarity, register, similarity_class, with_defaults


class DotForm(NamedTuple):
    """A similarity as one inner product: s(p, q) = offset(p) + <query(p), key(q)>.

    For a fixed user the offset is a constant: ranking items by s is ranking keys by their inner product with one query.
    """

    query: Callable[[Float[Array, "users dim"]], Float[Array, "users dot_dim"]]
    key: Callable[[Float[Array, "items dim"]], Float[Array, "items dot_dim"]]
    offset: Callable[[Float[Array, "users dim"]], Float[Array, " users"]]


class Similarity(nnx.Module):
    """What all similarities have. One that can be chosen by name sets `name`, and `keys` if it has options."""

    name: str
    keys: Mapping[str, Key] = {}
    regularize_weights = True  # whether its own parameters share the penalty of the embeddings
    holds_biases = False  # whether the last entry of a vector is the bias of its user or item
    global_bias: nnx.Param | None = None  # what it adds to every score, if anything

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            register(cls)

    @abstractmethod
    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""

    @abstractmethod
    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item."""

    def prepare(self, q: Float[Array, "items dim"]) -> Any:
        """What `all_prepared` takes of items, which an index computes once: here their vectors as they are."""
        return q

    def all_prepared(self, p: Float[Array, "users dim"], prepared: Any) -> Float[Array, "users items"]:
        """`all_pairs` with items that are prepared."""
        return self.all_pairs(p, prepared)

    def as_dot(self) -> DotForm | None:
        """How it ranks by an inner product, where it does: what it scores can then be searched as vectors are."""
        return None

    def clear_biases(self, vectors: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
        """Freshly drawn vectors with their biases at zero, as the study starts."""
        return vectors.at[:, -1].set(0.0) if self.holds_biases else vectors

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        """Units per pair that a batch holds, layer by layer: memory is planned by them."""
        return ()

    @property
    def multiplications_per_pair(self) -> int:
        """Beyond those of the embedding's own product: time is estimated by them."""
        return 0

    def predictive_factors(self, embedding_dim: int) -> int:
        """The numbers that the last weighted sum is taken over, as He et al. (2017) count the size of a model: here the
        entries of a vector but for its bias."""
        return embedding_dim - self.holds_biases

    @classmethod
    def check(cls, embedding_dim: int, **options: Any) -> None:
        """Raises ValueError for options that fit their keys but not the embedding."""
        expect_dim(embedding_dim, 1)


def make_similarity(name: str, embedding_dim: int, *, key: Array, **options: Any) -> Similarity:
    """A fresh similarity; options that are not given have their defaults.

    Raises:
        ValueError: see `check_similarity`.
    """
    check_similarity(name, embedding_dim, options)
    return similarity_class(name)(embedding_dim, key=key, **with_defaults(name, embedding_dim, options))


def abstract_similarity(name: str, embedding_dim: int, options: tuple[tuple[str, Any], ...] = ()) -> Similarity:
    """A similarity without numbers, for what is known of it before it is drawn."""
    return _abstract(similarity_class(name), embedding_dim, options)


@lru_cache(maxsize=256)
def _abstract(cls: type[Similarity], embedding_dim: int, options: tuple[tuple[str, Any], ...]) -> Similarity:
    return jax.eval_shape(lambda: make_similarity(cls.name, embedding_dim, key=jax.random.key(0), **dict(options)))


def expect_dim(embedding_dim: int, least: int, why: str = "") -> None:
    """Raises ValueError for an embedding that is too small."""
    if embedding_dim < least:
        raise ValueError(f"model.embedding_dim: expected an integer >= {least}{why}, got {embedding_dim}")
