"""Ratings drawn from a known taste, for runs that need no file.

    y(u, i) = 3.5 + b_u + b_i + <p_u, q_i> + noise, moved to the nearest of 1 ... 5

Biases and noise are drawn from N(0, 0.5^2), the product has variance 0.5^2 too. No model can expect an error below the
noise's: 0.5, and what rounding adds.
"""

import numpy as np

from ncfjax.data.ratings import STARS, Ratings
from ncfjax.data.synthetic import expect_products

STDDEV = 0.5


def make_synthetic_ratings(num_users: int, num_items: int, ratings_per_user: int, rank: int, seed: int) -> Ratings:
    """Every user rates as many items, drawn uniformly; times are random whole numbers.

    Raises:
        ValueError: more ratings of a user than items, or more pairs of both than fit in synthetic.MAX_BYTES.
    """
    expect_products("synthetic-ratings", {"num_users": num_users, "num_items": num_items, "rank": rank})
    if ratings_per_user > num_items:
        expected = f"at most {num_items}, the number of items"
        raise ValueError(f"ratings_per_user: expected {expected}, got {ratings_per_user}")
    rng = np.random.default_rng(seed)
    user_bias, item_bias = rng.normal(0, STDDEV, num_users), rng.normal(0, STDDEV, num_items)
    scale = np.sqrt(STDDEV / np.sqrt(rank))
    p, q = rng.normal(0, scale, (num_users, rank)), rng.normal(0, scale, (num_items, rank))
    users = np.repeat(np.arange(num_users), ratings_per_user)
    items = np.argsort(rng.random((num_users, num_items)), axis=1)[:, :ratings_per_user].ravel()
    noise = rng.normal(0, STDDEV, len(users))
    values = 3.5 + user_bias[users] + item_bias[items] + np.sum(p[users] * q[items], axis=1) + noise
    return Ratings(users, items, STARS.rounded(values), num_users, num_items, STARS, rng.permutation(len(users)))
