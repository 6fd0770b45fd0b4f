"""The baselines by name: how each is fitted, and what it is given."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ncfjax.baselines.ease import fit_ease
from ncfjax.baselines.ials import ials_epochs
from ncfjax.baselines.item_knn import fit_item_knn
from ncfjax.baselines.popularity import fit_popularity
from ncfjax.baselines.slim import fit_slim


class Baseline(NamedTuple):
    """A baseline: `fit` takes the training interactions and, by name, its hyperparameters and its sizes."""

    fit: Callable[..., Any]  # -> a scorer; with num_epochs among its sizes, a scorer after each epoch
    share: float  # of the pace of a large matrix product that it reaches, on MovieLens-1M and two CPU cores
    hyperparameters: tuple[str, ...] = ()  # numbers to search over
    sizes: tuple[str, ...] = ()  # whole numbers


METHODS = {
    "popularity": Baseline(fit_popularity, 0.1),
    "item_knn": Baseline(fit_item_knn, 0.4, ("num_neighbors", "shrinkage")),
    "ease": Baseline(fit_ease, 0.6, ("regularization",)),
    "slim": Baseline(fit_slim, 0.1, ("l1", "l2"), ("num_sweeps",)),
    "ials": Baseline(
        ials_epochs,
        0.3,
        ("regularization", "unobserved_weight", "nu", "stddev", "seed"),
        ("embedding_dim", "block_size", "num_epochs"),
    ),
}
