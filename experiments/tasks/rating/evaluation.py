"""What is measured of predictions: metrics, and what each user and each item adds to them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.tasks.rating.data import JobRatings
from ncfjax.data.ratings import Ratings
from ncfjax.evaluation.regression import mae, rmse, star_accuracy


class Predictions(NamedTuple):
    """Of the test ratings, and of the validation rows where there are some; not clipped."""

    test: Float[np.ndarray, "*members test"]
    validation: Float[np.ndarray, "*members validation"]


def to_predict(data: JobRatings) -> Ratings:
    """The test ratings, then the validation rows."""
    return data.test if data.validation is None else data.test.repeatable().followed_by(data.validation)


def split_predictions(predictions: Float[np.ndarray, "*members pairs"], data: JobRatings) -> Predictions:
    """Of pairs in the order of `to_predict`."""
    return Predictions(predictions[..., : len(data.test)], predictions[..., len(data.test) :])


def metrics(predictions: Float[np.ndarray, "*members pairs"], data: JobRatings) -> dict[str, np.ndarray]:
    """Metric -> its value per member. Predictions are moved to the ends of the scale where they are off it."""
    test, validation = split_predictions(predictions, data)
    values = _errors(test, data.test) | {"star_accuracy": star_accuracy(test, data.test.values, data.test.scale)}
    values |= {"mae": mae(data.test.scale.clip(test), data.test.values)}
    if data.validation is None:
        return values
    return values | {name.replace("rmse", "rmse_validation"): x for name, x in _errors(validation, data.validation).items()}


def _errors(predictions: Float[np.ndarray, "*members pairs"], ratings: Ratings) -> dict[str, np.ndarray]:
    scale = ratings.scale
    return {
        "rmse": rmse(scale.clip(predictions), ratings.values),
        "rmse_rounded": rmse(scale.rounded(predictions), ratings.values),
    }


def arrays(predictions: Float[np.ndarray, " pairs"], data: JobRatings) -> dict[str, np.ndarray]:
    """Sums of squared errors by user and by item, the test ratings behind each, and the training ratings."""
    test, train = data.test, data.train
    squared = (test.scale.clip(predictions[: len(test)]) - test.values) ** 2
    kept = {}
    for side, size in (("users", test.num_users), ("items", test.num_items)):
        ids = getattr(test, side)
        kept[f"{side}_squared_error"] = np.bincount(ids, squared, size).astype(np.float32)
        kept[f"{side}_test"] = np.bincount(ids, minlength=size).astype(np.int32)
        kept[f"{side}_train"] = np.bincount(getattr(train, side), minlength=size).astype(np.int32)
    return kept
