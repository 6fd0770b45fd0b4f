"""Users that a fitted method has not seen, folded in by their items: a scorer of them in the place of its own users.

    ials                   a least-squares solution for each user, items fixed: an epoch's first half, solved exactly
    item_knn, ease, slim   the items' weights, added up over what the user has
    popularity             the same for all

For one user at a time, of any model that is saved: ncfjax/recommend/fold_in.py. Both give the same scores.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from ncfjax.baselines.co_occurrences import incidence
from ncfjax.baselines.ials import fold_in_ials
from ncfjax.baselines.item_based import ItemBased, SparseItemBased
from ncfjax.baselines.popularity import Popularity
from ncfjax.data.history import pack_history
from ncfjax.data.interactions import Interactions
from ncfjax.models.recommender import Recommender
from ncfjax.models.tables import SpreadRecommender

Folding = ItemBased | SparseItemBased | Popularity | Recommender | SpreadRecommender


def folded_in(scorer: Folding, users: Interactions, options: Mapping[str, Any]) -> Folding:
    """The scorer of `users`, who are numbered anew; `options` are what the method was fitted with.

    Raises:
        TypeError: a method that folds nobody in.
    """
    match scorer:
        case ItemBased():
            return scorer._replace(history=jnp.asarray(pack_history(users)))
        case SparseItemBased():
            history = incidence(users)
            return scorer._replace(history_items=history.indices, history_starts=history.indptr)
        case Popularity():
            return scorer
        case Recommender() | SpreadRecommender():
            names = ("regularization", "unobserved_weight", "nu")
            return fold_in_ials(scorer, users, **{name: options[name] for name in names})
    raise TypeError(f"expected a method that folds users in, got {type(scorer).__name__}")
