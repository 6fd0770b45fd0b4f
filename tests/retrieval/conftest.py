"""Small models of every kind, whose scores can all be held."""

import jax
import numpy as np
import pytest

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import make_similarity

DIM = {"dot": 6, "gmf": 6, "mlp": 6, "neumf": 6}


def make_model(name: str, num_users: int = 13, num_items: int = 200, seed: int = 0, **options) -> Recommender:
    keys = jax.random.split(jax.random.key(seed), 2)
    similarity = make_similarity(name, DIM[name], key=keys[0], **options)
    if hasattr(similarity, "tower"):
        for bias in similarity.tower.biases:  # where no unit of the last layer is on, scores are equal
            bias[...] += 1.0
    return Recommender(num_users, num_items, DIM[name], similarity, stddev=1.0, key=keys[1])


@pytest.fixture(params=list(DIM))
def model(request) -> Recommender:
    return make_model(request.param)


def sorted_items(scores, k: int, is_denied=None):
    """The oracle: a stable sort, best first, -1 where no item is left."""
    scores = np.where(np.isnan(scores), -np.inf, np.asarray(scores))
    rows = []
    for row, out in zip(scores, np.zeros(scores.shape, bool) if is_denied is None else is_denied, strict=True):
        order = [item for item in np.argsort(-row, kind="stable") if not out[item]]
        rows.append((order + [-1] * k)[:k])
    return np.asarray(rows)
