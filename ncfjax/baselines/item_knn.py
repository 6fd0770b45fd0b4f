"""ItemKNN: items vote for the items whose users they share (Sarwar et al., WWW 2001).

    s_ui = sum of sim_ij over the j in u's history that are among the num_neighbors items most similar to i

Similarities are those of neighbors.py.
"""

from ncfjax.baselines.co_occurrences import is_dense
from ncfjax.baselines.item_based import ItemBased, SparseItemBased, item_based, sparse_item_based
from ncfjax.baselines.neighbors import check_neighbors, dense_neighbors, neighbors
from ncfjax.data.interactions import Interactions


def fit_item_knn(train: Interactions, num_neighbors: int, shrinkage: float) -> ItemBased | SparseItemBased:
    """The similarities of every item's nearest neighbours, all others zero.

    Raises:
        ValueError: no neighbour, more than there are, or a negative shrinkage.
    """
    check_neighbors(num_neighbors, train.num_items, shrinkage)
    if is_dense(train):
        return item_based(train, dense_neighbors(train, num_neighbors, shrinkage))
    return sparse_item_based(train, neighbors(train, num_neighbors, shrinkage).T.tocsr())  # j votes for i
