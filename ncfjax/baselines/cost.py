"""What a baseline costs: multiply-adds to fit it and to rank all users with it, bytes, parameters.

n interactions of U users and I items, d dimensions in blocks of b, E epochs, S sweeps:

    popularity   U I                    item_knn   2 U I^2        ease   2 U I^2 + 2 I^3        slim   2 U I^2 + S I^3
    ials         E (2 n d (b + 3) + U I d + (U + I) d b^2)

and what ranking a block of users costs beside its scores, in embedding dimensions (RANKING_DIM).
"""

import jax
import numpy as np

from ncfjax.baselines.item_based import ItemBased
from ncfjax.baselines.least_squares import FLOATS_AT_ONCE, GROWTH
from ncfjax.baselines.popularity import Popularity
from ncfjax.data.interactions import Interactions
from ncfjax.models.recommender import Recommender

ITEM_MATRICES = 6  # float32[items, items] that are held at once while EASE is solved: the most of the item-based ones
RANKING_DIM = 100


def fit_work(
    name: str,
    train: Interactions,
    embedding_dim: int | None = None,
    block_size: int | None = None,
    num_epochs: int | None = None,
    num_sweeps: int | None = None,
) -> int:
    """Multiply-adds of one run, with a ranking of all users (ials: after every epoch)."""
    users, items = train.num_users, train.num_items
    gram = ranking = users * items**2
    if name == "popularity":
        return users * items * RANKING_DIM
    if name == "ials":
        products = 2 * len(train) * embedding_dim * (block_size + 3) + users * items * (embedding_dim + RANKING_DIM)
        return num_epochs * (products + (users + items) * embedding_dim * block_size**2)
    passes = {"item_knn": 0, "ease": 2, "slim": num_sweeps}[name]  # through items x items x items
    return gram + ranking + passes * items**3


def fit_bytes(name: str, train: Interactions, embedding_dim: int | None = None) -> int:
    """Memory of one run, ranking included."""
    users, items = train.num_users, train.num_items
    history = users * items // 8
    if name == "popularity":
        return history
    if name == "ials":
        return history + 4 * (3 * (users + items) * embedding_dim + 2 * ials_floats(train, embedding_dim))
    return history + 4 * ITEM_MATRICES * items**2


def ials_floats(train: Interactions, embedding_dim: int) -> int:
    """Floats of every device's gathered vectors and systems, and of the padded histories of both sides."""
    return jax.device_count() * FLOATS_AT_ONCE + int(2 * GROWTH * len(train)) + embedding_dim**2


def num_parameters(scorer: ItemBased | Popularity | Recommender) -> int:
    """The numbers that it scores with: weights that are not zero, entries of its vectors, or counts of items."""
    match scorer:
        case ItemBased():
            return int(np.count_nonzero(np.asarray(scorer.weights)))
        case Popularity():
            return len(scorer.counts)
        case Recommender():
            return sum(leaf.size for leaf in jax.tree.leaves(scorer))
    raise TypeError(f"expected a baseline, got {type(scorer).__name__}")


def is_finite(scorer: ItemBased | Popularity | Recommender) -> bool:
    """Whether all numbers that it scores with are finite: a fit that diverged is not."""
    leaves = [leaf for leaf in jax.tree.leaves(scorer) if np.issubdtype(leaf.dtype, np.floating)]
    return all(bool(np.isfinite(np.asarray(leaf)).all()) for leaf in leaves)
