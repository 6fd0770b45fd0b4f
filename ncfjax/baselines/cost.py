"""What a baseline costs: multiply-adds to fit it and to rank all users with it, bytes, parameters.

n interactions of U users and I items, d dimensions in blocks of b, E epochs, S sweeps:

    popularity   U I                    item_knn   2 U I^2        ease   2 U I^2 + I^3/2        slim   2 U I^2 + S I^3
    ials         E (2 n d (b + 3) + (U + I) d b^2) + R U I d        user_knn   U^2 I
                 and R (n' d (d + 3) + U' d^3), where U' users of n' interactions are folded in; R rankings

and what ranking a block of users costs beside its scores, in embedding dimensions (RANKING_DIM). Products of what
co-occurs, where these are less work (co_occurrences.py), count as SPARSE_COST multiply-adds each: they take as long.
"""

import jax
import numpy as np

from ncfjax.baselines.co_occurrences import PRODUCTS_AT_ONCE, SPARSE_COST, is_dense, num_products, transposed
from ncfjax.baselines.ease import SMALL
from ncfjax.baselines.item_based import ItemBased, SparseItemBased
from ncfjax.baselines.least_squares import side_bytes, solving_bytes
from ncfjax.baselines.neighbors import ROWS_AT_ONCE
from ncfjax.baselines.popularity import Popularity
from ncfjax.baselines.slim import RESIDUALS_AT_ONCE, most_candidates, sparse_sweep, sweeps_are_dense
from ncfjax.baselines.user_knn import UserBased
from ncfjax.data.history import history_bytes
from ncfjax.data.interactions import Interactions
from ncfjax.models.recommender import Recommender
from ncfjax.models.tables import SpreadRecommender, filled_up

RANKING_DIM = 100
EASE_ARRAYS = 6  # of a small one; a larger one has one array, and PANELS more columns while it is inverted
PANELS = 3_000
SLIM_ARRAYS = 5  # X' X twice, in two orders, and W likewise
KNN_ARRAYS = {"item_knn": 2, "user_knn": 1}  # X' X, and dense weights
SCORED_AT_ONCE = 128  # users, by the evaluation

Scorer = ItemBased | SparseItemBased | UserBased | Popularity | Recommender | SpreadRecommender


