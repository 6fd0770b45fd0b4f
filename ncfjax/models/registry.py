"""The similarities by name: which there are, which keys each has, and what of a configuration is refused.

A class of `ncfjax.models.similarity` that has a `name` registers itself. No class is imported before one is asked for:
flax takes a second.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from ncfjax.keys import Key, one_of

_classes: dict[str, type] = {}


def register(cls: type) -> None:
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


def similarities() -> dict[str, type]:
    """All that can be chosen, by name."""
    importlib.import_module("ncfjax.models.similarities")  # its modules register their classes
    return _classes


def similarity_names() -> list[str]:
    """In alphabetical order."""
    return sorted(similarities())


def similarity_class(name: str) -> type:
    """Raises ValueError for an unknown name."""
    return similarities()[one_of(*similarity_names()).read("model.name", name)]


def declared_keys() -> dict[str, Key]:
    """The keys of all similarities, in alphabetical order."""
    keys = {name: key for cls in similarities().values() for name, key in cls.keys.items()}
    return dict(sorted(keys.items()))


def check_similarity(name: str, embedding_dim: int, options: Mapping[str, Any]) -> None:
    """Refuses options that cannot be; one that is missing, or None, is not an error.

    Raises:
        ValueError: an unknown name, an option that the similarity does not have, a value of the wrong type or range,
            or what does not fit the embedding.
    """
    cls = similarity_class(name)
    for option, value in options.items():
        if value is not None and option not in cls.keys:
            have_it = sorted(other.name for other in similarities().values() if option in other.keys)
            who = f"only model={','.join(have_it)}" if have_it else "no model"
            raise ValueError(f"model.{option}: expected nothing, as {who} has one, got {value!r}")
    cls.check(embedding_dim, **with_defaults(name, embedding_dim, options))


def with_defaults(name: str, embedding_dim: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of the similarity, in the order of its keys: its value, or its default where it has none or None.

    Raises:
        ValueError: an unknown name, a value of the wrong type or range.
    """
    whole = {}
    for option, key in similarity_class(name).keys.items():
        value = key.read(f"model.{option}", options.get(option))
        whole[option] = key.default(embedding_dim) if value is None else value
    return whole
