"""Several scores as one, and preferences."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.recommend.blend import blended, preferred, shares_below

ALL = np.ones(4, bool)


def test_the_best_has_one_the_worst_none_and_equal_ones_share():
    np.testing.assert_allclose(shares_below(np.array([5.0, 1.0, 3.0, 3.0, np.nan])), [1, 0.25, 0.625, 0.625, 0])
    np.testing.assert_allclose(shares_below(np.array([7.0])), [1])


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=12))
def test_a_monotone_change_of_a_models_scores_changes_no_blend(values):
    scores = np.array(values, np.float64)
    np.testing.assert_allclose(shares_below(scores), shares_below(np.exp(scores) * 3 + 1))


def test_a_blend_weighs_ranks_and_not_units():
    stars, logits = np.array([5.0, 4.0, 1.0, 2.0]), np.array([-900.0, -1.0, 50.0, 2.0])
    np.testing.assert_allclose(blended([stars, logits], [1, 1], ALL), [0.5, 0.5, 0.5, 0.5])
    assert blended([stars, logits], [3, 1], ALL).argmax() == 0
    np.testing.assert_allclose(blended([stars, logits], [1, 0], ALL), shares_below(stars))


def test_ranks_are_those_among_the_candidates():
    is_candidate = np.array([True, False, True, False])
    scores = blended([np.array([1.0, 9.0, 2.0, 9.0]), np.array([1.0, 9.0, 2.0, 9.0])], [1, 1], is_candidate)
    np.testing.assert_array_equal(scores, [0, np.nan, 1, np.nan])


def test_one_model_alone_keeps_its_scores():
    np.testing.assert_array_equal(blended([np.array([3.0, 1.0, 2.0, 0.0])], [5], ALL), [3, 1, 2, 0])


def test_a_preference_is_in_standard_deviations_of_the_candidates():
    scores, is_candidate = np.array([1.0, 3.0, 99.0, np.nan]), np.array([True, True, False, True])
    labels = {"Comedy": np.array([True, False, True, True]), "1990s": np.array([True, True, False, False])}
    total = preferred(scores, is_candidate, {"Comedy": 3.0, "1990s": -1.0}, labels)
    np.testing.assert_allclose(total, [1 + 3 - 1, 3 - 1, 99 + 3, np.nan])


def test_where_all_score_alike_preferences_decide():
    total = preferred(np.ones(2), np.ones(2, bool), {"Comedy": 0.5}, {"Comedy": np.array([False, True])})
    np.testing.assert_allclose(total, [1, 1.5])
