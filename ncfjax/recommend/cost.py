"""How many multiplications an answer takes: a user against every item.

It is `per_query` and `per_catalogue` of ncfjax/cost.py: the items' half of an MLP's first layer is the same for all
users, but computed anew for each answer. To fold in a history, to order the scores and to find reasons come on top.
"""

from ncfjax.baselines.popularity import Popularity
from ncfjax.cost import cost
from ncfjax.recommend.fold_in import vectors_of
from ncfjax.saved import SavedModel


def multiplications(saved: SavedModel) -> int | None:
    """Of one user's scores of all items; None of a method that adds up the votes of items or users."""
    if isinstance(saved.model, Popularity):
        return 0
    recommender = vectors_of(saved)
    if recommender is None:
        return None
    _, embedding_dim = recommender.item.shape
    counted = cost(recommender.similarity, embedding_dim, saved.data.num_items)
    return counted.per_query.multiplications + counted.per_catalogue.multiplications
