"""Users that a method was not fitted to: their scores are those of the fold-in of one user, and of the equations."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.baselines.ease import fit_ease
from ncfjax.baselines.folded import folded_in
from ncfjax.baselines.ials import fit_ials
from ncfjax.baselines.item_knn import fit_item_knn
from ncfjax.baselines.methods import METHODS
from ncfjax.baselines.popularity import fit_popularity
from ncfjax.data.interactions import Interactions
from ncfjax.data.summary import summarize
from ncfjax.recommend.fold_in import fold_in
from ncfjax.saved import SavedModel

IALS = {"regularization": 0.02, "unobserved_weight": 0.2, "nu": 0.7}
NUM_ITEMS = 30


def drawn(num_users: int, seed: int) -> Interactions:
    has = np.random.default_rng(seed).random((num_users, NUM_ITEMS)) < 0.25
    return Interactions(*np.nonzero(has), num_users, NUM_ITEMS)


TRAIN, NEW = drawn(50, 0), drawn(12, 1)
SCORERS = {
    "ials": lambda: fit_ials(
        TRAIN, **IALS, embedding_dim=8, block_size=4, stddev=0.1, num_epochs=2, seed=0
    ),
    "ease": lambda: fit_ease(TRAIN, 5.0),
    "item_knn": lambda: fit_item_knn(TRAIN, 5, 0.0),
    "popularity": lambda: fit_popularity(TRAIN),
}  # fmt: skip


@pytest.mark.parametrize("method", SCORERS)
def test_users_that_are_folded_in_together_score_as_one_that_is_folded_in_alone(method):
    scorer = SCORERS[method]()
    scores = np.asarray(folded_in(scorer, NEW, IALS).score_all(jnp.arange(NEW.num_users)))
    saved = SavedModel(Path(), "baseline", method, scorer, summarize("tiny", TRAIN), IALS)
    alone = [fold_in(saved, NEW.items[NEW.users == user]).scores for user in range(NEW.num_users)]
    np.testing.assert_allclose(scores, alone, rtol=2e-4, atol=2e-5)


def test_weights_that_are_sparse_fold_in_as_the_dense_ones(monkeypatch):
    users = np.arange(NEW.num_users)
    dense = np.asarray(folded_in(fit_item_knn(TRAIN, 5, 0.0), NEW, {}).score_all(jnp.asarray(users)))
    monkeypatch.setattr("ncfjax.baselines.co_occurrences.MOST_DENSE", 1)
    sparse = fit_item_knn(TRAIN, 5, 0.0)
    assert sparse.on_host
    np.testing.assert_allclose(folded_in(sparse, NEW, {}).score_all(users), dense, rtol=1e-5)


def test_every_method_that_says_so_folds_users_in():
    assert {name for name, method in METHODS.items() if method.folds_in} == {*SCORERS, "slim"}
