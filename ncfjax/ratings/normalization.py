"""Ratings less what a simple predictor says of them, and that added to the predictions again.

    mean normalization    y(i, j) - mu_i before,  theta_j' x_i + mu_i after        mu_i: mean of the item's ratings

A user without ratings is at theta_j = 0, and so is predicted every item's mean: `fit_item_mean` as the base. The global
mean, or damped biases, serve as well.
"""

from collections.abc import Callable

from ncfjax.data.ratings import Ratings, Scale
from ncfjax.ratings.model import RatingModel, added


def fit_normalized(train: Ratings, base: RatingModel, fit: Callable[[Ratings], RatingModel]) -> RatingModel:
    """`fit` of what `base` leaves of the ratings, and `base` added to it."""
    return added(base, fit(residuals(train, base)))


def residuals(train: Ratings, base: RatingModel) -> Ratings:
    """y(i, j) less the base's prediction, on a scale of any numbers between its ends."""
    values = train.values - base.predict(train.users, train.items)
    return train.with_values(values, Scale(float(values.min()), float(values.max()), step=0.0))
