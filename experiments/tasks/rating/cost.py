"""What a run costs: nanoseconds on two CPU cores, a unit in which the jobs of a study add up; and bytes of memory."""

import jax
import numpy as np

from ncfjax.baselines.least_squares import side_bytes, solving_bytes
from ncfjax.data.ratings import Ratings
from ncfjax.ratings.exact import SHORTEST

PREDICTED_BYTES = 64  # of the host for each rating that is predicted: the pair, its prediction and what is measured
_MEANS_BYTES = 32  # for each training rating while means are taken, in double precision
_LAYOUT_BYTES = 36  # for each training rating while a side is laid out

STARTING = 5e8  # reading, compiling and predicting, whatever is fitted
PRODUCT = 90  # multiply-adds of a large matrix product in a unit
_RATING = 100  # of a mean over ratings
_DIM = 2.5  # of a step on one rating, per entry of a vector
_OVERHEAD_DIM = 40  # what a step costs beside its vectors, in entries
_SOLVED = 0.1  # a multiply-add of small systems


def of_means(train: Ratings) -> float:
    return STARTING + _RATING * len(train)


def of_solutions(train: Ratings, width: int, num_iterations: int) -> float:
    """Of systems of `width` entries for every user and item, so many times."""
    rows = train.num_users + train.num_items
    return of_means(train) + _SOLVED * num_iterations * (2 * len(train) * width**2 + rows * width**3 / 3)


def of_an_epoch(train: Ratings, embedding_dim: int, multiplications_per_pair: int) -> float:
    """Of steps on every rating."""
    return len(train) * (_DIM * (embedding_dim + _OVERHEAD_DIM) + _SOLVED * 3 * multiplications_per_pair)


def solution_bytes(train: Ratings, width: int, num_fits: int) -> int:
    """Of fits side by side, each with both sides of the ratings, and tables on the host and on every device."""
    if not width:
        return _MEANS_BYTES * len(train)
    sides = [np.bincount(train.users, minlength=train.num_users), np.bincount(train.items, minlength=train.num_items)]
    held = sum(side_bytes(counts, width, SHORTEST, per_pair=8) for counts in sides)
    tables = 4 * width * (train.num_users + train.num_items)
    each = held + (2 + 2 * jax.device_count()) * tables
    solving = max(solving_bytes(counts, width, SHORTEST) for counts in sides)
    return _LAYOUT_BYTES * len(train) + solving + num_fits * each
