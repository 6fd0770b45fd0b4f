"""The baselines by name: what each is given, and how it is fitted. A table of them is read without JAX."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from ncfjax.keys import COUNT, NON_NEGATIVE, POSITIVE, SEED, Key

# What a method may be given, in the order in which tables show it.
KEYS: dict[str, Key] = {
    "embedding_dim": COUNT,
    "block_size": COUNT,
    "num_neighbors": COUNT,
    "shrinkage": NON_NEGATIVE,
    "l1": NON_NEGATIVE,
    "l2": NON_NEGATIVE,
    "regularization": POSITIVE,
    "unobserved_weight": POSITIVE,
    "nu": NON_NEGATIVE,
    "stddev": POSITIVE,
    "seed": SEED,
    "num_epochs": COUNT,
    "num_sweeps": COUNT,
}


class Baseline(NamedTuple):
    """What a baseline is given beside the training interactions, by the names of KEYS."""

    share: float  # of the pace of a large matrix product that it reaches, on MovieLens-1M and two CPU cores
    hyperparameters: tuple[str, ...] = ()  # to search over
    sizes: tuple[str, ...] = ()  # num_epochs among them: there is a scorer after each epoch
    takes_weights: bool = False  # of the interactions
    folds_in: bool = True  # users that it was not fitted to


METHODS = {
    "popularity": Baseline(0.1, takes_weights=True),
    "item_knn": Baseline(0.4, ("num_neighbors", "shrinkage")),
    "user_knn": Baseline(0.1, ("num_neighbors", "shrinkage"), folds_in=False),
    "ease": Baseline(0.6, ("regularization",)),
    "slim": Baseline(0.1, ("l1", "l2"), ("num_sweeps",)),
    "ials": Baseline(
        0.3,
        ("regularization", "unobserved_weight", "nu", "stddev", "seed"),
        ("embedding_dim", "block_size", "num_epochs"),
        takes_weights=True,
    ),
}


def fit_of(name: str) -> Callable[..., Any]:
    """`fit_NAME` of the module NAME, or `NAME_epochs` of a method that gives a scorer after each epoch."""
    module = importlib.import_module(f"ncfjax.baselines.{name}")
    return getattr(module, f"{name}_epochs" if "num_epochs" in METHODS[name].sizes else f"fit_{name}")
