"""What any model of ratings has to beat: means, and biases that know who rates high and what is rated high.

    global mean    y = b                   b: mean of all ratings
    user mean      y = mean of the user's ratings
    item mean      y = mean of the item's ratings
    biases         y = b + b_u + b_i
                   b_i = sum over the item's ratings of (y - b - b_u) / (item_damping + their number)
                   b_u = sum over the user's ratings of (y - b - b_i) / (user_damping + their number)

in turn, items first, from b_u = 0 (Koren, ACM TKDD 4(1), 2010, doi:10.1145/1644873.1644874, section 2.1). Damping
counts so many ratings at the mean beside the real ones. A user or an item without ratings has the global mean as its
mean, and zero as its bias. Sums are in double precision: 100 million ratings do not fit into the digits of a float32.
"""

import numpy as np
from jaxtyping import Float, Int

from ncfjax.data.ratings import Ratings
from ncfjax.ratings.model import RatingModel, biases_alone


def fit_global_mean(train: Ratings) -> RatingModel:
    return biases_alone(_mean(train), np.zeros(train.num_users), np.zeros(train.num_items))


def fit_user_mean(train: Ratings) -> RatingModel:
    mean = _mean(train)
    means = mean + _damped_means(train.users, train.values - mean, train.num_users, 0.0)
    return biases_alone(0.0, means, np.zeros(train.num_items))


def fit_item_mean(train: Ratings) -> RatingModel:
    mean = _mean(train)
    means = mean + _damped_means(train.items, train.values - mean, train.num_items, 0.0)
    return biases_alone(0.0, np.zeros(train.num_users), means)


def fit_biases(train: Ratings, *, user_damping: float, item_damping: float, num_iterations: int = 10) -> RatingModel:
    """Damped biases; after 10 iterations the error no longer moves in its fourth digit."""
    mean = _mean(train)
    residuals, user_bias = train.values - mean, np.zeros(train.num_users)
    for _ in range(num_iterations):
        item_bias = _damped_means(train.items, residuals - user_bias[train.users], train.num_items, item_damping)
        user_bias = _damped_means(train.users, residuals - item_bias[train.items], train.num_users, user_damping)
    return biases_alone(mean, user_bias, item_bias)


def _mean(train: Ratings) -> np.float64:
    """Raises ValueError where there is no rating to learn from."""
    if not len(train):
        raise ValueError("train: expected at least one rating, got none")
    return train.values.mean(dtype=np.float64)


def _damped_means(
    rows: Int[np.ndarray, " n"], values: Float[np.ndarray, " n"], num_rows: int, damping: float
) -> Float[np.ndarray, " rows"]:
    """The sum of each row's values over damping + their number; zero where a row has none."""
    counts = np.bincount(rows, minlength=num_rows)
    return np.bincount(rows, values, num_rows) / np.where(counts > 0, damping + counts, 1.0)