def fit_work(
    name: str,
    train: Interactions,
    embedding_dim: int | None = None,
    block_size: int | None = None,
    num_epochs: int | None = None,
    num_sweeps: int | None = None,
    ranked: Interactions | None = None,
    eval_every: int = 1,
) -> int:
    """Multiply-adds of one run, with a ranking of all users (ials: every few epochs), or of those of `ranked`."""
    users, items = train.num_users, train.num_items
    num_ranked = users if ranked is None else ranked.num_users
    ranking = num_ranked * items * RANKING_DIM
    if name == "popularity":
        return ranking
    if name == "ials":
        folding = 0 if ranked is None else _solving(len(ranked), num_ranked, embedding_dim)
        evaluating = num_ranked * items * embedding_dim + ranking + folding
        solving = 2 * len(train) * embedding_dim * (block_size + 3) + (users + items) * embedding_dim * block_size**2
        return num_epochs * solving + -(-num_epochs // eval_every) * evaluating
    if name == "user_knn":
        return _products(transposed(train)) + ranking
    scores = num_ranked * items**2
    if name == "ease":
        return _products(train) + items**3 // 2 + scores
    if name == "slim" and sweeps_are_dense(train):
        return _products(train) + num_sweeps * items**3 + scores
    if name == "slim":
        return _products(train) + num_sweeps * SPARSE_COST * sparse_sweep(train) + ranking
    return _products(train) + (scores if is_dense(train) else ranking)


def _solving(num_pairs: int, num_rows: int, embedding_dim: int) -> int:
    """Of rows that are solved exactly."""
    return num_pairs * embedding_dim * (embedding_dim + 3) + num_rows * embedding_dim**3


def _products(train: Interactions) -> int:
    """Of X' X."""
    return train.num_users * train.num_items**2 if is_dense(train) else SPARSE_COST * num_products(train)


def fit_bytes(
    name: str,
    train: Interactions,
    embedding_dim: int | None = None,
    num_neighbors: int = 0,
    l1: float = 0.0,
    as_bits: bool = True,
    ranked: Interactions | None = None,
    table_shards: int = 1,
) -> int:
    """Memory of one run, ranking included, on all devices together; of all users, or of those of `ranked`.

    Beside the histories, for the ranking and as sparse rows: what is kept of items x items (or users x users), in
    arrays of floats, and of sparse products; the scores of a block of users, which are ranked with about four copies.
    """
    users, items = train.num_users, train.num_items
    histories = table_shards * history_bytes(train if ranked is None else ranked, as_bits)  # a copy on each device
    ranking = histories + 16 * SCORED_AT_ONCE * items
    if name == "popularity":
        return ranking
    if name == "ials":
        return (
            ranking
            + ials_tables_bytes(train, embedding_dim, table_shards)
            + sides_bytes(train, embedding_dim, table_shards)
        )
    sparse = ranking + 24 * (len(train) + PRODUCTS_AT_ONCE)
    bits = history_bytes(train, as_bits=True)  # of a dense scorer
    if name == "ease":
        return sparse + bits + 4 * items * (EASE_ARRAYS * items if items <= SMALL else items + PANELS)
    if name == "slim":
        if sweeps_are_dense(train):
            return sparse + bits + 4 * SLIM_ARRAYS * items**2
        of_one_item = np.bincount(train.items).max(initial=0) / users  # residuals that move at once, of all
        residuals = min(RESIDUALS_AT_ONCE, users * items) * (4 + 8 * of_one_item)  # gathered, and moved
        return sparse + int(residuals) + 24 * most_candidates(train, l1)
    of = transposed(train) if name == "user_knn" else train
    if is_dense(of):
        blocks = 3 * min(ROWS_AT_ONCE, of.num_items)  # similarities, while the nearest are sought
        sparse += bits + 4 * of.num_items * (KNN_ARRAYS[name] * of.num_items + blocks)
    return sparse + 24 * min(of.num_items * num_neighbors, num_products(of))


def scorer_bytes(name: str, train: Interactions, embedding_dim: int | None = None) -> int:
    """Memory of what it scores with, if it is dense; of sparse weights the fit plans for several copies."""
    if name == "ials":
        return 4 * (train.num_users + train.num_items) * embedding_dim
    dense = {"ease": lambda _: True, "slim": sweeps_are_dense, "item_knn": is_dense}
    return 4 * train.num_items**2 if name in dense and dense[name](train) else 0


def largest_array(name: str, train: Interactions) -> str:
    """In words, what the memory of a run is for, where it grows with the square of a catalogue."""
    if name != "ease":
        return ""
    return f"EASE is dense: 4 bytes x items^2, of {train.num_items:,} items"


def ials_tables_bytes(train: Interactions, embedding_dim: int, table_shards: int = 1) -> int:
    """The tables of iALS, those that an epoch makes of them and what is on the way: a copy of all on every device, or
    each row on one of `table_shards` devices."""
    if table_shards == 1:
        return 4 * 3 * jax.device_count() * (train.num_users + train.num_items) * embedding_dim
    rows = filled_up(train.num_users, table_shards) + filled_up(train.num_items, table_shards)
    return 4 * 3 * rows * embedding_dim


def sides_bytes(train: Interactions, embedding_dim: int, table_shards: int = 1) -> int:
    """What iALS lays out of both sides, on the host and on the devices, and takes to solve some rows."""
    sides = [np.bincount(train.users, minlength=train.num_users), np.bincount(train.items, minlength=train.num_items)]
    per_pair = 4 if train.weights is None else 8
    held = sum(2 * side_bytes(counts, embedding_dim, per_pair=per_pair, shards=table_shards) for counts in sides)
    return held + max(solving_bytes(counts, embedding_dim, shards=table_shards) for counts in sides)


def num_parameters(scorer: Scorer) -> int:
    """The numbers that it scores with: weights that are not zero, entries of its vectors, or counts of items."""
    match scorer:
        case ItemBased():
            return int(np.count_nonzero(np.asarray(scorer.weights)))
        case SparseItemBased():
            return len(scorer.weights)
        case UserBased():
            return len(scorer.similarities)
        case Popularity():
            return len(scorer.counts)
        case Recommender():
            return sum(leaf.size for leaf in jax.tree.leaves(scorer))
        case SpreadRecommender():  # of a dot product without biases, which has none beside its tables
            return (scorer.num_users + scorer.layout.num_items) * scorer.model.item.shape[1]
    raise TypeError(f"expected a baseline, got {type(scorer).__name__}")


def is_finite(scorer: Scorer) -> bool:
    """Whether all numbers that it scores with are finite: a fit that diverged is not."""
    leaves = [np.atleast_1d(leaf) for leaf in jax.tree.leaves(scorer) if np.issubdtype(leaf.dtype, np.floating)]
    blocks = (leaf[start : start + 1024] for leaf in leaves for start in range(0, len(leaf), 1024))
    return all(bool(np.isfinite(block).all()) for block in blocks)
