"""What is measured of predictions: metrics, and what each user and each item adds to them."""

import numpy as np
from jaxtyping import Float

from experiments.tasks.rating.data import JobRatings
from ncfjax.data.ratings import Ratings
from ncfjax.evaluation.regression import errors_by_row, mae, rmse, star_accuracy


def to_predict(data: JobRatings) -> Ratings:
    """The test ratings, then the validation rows."""
    return data.test if data.validation is None else data.test.repeatable().followed_by(data.validation)


def metrics(predictions: Float[np.ndarray, " pairs"], data: JobRatings) -> dict[str, float]:
    """Of predictions of `to_predict`; those that are off the scale count as its ends."""
    test, validation = data.test, data.validation
    ours = predictions[: len(test)]
    values = _errors(ours, test) | {
        "mae": mae(test.scale.clip(ours), test.values),
        "star_accuracy": star_accuracy(ours, test.values, test.scale),
    }
    if validation is None:
        return values
    set_aside = _errors(predictions[len(test) :], validation)
    return values | {name.replace("rmse", "rmse_validation"): value for name, value in set_aside.items()}


def _errors(predictions: Float[np.ndarray, " n"], ratings: Ratings) -> dict[str, float]:
    scale = ratings.scale
    return {
        "rmse": rmse(scale.clip(predictions), ratings.values),
        "rmse_rounded": rmse(scale.rounded(predictions), ratings.values),
    }


def metrics_of_members(predictions: Float[np.ndarray, "members pairs"], data: JobRatings) -> dict[str, np.ndarray]:
    """Metric -> its value per member."""
    rows = [metrics(member, data) for member in predictions]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def arrays(predictions: Float[np.ndarray, " pairs"], data: JobRatings) -> dict[str, np.ndarray]:
    """Sums of squared errors by user and by item, the test ratings behind each, and the training ratings."""
    test, train, kept = data.test, data.train, {}
    clipped = test.scale.clip(predictions[: len(test)])
    for side, size in (("users", test.num_users), ("items", test.num_items)):
        errors = errors_by_row(getattr(test, side), clipped, test.values, size)
        kept[f"{side}_squared_error"] = errors.squared.astype(np.float32)
        kept[f"{side}_test"] = errors.counts.astype(np.int32)
        kept[f"{side}_train"] = np.bincount(getattr(train, side), minlength=size).astype(np.int32)
    return kept
