"""Similarities: functions (p, q) -> score of a user's and an item's vector.

A similarity offers two views of one function: `__call__` for pairs, `all_pairs` for every user of a block against every
item. What is linear in p or q is computed once per user or item. A score is a logit: NCF ends in a sigmoid, which
changes no ranking until it rounds two scores to one, and belongs to the loss here.

`embedding_dim` is the size of a whole vector: a bias that a vector holds is one of its entries.

A class with a `name` is known by it; which options it has beside `embedding_dim`, its `keys` say. So a new similarity
is one file in similarities/ and one in conf/model/.
"""

import difflib
import importlib
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import jax
from flax import nnx
from jaxtyping import Array, Float


class Key(NamedTuple):
    """An option of a similarity: what values it takes and which one it has if none is given."""

    kind: type  # bool, int, float, str, or tuple (of integers)
    is_valid: Callable[[Any], bool]
    expected: str  # "a number > 0": the words of an error
    default: Any  # a value, or a function of embedding_dim
    # For a key that a similarity was given later, both true: a run at its default is the run from before.
    default_is_blank: bool = False  # in tables its cell is empty
    default_is_unnamed: bool = False  # it is no part of what makes a run what it is


REGULARIZE_WEIGHTS = Key(bool, lambda value: True, "true or false", default=True)


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
            _register(cls)

    def __call__(self, p: Float[Array, "*#batch dim"], q: Float[Array, "*#batch dim"]) -> Float[Array, "*#batch"]:
        """Scores pairs; `p` and `q` broadcast over their leading axes."""
        raise NotImplementedError

    def all_pairs(self, p: Float[Array, "users dim"], q: Float[Array, "items dim"]) -> Float[Array, "users items"]:
        """Scores every user against every item."""
        raise NotImplementedError

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

    @classmethod
    def check(cls, embedding_dim: int, **options: Any) -> None:
        """Raises ValueError for options that fit their keys but not the embedding."""
        expect_dim(embedding_dim, 1)


_classes: dict[str, type[Similarity]] = {}


def _register(cls: type[Similarity]) -> None:
    """Raises ValueError for a name that another class has, or a key that one has of another kind."""
    known = _classes.get(cls.name)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"similarity {cls.name}: expected one class of this name, got {known} and {cls}")
    for name, key in cls.keys.items():
        if name in ("name", "embedding_dim"):
            raise ValueError(f"similarity {cls.name}: expected keys beside name and embedding_dim, got {name}")
        for other in _classes.values():
            if name in other.keys and other.keys[name].kind is not key.kind:
                expected = f"{other.keys[name].kind.__name__}, as {other.name} has it"
                raise ValueError(f"similarity {cls.name}: {name}: expected {expected}, got {key.kind.__name__}")
    _classes[cls.name] = cls


def _known() -> dict[str, type[Similarity]]:
    importlib.import_module("ncfjax.models.similarities")  # its modules register their classes
    return _classes


def similarity_names() -> list[str]:
    """All that can be chosen, in alphabetical order."""
    return sorted(_known())


def similarity_class(name: str) -> type[Similarity]:
    """Raises ValueError for an unknown name."""
    classes = _known()
    if name not in classes:
        close = difflib.get_close_matches(str(name), classes, n=1)
        question = f", did you mean {close[0]}?" if close else ""
        raise ValueError(f"model.name: expected one of {', '.join(sorted(classes))}, got {name!r}{question}")
    return classes[name]


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


def check_similarity(name: str, embedding_dim: int, options: Mapping[str, Any]) -> None:
    """Refuses options that cannot be; one that is missing is not an error.

    Raises:
        ValueError: an unknown name, an option that the similarity does not have, a value of the wrong type or range,
            or what does not fit the embedding.
    """
    cls = similarity_class(name)
    for option, value in options.items():
        if option not in cls.keys:
            have_it = [other.name for other in _known().values() if option in other.keys]
            who = f"only model={' or '.join(sorted(have_it))}" if have_it else "no model"
            raise ValueError(f"model.{option}: expected nothing, as {who} has one, got {value!r}")
        key = cls.keys[option]
        if not (_is_of_kind(key.kind, value) and key.is_valid(value)):
            raise ValueError(f"model.{option}: expected {key.expected}, got {value!r}")
    cls.check(embedding_dim, **with_defaults(name, embedding_dim, options))


def with_defaults(name: str, embedding_dim: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of the similarity, in the order of its keys: its value, or its default where it has none or None."""
    cls = similarity_class(name)
    whole = {}
    for option, key in cls.keys.items():
        value = options.get(option)
        if value is None:
            value = key.default(embedding_dim) if callable(key.default) else key.default
        whole[option] = key.kind(value)
    return whole


def _is_of_kind(kind: type, value: Any) -> bool:
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    if kind is tuple:
        return type(value) in (list, tuple) and all(type(entry) is int for entry in value)
    return type(value) is kind


def expect_dim(embedding_dim: int, least: int, why: str = "") -> None:
    """Raises ValueError for an embedding that is too small."""
    if embedding_dim < least:
        raise ValueError(f"model.embedding_dim: expected an integer >= {least}{why}, got {embedding_dim}")
