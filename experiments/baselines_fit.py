"""A baseline by its name: how it is fitted, what that costs, and what it leaves.

work = multiply-adds of its products and factorizations, for progress.py and dry_run
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from experiments.baselines_config import BaselinesConfig
from ncfjax.baselines.ease import fit_ease
from ncfjax.baselines.ials import FLOATS_AT_ONCE, GROWTH, ials_epochs
from ncfjax.baselines.item_based import ItemBased
from ncfjax.baselines.item_knn import fit_item_knn
from ncfjax.baselines.popularity import Popularity, fit_popularity
from ncfjax.baselines.slim import fit_slim
from ncfjax.data.interactions import Interactions
from ncfjax.evaluation.ranking import Scorer
from ncfjax.models.recommender import Recommender

ITEM_MATRICES = 6  # float32[items, items] that are held at once while EASE is solved: the most of the item-based ones
RANKING_DIM = 100  # what ranking a block of users costs beside its scores, in embedding dimensions
FITS: dict[str, Callable[..., Scorer]] = {
    "popularity": fit_popularity,
    "item_knn": fit_item_knn,
    "ease": fit_ease,
    "slim": fit_slim,
}


def fits(name: str, train: Interactions, told: dict[str, Any]) -> Iterator[Scorer]:
    """The scorer after each epoch, of a method that has epochs; else once."""
    if name == "ials":
        yield from ials_epochs(train, **told)
    else:
        yield FITS[name](train, **told)


def num_steps(config: BaselinesConfig) -> int:
    """How many scorers `fits` yields."""
    return config.baseline.num_epochs or 1


def work(config: BaselinesConfig, train: Interactions) -> float:
    """Of one run, with a ranking of all users."""
    users, items, baseline = train.num_users, train.num_items, config.baseline
    gram = ranking = users * items**2
    if baseline.name == "popularity":
        return users * items * RANKING_DIM
    if baseline.name == "ials":
        dim, block = baseline.embedding_dim, baseline.block_size
        products = 2 * len(train) * dim * (block + 3) + users * items * (dim + RANKING_DIM)
        return baseline.num_epochs * (products + (users + items) * dim * block**2)
    passes = {"item_knn": 0, "ease": 2, "slim": baseline.num_sweeps}[baseline.name]  # through items x items x items
    return gram + ranking + passes * items**3


def memory_estimate(config: BaselinesConfig, train: Interactions) -> int:
    """Bytes of one run, ranking included."""
    users, items, dim = train.num_users, train.num_items, config.baseline.embedding_dim
    history = users * items // 8
    if config.baseline.name == "popularity":
        return history
    if config.baseline.name == "ials":
        return history + 4 * (3 * (users + items) * dim + 2 * ials_floats(train, dim))
    return history + 4 * ITEM_MATRICES * items**2


def ials_floats(train: Interactions, embedding_dim: int) -> int:
    """Floats of every device's gathered vectors and systems, and of the padded histories of both sides."""
    return jax.device_count() * FLOATS_AT_ONCE + int(2 * GROWTH * len(train)) + embedding_dim**2


def num_parameters(scorer: Scorer) -> int:
    """The numbers that it scores with: weights that are not zero, entries of its vectors, or counts of items."""
    match scorer:
        case ItemBased():
            return int(np.count_nonzero(np.asarray(scorer.weights)))
        case Popularity():
            return len(scorer.counts)
        case Recommender():
            return sum(leaf.size for leaf in jax.tree.leaves(scorer))
    raise TypeError(f"expected a baseline, got {type(scorer).__name__}")
