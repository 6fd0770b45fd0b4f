"""Small models of every kind, by name, and the data that they belong to: what the tests of saved models share."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ncfjax.baselines.ease import fit_ease
from ncfjax.baselines.ials import fit_ials
from ncfjax.baselines.item_based import sparse_item_based
from ncfjax.baselines.item_knn import fit_item_knn
from ncfjax.baselines.popularity import fit_popularity
from ncfjax.baselines.slim import fit_slim, sparse_slim_weights
from ncfjax.baselines.user_knn import fit_user_knn
from ncfjax.data.interactions import Interactions
from ncfjax.data.movies import Movies
from ncfjax.data.ratings import STARS, Ratings
from ncfjax.data.summary import Summary, summarize
from ncfjax.models.recommender import Recommender
from ncfjax.models.registry import similarity_names, with_defaults
from ncfjax.models.similarity import make_similarity
from ncfjax.ratings.alternating import fit_alternating
from ncfjax.ratings.content_based import fit_content_based
from ncfjax.ratings.ensemble import mean_model
from ncfjax.ratings.hybrid import fit_hybrid
from ncfjax.ratings.model import CenteredRecommender
from ncfjax.ratings.normalization import fit_normalized
from ncfjax.ratings.predictors import fit_biases, fit_global_mean, fit_item_mean, fit_user_mean
from ncfjax.saved import save_model

NUM_USERS, NUM_ITEMS, DIM = 9, 13, 12
_has = np.random.default_rng(0).random((NUM_USERS, NUM_ITEMS)) < 0.4
USERS, ITEMS = np.nonzero(_has)
IDS = {
    "user_ids": np.array([f"user {u}" for u in range(NUM_USERS)], object),
    "item_ids": 100 + np.arange(NUM_ITEMS),
}
TRAIN = Interactions(USERS, ITEMS, NUM_USERS, NUM_ITEMS, **IDS)
RATED = Ratings(USERS, ITEMS, 1.0 + (USERS + ITEMS) % 5, NUM_USERS, NUM_ITEMS, STARS, **IDS)
FEATURES = np.random.default_rng(1).random((NUM_ITEMS, 3)).astype(np.float32)
MOVIES = Movies(
    Path("movies.dat"),
    IDS["item_ids"],
    tuple(f"Amélie {i}" for i in range(NUM_ITEMS)),
    np.where(np.arange(NUM_ITEMS) == 3, np.nan, 1990.0),
    ("Comedy", "Drama"),
    np.arange(2 * NUM_ITEMS).reshape(-1, 2) % 3 == 0,
)
_TURNS = {
    "embedding_dim": 3, "regularization": 0.1, "bias_regularization": 0.1, "nu": 0.5, "stddev": 0.1,
    "num_iterations": 2, "seed": 0,
}  # fmt: skip


class Trained(NamedTuple):
    """All that is saved."""

    model: Any
    kind: str
    data: Summary
    options: dict[str, Any] | None = None


def recommender(name: str, num_users: int = NUM_USERS, num_items: int = NUM_ITEMS, **options: Any) -> Recommender:
    key, other = jax.random.split(jax.random.key(3))
    similarity = make_similarity(name, DIM, key=key, **options)
    return Recommender(num_users, num_items, DIM, similarity, stddev=0.5, key=other)


def of_similarity(name: str, **options: Any) -> Trained:
    options = with_defaults(name, DIM, options)
    return Trained(recommender(name, **options), "recommender", summarize("tiny", TRAIN, MOVIES), options)


_IALS = {"embedding_dim": 4, "block_size": 4, "regularization": 0.1, "unobserved_weight": 0.1, "nu": 1.0}
_BASELINES = {
    "popularity": lambda: (fit_popularity(TRAIN), None),
    "item_knn": lambda: (fit_item_knn(TRAIN, num_neighbors=4, shrinkage=1.0), None),
    "user_knn": lambda: (fit_user_knn(TRAIN, num_neighbors=4, shrinkage=1.0), None),
    "sparse slim": lambda: (sparse_item_based(TRAIN, sparse_slim_weights(TRAIN, l1=0.1, l2=0.1, num_sweeps=3)), None),
    "ease": lambda: (fit_ease(TRAIN, regularization=2.0), None),
    "slim": lambda: (fit_slim(TRAIN, l1=0.1, l2=0.1, num_sweeps=3), None),
    "ials": lambda: (fit_ials(TRAIN, **_IALS, stddev=0.1, num_epochs=2, seed=0), {"biases": False}),
}
_RATINGS = {
    "global_mean": lambda: fit_global_mean(RATED),
    "user_mean": lambda: fit_user_mean(RATED),
    "item_mean": lambda: fit_item_mean(RATED),
    "biases": lambda: fit_biases(RATED, user_damping=5.0, item_damping=2.0),
    "content_based": lambda: fit_content_based(RATED, FEATURES, regularization=1.0, nu=0.0),
    "alternating": lambda: fit_alternating(RATED, biases=True, **_TURNS),
    "alternating_without_biases": lambda: fit_alternating(RATED, biases=False, **_TURNS),
    "mean_normalized": lambda: fit_normalized(
        RATED, fit_item_mean(RATED), lambda rest: fit_alternating(rest, biases=False, **_TURNS)
    ),
    "ensemble": lambda: mean_model([fit_alternating(RATED, biases=True, **_TURNS | {"seed": k}) for k in range(2)]),
    "hybrid": lambda: fit_hybrid(RATED, FEATURES, feature_regularization=1.0, **_TURNS),
}
_VARIANTS = {
    "dot without biases": ("dot", {"biases": False}),
    "the report's dot": ("dot", {"frozen_constants": True}),
    "the report's neumf": ("neumf", {"gmf_sigmoid": True, "frozen_constants": True}),
    "mlp of layers": ("mlp", {"layers": (24, 5), "regularize_weights": False}),
}
NAMES = (
    *similarity_names(), *_VARIANTS, *_BASELINES, *_RATINGS, "gradient dot", "gradient neumf",
)  # fmt: skip


def trained(name: str) -> Trained:
    """A small model by the name of its similarity, baseline or method for ratings."""
    if name in _BASELINES:
        model, options = _BASELINES[name]()
        return Trained(model, "baseline", summarize("tiny", TRAIN), options)
    if name in _RATINGS:
        return Trained(_RATINGS[name](), "rating", summarize("tiny", RATED, MOVIES))
    if name.startswith("gradient "):
        of = of_similarity(name.removeprefix("gradient "))
        model = CenteredRecommender(jax.numpy.float32(3.5), of.model)
        return Trained(model, "rating", summarize("tiny", RATED), of.options)
    similarity, options = _VARIANTS.get(name, (name, {}))
    return of_similarity(similarity, **options)


def save(folder: Path, name: str, **more: Any) -> Trained:
    of = trained(name)
    save_model(folder, of.model, kind=of.kind, method=name, data=of.data, options=of.options, **more)
    return of
