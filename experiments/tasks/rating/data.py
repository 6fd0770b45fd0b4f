"""The ratings that a job trains on and those that it predicts."""

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.engine.checks import refused
from experiments.engine.config import set_keys
from experiments.engine.memory import held_bytes
from experiments.tasks.data import own_files, table_form
from experiments.tasks.rating.config import PARTS, content_of_dataset, name_of_dataset
from ncfjax.data.content import Content
from ncfjax.data.header import TableForm
from ncfjax.data.rating_catalog import load_features, load_given_split, load_ratings
from ncfjax.data.rating_splits import RatingSplit, cold_items, cold_users, holdout, latest, random_fold, random_share
from ncfjax.data.ratings import Ratings, Scale
from ncfjax.data.synthetic_ratings import make_synthetic_ratings
from ncfjax.data.text import about
from ncfjax.ratings.worked_example import FEATURES, worked_example
from ncfjax.store import run_id

HOLDOUT_SHARE = 0.1  # of the training ratings, for tuning
NOTEBOOK_COPIES = 4  # of the one file that the report's notebook read in the place of four


class JobRatings(NamedTuple):
    """Of one job. `validation` are rows that were set aside from the training rows, as the report's notebook did."""

    name: str
    content: str  # what identifies its files
    train: Ratings
    test: Ratings
    validation: Ratings | None
    note: str


def load_job(config: Any) -> JobRatings:
    """Raises ConfigError for a file that is not there or not as expected, and for a split that has no ratings."""
    with refused(f"dataset={config.dataset.name}"), about(*own_files(config.dataset)):
        split = _split(config)
        if config.split == "holdout":
            split = holdout(split, share=HOLDOUT_SHARE, seed=0)
        train, validation = _with_validation(split.train, config.leak, config.validation_share)
    note = "; ".join(filter(None, [split.note, split.train.note]))
    content = content_of_dataset(config).digest or run_id(set_keys(config.dataset))  # of what is drawn its options
    return JobRatings(name_of_dataset(config.dataset), content, train, split.test, validation, note)


def ratings_bytes(data: JobRatings) -> int:
    """Of memory that they hold: the parts, and the whole that they were taken from, which is kept for other jobs."""
    return 2 * held_bytes(data)


def load_item_features(config: Any, ratings: Ratings) -> np.ndarray:
    """What a content-based method is given of every item: float32[items, k]. Raises ConfigError as `load_job` does."""
    with refused(f"dataset={config.dataset.name}"):
        if config.dataset.name == "worked-example":
            return FEATURES.astype(np.float32)
        parts, content = PARTS[config.method.features], content_of_dataset(config)
        return _features(config.dataset.name, parts, config.data_dir, ratings, content)


def data_cells(data: JobRatings) -> dict[str, Any]:
    """Of a row."""
    sizes = {"num_train": len(data.train), "num_test": len(data.test)}
    return {"dataset": data.name, "content": data.content, "note": data.note} | sizes


def _split(config: Any) -> RatingSplit:
    folds, fold = config.folds, config.fold
    if folds.name == "official":
        return _given(config.dataset.name, fold, config.data_dir, content_of_dataset(config))
    ratings = _ratings(config)
    match folds.name:
        case "random":
            return random_fold(ratings, fold=fold, num_folds=folds.count, seed=folds.seed)
        case "latest":
            return latest(ratings, share=folds.share)
    draw = {"share": random_share, "cold_items": cold_items, "cold_users": cold_users}[folds.name]
    return draw(ratings, share=folds.share, seed=folds.seed + fold - 1)


def _ratings(config: Any) -> Ratings:
    dataset = config.dataset
    if dataset.name == "worked-example":
        return worked_example()
    if dataset.name == "synthetic-ratings":
        sizes = dataset.num_users, dataset.num_items, dataset.ratings_per_user, dataset.rank
        return make_synthetic_ratings(*sizes, seed=dataset.seed)
    form = table_form(dataset) if dataset.name == "csv" else None
    return _loaded(dataset.name, config.data_dir, dataset.path, dataset.scale, form, content_of_dataset(config))


@lru_cache(maxsize=1)  # the last one: the jobs of a study share it
def _loaded(
    name: str, data_dir: str | None, path: str | None, scale: str | None, form: TableForm | None, content: Content
) -> Ratings:
    """`content` tells files that have changed, which are read anew, from those that are kept."""
    parsed = Scale.of_text(scale) if scale else None
    return load_ratings(name, data_dir=data_dir, path=Path(path) if path else None, scale=parsed, form=form)


@lru_cache(maxsize=1)
def _given(name: str, fold: int, data_dir: str | None, content: Content) -> RatingSplit:
    return load_given_split(name, fold=fold, data_dir=data_dir)


_last_features: list = []


def _features(
    name: str, parts: tuple[str, ...], data_dir: str | None, ratings: Ratings, content: Content
) -> np.ndarray:
    key = name, parts, data_dir, ratings.num_items, content
    if not (_last_features and _last_features[0] == key):
        _last_features[:] = [key, load_features(name, ratings, parts, data_dir=data_dir).values]
    return _last_features[1]


def _with_validation(train: Ratings, leak: bool, share: float) -> tuple[Ratings, Ratings | None]:
    """Training rows, and those that are set aside of them: copies of each other where the rows are read repeatedly."""
    if not share:
        return train, None
    copies = NOTEBOOK_COPIES if leak else 1
    rows = np.random.default_rng(0).permutation(np.tile(np.arange(len(train)), copies))
    first = round(share * len(rows))
    repeated = train.repeatable()
    return repeated.where(rows[first:]), repeated.where(rows[:first])
