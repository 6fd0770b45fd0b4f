"""The internship report's example: five movies, four users, what is known of them, and every method on them.

    ratings        Table 1.3.1: stars of movies (rows) by users (columns), NaN where one did not rate
    features       Table 2.2.1: x_1 (romance) and x_2 (action) of every movie; x_0 = 1
    theta          Table 2.4.1: theta_0, theta_1 and theta_2 of every user

    content_based        features given, theta learned
    feature_learning     theta given, features learned
    alternating          both learned by turns, two entries each, from a random start
    mean_normalized      the same of what the movies' means leave

(17CS01038, IIT Bhubaneswar, "Recommender systems using collaborative filtering: neural vs. dot product approach".) Each
method has the penalty under which it predicts best, of PENALTIES, a rating that is left out.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ncfjax.data.ratings import STARS, Ratings
from ncfjax.ratings.alternating import fit_alternating
from ncfjax.ratings.content_based import fit_content_based
from ncfjax.ratings.feature_learning import fit_feature_learning
from ncfjax.ratings.model import RatingModel
from ncfjax.ratings.normalization import fit_normalized
from ncfjax.ratings.predictors import fit_item_mean

USERS = ("Manasa", "Tarun", "Ashish", "Harshi")
MOVIES = ("Love at last", "Romance forever", "Cute puppies of love", "Nonstop car chases", "Swords vs. karate")
__ = np.nan
TABLE = np.array([[5, 5, 1, 1], [5, __, __, 1], [__, 4, 1, __], [1, 1, 5, 4], [1, 1, 5, __]])
FEATURES = np.array([[0.90, 0.00], [1.00, 0.01], [0.99, 0.00], [0.10, 1.00], [0.00, 0.90]])
THETA = np.array([[0.0, 5.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0], [0.0, 0.0, 5.0]])

NEW_USER = "a fifth user"
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
TURNS = {"embedding_dim": 2, "biases": False, "bias_regularization": 0.0, "nu": 0.0, "stddev": 1.0, "seed": 0}

Fit = Callable[[Ratings, float], RatingModel]  # of a penalty


def worked_example() -> Ratings:
    """Table 1.3.1, in the order of its rows."""
    items, users = np.nonzero(~np.isnan(TABLE))
    names = {"user_ids": np.array(USERS), "item_ids": np.array(MOVIES)}
    return Ratings(users, items, TABLE[items, users], len(USERS), len(MOVIES), STARS, **names)


def with_new_user(train: Ratings) -> Ratings:
    """The same ratings, and a user more who gave none."""
    names = {"user_ids": np.append(train.user_ids, NEW_USER), "item_ids": train.item_ids}
    return Ratings(train.users, train.items, train.values, train.num_users + 1, train.num_items, train.scale, **names)


def content_based(train: Ratings, regularization: float) -> RatingModel:
    return fit_content_based(train, FEATURES, regularization=regularization, nu=0.0)


def feature_learning(train: Ratings, regularization: float) -> RatingModel:
    return fit_feature_learning(train, THETA, regularization=regularization, nu=0.0)


def alternating(train: Ratings, regularization: float) -> RatingModel:
    return fit_alternating(train, **TURNS, regularization=regularization, num_iterations=50)


def mean_normalized(train: Ratings, regularization: float) -> RatingModel:
    """Alternating, of what the movies' means leave."""
    return fit_normalized(train, fit_item_mean(train), lambda rest: alternating(rest, regularization))


METHODS: dict[str, Fit] = {
    "content_based": content_based,
    "feature_learning": feature_learning,
    "alternating": alternating,
    "mean_normalized": mean_normalized,
}


def leave_one_out(fit: Fit, train: Ratings, regularization: float) -> float:
    """RMSE of every rating, clipped to the scale, by the model of all others."""
    squared = []
    for row in range(len(train)):
        is_left_out = np.arange(len(train)) == row
        left_out = train.where(is_left_out)
        predicted = fit(train.where(~is_left_out), regularization).predict(left_out.users, left_out.items)
        squared.append((train.scale.clip(predicted) - left_out.values) ** 2)
    return float(np.sqrt(np.mean(squared)))


class Solution(NamedTuple):
    """What a method makes of the table."""

    errors: dict[float, float]  # of leaving one out, under each penalty
    regularization: float  # the best of them
    model: RatingModel

    @property
    def predictions(self) -> Float[np.ndarray, "movies users"]:
        return all_predictions(self.model)


def all_predictions(model: RatingModel) -> Float[np.ndarray, "movies users"]:
    """Of every movie by every user, not clipped, as the table shows them."""
    items, users = np.indices((len(model.x), len(model.theta)))
    return model.predict(users.ravel(), items.ravel()).reshape(items.shape)


def solve(method: str, train: Ratings | None = None) -> Solution:
    """A method of METHODS under the penalty that leaving one out chooses; on the table, unless other data are given."""
    train = worked_example() if train is None else train
    fit = METHODS[method]
    errors = {penalty: leave_one_out(fit, train, penalty) for penalty in PENALTIES}
    regularization = min(errors, key=lambda penalty: errors[penalty])
    return Solution(errors, regularization, fit(train, regularization))
