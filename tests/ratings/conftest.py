"""What the tests of ratings share: a small table of stars with a user and an item that have none."""

import numpy as np
import pytest

from ncfjax.data.ratings import STARS, Ratings


@pytest.fixture(scope="session")
def train() -> Ratings:
    """Histories of 0 to 12 items, of low rank and noise."""
    rng = np.random.default_rng(3)
    scores = 3.0 + rng.standard_normal((20, 2)) @ rng.standard_normal((2, 14)) + 0.3 * rng.standard_normal((20, 14))
    is_rated = rng.random((20, 14)) < np.linspace(0.1, 0.9, 20)[:, None]
    is_rated[0], is_rated[:, 0] = False, False
    users, items = np.nonzero(is_rated)
    return Ratings(users, items, STARS.rounded(scores[users, items]), 20, 14, STARS)


@pytest.fixture(scope="session")
def features() -> np.ndarray:
    """Two of each item."""
    return np.random.default_rng(4).standard_normal((14, 2)).astype(np.float32)


def ridge(vectors, targets, penalty):
    """One least-squares problem in double precision: entry k pays penalty[k]."""
    vectors = np.asarray(vectors, np.float64)
    return np.linalg.solve(vectors.T @ vectors + np.diag(penalty), vectors.T @ targets)


@pytest.fixture(scope="session")
def solve_one():
    return ridge
