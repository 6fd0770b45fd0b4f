"""Reasons: what each item of a history adds to a score."""

import dataclasses

import numpy as np
import pytest

from ncfjax.recommend.explain import contributions, largest
from ncfjax.recommend.fold_in import fold_in
from tests.recommend.models import ITEMS, NUM_ITEMS, USERS, saved

HISTORY, ALL = np.array([2, 5, 11, 17]), np.arange(NUM_ITEMS)
RATINGS = np.array([5.0, 1.0, 4.0, 3.0])


def test_those_of_a_ridge_fold_in_add_up_to_the_score():
    folded = fold_in(saved("ials"), HISTORY)
    parts = contributions(saved("ials"), folded.vector, HISTORY, ALL, is_folded=True)
    np.testing.assert_allclose(parts.sum(axis=0), folded.scores, atol=1e-5)


def test_those_of_a_rating_model_add_up_to_the_personal_part_of_the_rating():
    model = saved("alternating").model
    folded = fold_in(saved("alternating"), HISTORY, RATINGS)
    parts = contributions(saved("alternating"), folded.vector, HISTORY, ALL, RATINGS, is_folded=True)
    personal = folded.scores - float(model.bias) - np.asarray(model.item_bias)
    np.testing.assert_allclose(parts.sum(axis=0), personal, atol=1e-4)


@pytest.mark.parametrize("name", ["ease", "sparse slim", "user_knn"])
def test_those_of_votes_add_up_to_the_score(name):
    parts, scores = contributions(saved(name), None, HISTORY, ALL), fold_in(saved(name), HISTORY).scores
    np.testing.assert_allclose(parts.sum(axis=0), scores, atol=1e-5)
    assert parts.shape == (len(HISTORY), NUM_ITEMS) and np.any(parts > 0)


def test_an_item_that_no_score_depends_on_is_no_reason_nor_has_an_mlp_any():
    assert contributions(saved("mlp"), np.zeros(6), HISTORY, ALL) is None
    assert contributions(saved("popularity"), None, HISTORY, ALL) is None
    assert contributions(saved("ials"), np.zeros(6), np.array([], int), ALL) is None


@pytest.mark.parametrize("name", ["dot", "gmf"])
def test_those_of_a_logistic_loss_tell_by_how_much_a_score_falls_when_an_item_is_forgotten(name):
    history = ITEMS[USERS == 5]
    folded = fold_in(saved(name), history)
    parts = contributions(saved(name), folded.vector, history, ALL, is_folded=True)
    others = [fold_in(_with(name, history), np.delete(history, row)) for row in range(len(history))]
    falls = [folded.scores - other.scores for other in others]
    assert np.corrcoef(parts.ravel(), np.ravel(falls))[0, 1] > 0.9


def _with(name, history):
    """A model whose penalty and negatives stay those of the whole history when one of its items is forgotten."""
    scale = len(history) / (len(history) - 1)
    row = {"num_negatives": 8 * scale, "regularization": 0.005 * scale * 9 / (1 + 8 * scale)}
    return dataclasses.replace(saved(name), run=row)


def test_a_training_user_of_ials_is_explained_as_a_history_is():
    history = ITEMS[USERS == 9]
    vector = np.asarray(saved("ials").model.user[9])
    trained = contributions(saved("ials"), vector, history, ALL)
    folded = contributions(saved("ials"), fold_in(saved("ials"), history).vector, history, ALL, is_folded=True)
    np.testing.assert_allclose(trained, folded, atol=1e-6)


def test_the_largest_shares_come_first_and_what_lowers_a_score_is_not_shown():
    parts = np.array([[0.1, -3.0], [0.6, 0.0], [-0.3, -1.0]])
    assert largest(parts, 2) == [[(1, pytest.approx(0.6)), (0, pytest.approx(0.1))], []]
    assert largest(np.zeros((2, 1)), 2) == [[]]
