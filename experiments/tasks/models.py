"""The model that a configuration names, whose keys are its similarity's, and the optimisers that train it.

The keys of a model are those that the similarities declare (ncfjax/models): a new one needs no line here.
"""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ncfjax.keys import LARGEST, TEXT, Key, anything
from ncfjax.models.registry import check_similarity, similarity_class, with_defaults

if TYPE_CHECKING:
    from ncfjax.models.similarity import Similarity

OPTIMIZERS = ("sgd", "adam", "lazy_adam")
MODEL_KEYS = {
    "model.name": TEXT,
    "model.embedding_dim": Key(
        int, anything, "an integer", most=LARGEST
    ),  # of the whole vector: with biases it includes the bias
}


def check_model(model: SimpleNamespace) -> None:
    """Raises ValueError for an unknown similarity, and for keys that it does not have or that cannot be."""
    options = {name: value for name, value in vars(model).items() if name not in ("name", "embedding_dim")}
    check_similarity(model.name, model.embedding_dim, options)


def model_options(model: SimpleNamespace) -> dict[str, Any]:
    """Every key that the similarity declares: its value, or its default where it is null."""
    return with_defaults(model.name, model.embedding_dim, vars(model))


def similarity_of(model: SimpleNamespace) -> "Similarity":
    """What it scores with, without numbers."""
    from ncfjax.models.similarity import abstract_similarity  # which imports JAX

    return abstract_similarity(model.name, model.embedding_dim, tuple(model_options(model).items()))


def model_cells(model: SimpleNamespace) -> dict[str, Any]:
    """The cells of the similarity's own keys."""
    keys = similarity_class(model.name).keys
    return {name: keys[name].cell(value) for name, value in model_options(model).items()}


def model_identity(model: SimpleNamespace) -> dict[str, Any]:
    """Without what is false, as in `set_keys`, and without a default that is as if the key were not there."""
    keys = similarity_class(model.name).keys
    named = {
        name: value
        for name, value in model_options(model).items()
        if value is not False and not (keys[name].default_is_unnamed and value == keys[name].default)
    }
    return {"name": model.name, "embedding_dim": model.embedding_dim, **named}
