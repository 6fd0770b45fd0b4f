"""What an imitator may be given, by name. Read without JAX."""

import itertools
from collections.abc import Sequence

from ncfjax.keys import FLAG, Key, one_of

ACTIVATIONS = ("relu", "gelu", "silu", "tanh")  # of jax.nn


def _are_widths(layers: Sequence[int]) -> bool:
    return bool(layers) and min(layers) >= 1


KEYS: dict[str, Key] = {
    "layers": Key(tuple, _are_widths, "the width of each hidden layer in brackets, at least one, such as [32,16,8]"),
    "activation": one_of(*ACTIVATIONS),
    "product": FLAG,
    "bilinear": FLAG,
}


def study_layers(embedding_dim: int, width_multiplier: int) -> tuple[int, ...]:
    """The study's hidden layers, of a dimension that is even."""
    width = embedding_dim * width_multiplier
    return 2 * width, width, width // 2


def study_parameters(embedding_dim: int, width_multiplier: int) -> int:
    """Of the study's network: a kernel and biases between each two widths."""
    widths = [2 * embedding_dim, *study_layers(embedding_dim, width_multiplier), 1]
    return sum((before + 1) * width for before, width in itertools.pairwise(widths))
