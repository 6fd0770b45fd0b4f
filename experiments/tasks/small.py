"""A model trained in seconds, for a command that needs one and was named none."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.engine.checks import expect, refused
from ncfjax.baselines.ials import fit_ials
from ncfjax.data.catalog import load
from ncfjax.data.interactions import HeldOut, Interactions, LeaveOneOut
from ncfjax.data.rating_catalog import find_movies, load_ratings
from ncfjax.data.rating_splits import random_share
from ncfjax.data.ratings import Ratings
from ncfjax.data.summary import Summary, summarize
from ncfjax.data.synthetic_ratings import make_synthetic_ratings
from ncfjax.evaluation.regression import rmse
from ncfjax.ratings.alternating import fit_alternating
from ncfjax.saved import Model, SavedModel
from ncfjax.training.fit import train
from ncfjax.training.loop import Spec
from ncfjax.training.recommender import Member

DATASETS = ("synthetic", "ml-100k", "ml-1m")
TRAINED = ("ials", "mlp", "alternating")
HELD_OUT = 0.1  # of the ratings, for the error of a model of ratings
_IALS = {"embedding_dim": 16, "regularization": 0.007, "unobserved_weight": 0.3, "nu": 1.0}
_MLP = {"learning_rate": 0.005, "regularization": 0.0003, "stddev": 0.1, "negative_weight": 1.0, "seed": 0}
_MLP_SPEC = {"embedding_dim": 16, "objective": "sampled", "num_negatives": 4, "batch_size": 512}
_MLP_EPOCHS = 16  # 3 s on MovieLens-100K, 30 s on MovieLens-1M
_ALTERNATING = {"embedding_dim": 16, "regularization": 3.0, "bias_regularization": 1.0, "nu": 0.3}


class Settings(NamedTuple):
    """A data set of DATASETS, what is fitted to it, of TRAINED, and where its files are."""

    dataset: str
    trained: str
    data_dir: str | None = None


def train_small(settings: Settings) -> SavedModel:
    """iALS or an MLP of who had what, or factors of the ratings by turns, in memory.

    Raises:
        ConfigError: another data set or method, files that are not there or not as expected.
    """
    expect("dataset", settings.dataset in DATASETS, f"one of {', '.join(DATASETS)}", settings.dataset)
    expect("train", settings.trained in TRAINED, f"one of {', '.join(TRAINED)}", settings.trained)
    with refused(f"dataset={settings.dataset}"):
        return {"ials": _ials, "mlp": _mlp, "alternating": _alternating}[settings.trained](settings)


def _ratings(settings: Settings) -> Ratings:
    if settings.dataset == "synthetic":
        return make_synthetic_ratings(num_users=400, num_items=300, ratings_per_user=30, rank=4, seed=0)
    return load_ratings(settings.dataset, data_dir=settings.data_dir)


def _movies(settings: Settings, ratings: Ratings):
    return find_movies(settings.dataset, ratings.num_items, ratings.item_ids, data_dir=settings.data_dir)


def _implicit(settings: Settings) -> tuple[Interactions, Summary]:
    """Who had what, and what is known of them."""
    if settings.dataset == "synthetic":
        pairs = load("synthetic").train
        return pairs, summarize("synthetic", pairs)
    ratings = _ratings(settings)
    return ratings.at_least(), summarize(settings.dataset, ratings, _movies(settings, ratings))


def _ials(settings: Settings) -> SavedModel:
    pairs, data = _implicit(settings)
    dim = _IALS["embedding_dim"]
    model = fit_ials(pairs, **_IALS, block_size=dim, stddev=0.1, num_epochs=8, seed=0)
    return _saved("baseline", "ials", model, data, _IALS)


def _mlp(settings: Settings) -> SavedModel:
    pairs, data = _implicit(settings)
    one = HeldOut(pairs.users[:1], pairs.items[:1], np.zeros((1, 0), int))  # which a split has to have, and nobody asks
    split = LeaveOneOut(settings.dataset, "test", pairs.where(np.arange(1, len(pairs))), one, negatives="none")
    spec = Spec(model="mlp", optimizer="lazy_adam", **_MLP_SPEC)
    (model,) = train(split, spec, [Member(**_MLP)], _MLP_EPOCHS)
    return _saved("recommender", "mlp", model, data, _MLP_SPEC | _MLP)


def _alternating(settings: Settings) -> SavedModel:
    split = random_share(_ratings(settings), share=HELD_OUT, seed=0)
    pairs, test = split.train, split.test
    model = fit_alternating(pairs, **_ALTERNATING, biases=True, stddev=0.1, num_iterations=6, seed=0)
    predictions = pairs.scale.clip(np.asarray(model.predict(test.users, test.items), np.float64))
    run = _ALTERNATING | {"rmse": rmse(predictions, test.values), "num_test": len(test)}
    data = summarize(settings.dataset, pairs, _movies(settings, pairs))
    return _saved("rating", "alternating", model, data, run)


def _saved(kind: str, method: str, model: Model, data: Summary, run: dict[str, Any]) -> SavedModel:
    """As one is that was loaded, without a folder."""
    return SavedModel(Path(), kind, method, model, data, dict(run))
