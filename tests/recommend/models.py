"""Saved models in memory: of the methods that learn vectors, of items' weights, of counts, of ratings."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ncfjax.baselines.ease import fit_ease
from ncfjax.baselines.ials import fit_ials
from ncfjax.baselines.item_based import sparse_item_based
from ncfjax.baselines.popularity import fit_popularity
from ncfjax.baselines.slim import sparse_slim_weights
from ncfjax.baselines.user_knn import fit_user_knn
from ncfjax.data.interactions import Interactions
from ncfjax.data.movies import Movies
from ncfjax.data.ratings import STARS, Ratings
from ncfjax.data.summary import summarize
from ncfjax.models.recommender import Recommender
from ncfjax.models.registry import with_defaults
from ncfjax.models.similarity import make_similarity
from ncfjax.ratings.alternating import fit_alternating
from ncfjax.ratings.model import CenteredRecommender
from ncfjax.ratings.predictors import fit_biases, fit_item_mean, fit_user_mean
from ncfjax.saved import SavedModel

NUM_USERS, NUM_ITEMS, DIM = 40, 30, 6
_rng = np.random.default_rng(0)
_taste, _kind = _rng.normal(size=(NUM_USERS, 3)), _rng.normal(size=(NUM_ITEMS, 3))
_has = _taste @ _kind.T + 0.5 * _rng.normal(size=(NUM_USERS, NUM_ITEMS)) > 0.8
_has[0] = False  # user 100 is cold
USERS, ITEMS = np.nonzero(_has)
IDS = {"user_ids": 100 + np.arange(NUM_USERS), "item_ids": 500 + np.arange(NUM_ITEMS)}
TRAIN = Interactions(USERS, ITEMS, NUM_USERS, NUM_ITEMS, **IDS)
VALUES = STARS.rounded(3.5 + (_taste @ _kind.T)[USERS, ITEMS] - 1.5)
RATED = Ratings(USERS, ITEMS, VALUES, NUM_USERS, NUM_ITEMS, STARS, **IDS)
_YEARS = 1980.0 + np.arange(NUM_ITEMS)
MOVIES = Movies(
    Path("movies.dat"),
    IDS["item_ids"],
    tuple(f"Film number {i} ({1980 + i})" for i in range(NUM_ITEMS)),
    np.where(np.arange(NUM_ITEMS) == 7, np.nan, _YEARS),
    ("Children's", "Comedy", "Sci-Fi"),
    np.arange(NUM_ITEMS)[:, None] % np.array([2, 3, 5]) == 0,
)
IALS = {"regularization": 0.05, "unobserved_weight": 0.2, "nu": 1.0}
ROWS = {
    "ials": IALS | {"embedding_dim": DIM, "ndcg@10": 0.5},
    "alternating": {"regularization": 0.5, "bias_regularization": 0.3, "nu": 0.5, "rmse": 0.9},
    "biases": {"user_damping": 3.0, "rmse": 1.0},
}


def recommender(name: str, seed: int = 0) -> Recommender:
    keys = jax.random.split(jax.random.key(seed), 2)
    similarity = make_similarity(name, DIM, key=keys[0], **with_defaults(name, DIM, {}))
    return Recommender(NUM_USERS, NUM_ITEMS, DIM, similarity, stddev=1.0, key=keys[1])


def _fit(name: str):
    match name:
        case "ials":
            return fit_ials(TRAIN, **IALS, embedding_dim=DIM, block_size=DIM, stddev=0.1, num_epochs=30, seed=0)
        case "ease":
            return fit_ease(TRAIN, regularization=5.0)
        case "sparse slim":
            return sparse_item_based(TRAIN, sparse_slim_weights(TRAIN, l1=0.5, l2=2.0, num_sweeps=5))
        case "user_knn":
            return fit_user_knn(TRAIN, num_neighbors=7, shrinkage=1.0)
        case "popularity":
            return fit_popularity(TRAIN)
        case "biases":
            return fit_biases(RATED, user_damping=3.0, item_damping=2.0)
        case "item_mean":
            return fit_item_mean(RATED)
        case "user_mean":
            return fit_user_mean(RATED)
        case "alternating":
            options = {name: ROWS["alternating"][name] for name in ("regularization", "bias_regularization", "nu")}
            options |= {"embedding_dim": 4, "biases": True, "stddev": 0.1, "num_iterations": 40, "seed": 0}
            return fit_alternating(RATED, **options)
        case "gradient mlp":
            return CenteredRecommender(jnp.float32(3.5), recommender("mlp"))
    return recommender(name)


BASELINES = ("ials", "ease", "sparse slim", "user_knn", "popularity")
_saved: dict[str, SavedModel] = {}


def saved(name: str) -> SavedModel:
    """A small model by the name of its method, or of an untrained similarity."""
    if name not in _saved:
        is_rating = name in ("biases", "item_mean", "user_mean", "alternating", "gradient mlp")
        kind = "rating" if is_rating else "baseline" if name in BASELINES else "recommender"
        data = summarize("tiny", RATED if is_rating else TRAIN, MOVIES)
        _saved[name] = SavedModel(Path(), kind, name, _fit(name), data, ROWS.get(name, {}))
    return _saved[name]
