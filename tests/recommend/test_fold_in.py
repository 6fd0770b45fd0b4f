"""Folding in a history: the minimum of what training minimised."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.recommend.fold_in import fold_in, problem_of, scores_of, vectors_of
from tests.recommend.models import IALS, ITEMS, NUM_ITEMS, NUM_USERS, ROWS, USERS, VALUES, saved

HISTORY = np.array([2, 5, 11, 17])
RATINGS = np.array([5.0, 1.0, 4.0, 3.0])


def top(scores, seen, k=5) -> set[int]:
    scores = np.array(scores, np.float64)
    scores[seen] = -np.inf
    return set(np.argsort(-scores)[:k].tolist())


def loss(problem, scores, vector) -> float:
    """The formulas of fold_in.py in NumPy."""
    scores = np.asarray(scores, np.float64)
    if problem.loss == "logistic":
        terms = problem.has * np.logaddexp(0, -scores) + problem.everywhere * np.logaddexp(0, scores)
    else:
        terms = (problem.has * (scores - problem.target) ** 2 + problem.everywhere * scores**2) / 2
    return terms.sum() + np.sum(problem.penalty * vector**2) / 2


def test_that_of_ials_is_one_system_of_its_paper():
    q = np.asarray(saved("ials").model.item[...], np.float64)
    weight, num_seen = IALS["unobserved_weight"], len(HISTORY)
    penalty = IALS["regularization"] * (num_seen + weight * NUM_ITEMS)
    matrix = q[HISTORY].T @ q[HISTORY] + weight * q.T @ q + penalty * np.eye(q.shape[1])
    expected = np.linalg.solve(matrix, q[HISTORY].sum(axis=0))
    folded = fold_in(saved("ials"), HISTORY)
    np.testing.assert_allclose(folded.vector, expected, atol=1e-5)
    np.testing.assert_allclose(folded.scores, q @ expected, atol=1e-5)
    assert "ridge" in folded.how


def test_that_of_a_rating_model_is_one_system_of_factors_and_bias():
    model, row = saved("alternating").model, ROWS["alternating"]
    share, x = len(HISTORY) ** row["nu"], np.asarray(model.x, np.float64)[HISTORY]
    rows = np.concatenate([x, np.ones((len(HISTORY), 1))], axis=1)
    penalty = share * np.array([row["regularization"]] * x.shape[1] + [row["bias_regularization"]])
    residual = RATINGS - float(model.bias) - np.asarray(model.item_bias)[HISTORY]
    expected = np.linalg.solve(rows.T @ rows + np.diag(penalty), rows.T @ residual)
    np.testing.assert_allclose(fold_in(saved("alternating"), HISTORY, RATINGS).vector, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["ials", "alternating"])
def test_a_training_users_own_history_leads_back_to_the_trained_ranking(name):
    model = saved(name)
    for user in range(1, NUM_USERS):
        rows = USERS == user
        if rows.any():
            folded = fold_in(model, ITEMS[rows], VALUES[rows])
            np.testing.assert_allclose(folded.scores, model.score_all([user])[0], atol=0.02)
            assert len(top(folded.scores, ITEMS[rows]) & top(model.score_all([user])[0], ITEMS[rows])) >= 4


def test_a_bias_alone_is_the_damped_mean_of_what_is_left():
    model = saved("biases").model
    residual = RATINGS - float(model.bias) - np.asarray(model.item_bias)[HISTORY]
    expected = residual.sum() / (ROWS["biases"]["user_damping"] + len(HISTORY))
    folded = fold_in(saved("biases"), HISTORY, RATINGS)
    np.testing.assert_allclose(folded.scores, float(model.bias) + np.asarray(model.item_bias) + expected, atol=1e-4)


def test_item_means_are_those_of_everybody_and_a_user_mean_is_that_of_the_history():
    np.testing.assert_allclose(fold_in(saved("user_mean"), HISTORY, RATINGS).scores, RATINGS.mean(), atol=1e-4)
    folded = fold_in(saved("item_mean"), HISTORY, RATINGS)
    np.testing.assert_allclose(folded.scores, saved("item_mean").score_all([3])[0], atol=1e-4)


@pytest.mark.parametrize("name", ["dot", "mlp", "gradient mlp"])
def test_a_gradient_solve_ends_where_no_step_helps(name):
    model = saved(name)
    folded = fold_in(model, HISTORY, RATINGS if model.kind == "rating" else None)
    problem, recommender = problem_of(model, HISTORY, RATINGS), vectors_of(model)
    least = loss(problem, scores_of(recommender, folded.vector), folded.vector)
    for step in np.random.default_rng(0).normal(size=(20, len(folded.vector))) * 0.05:
        vector = folded.vector + step
        assert loss(problem, scores_of(recommender, vector), vector) > least - 1e-3
    start = np.asarray(jnp.mean(recommender.user[...], axis=0))
    assert least < loss(problem, scores_of(recommender, start), start)
    assert "gradient" in folded.how


def test_what_a_model_was_trained_with_is_what_a_fold_in_minimises():
    row = {"regularization": 0.1, "num_negatives": 4, "negative_weight": 0.5}
    model = dataclasses.replace(saved("dot"), run=row)
    problem = problem_of(model, HISTORY)
    np.testing.assert_allclose(problem.everywhere, 4 * 0.5 * len(HISTORY) / NUM_ITEMS)
    np.testing.assert_allclose(problem.penalty, 0.1 * (1 + 4 * 0.5) * len(HISTORY))
    rejecting = problem_of(dataclasses.replace(model, run=row | {"reject_positives": "true"}), HISTORY)
    assert not rejecting.everywhere[HISTORY].any()
    np.testing.assert_allclose(rejecting.everywhere.sum(), 4 * 0.5 * len(HISTORY))


@pytest.mark.parametrize("name", ["ease", "sparse slim", "user_knn"])
def test_votes_need_no_solving_and_a_training_user_s_history_gives_his_scores(name):
    model = saved(name)
    for user in (3, 7):
        folded, trained = fold_in(model, ITEMS[USERS == user]), model.score_all([user])[0]
        others = np.setdiff1d(np.arange(NUM_ITEMS), ITEMS[USERS == user]) if name == "user_knn" else slice(None)
        np.testing.assert_allclose(folded.scores[others], trained[others], atol=1e-5)
        assert folded.vector is None and np.ptp(folded.scores) > 0


def test_popularity_needs_no_history():
    np.testing.assert_array_equal(fold_in(saved("popularity"), HISTORY).scores, np.bincount(ITEMS, minlength=NUM_ITEMS))


def test_without_ratings_a_history_is_of_what_was_liked():
    model = saved("alternating")
    liked = fold_in(model, HISTORY, np.full(4, 5.0))
    np.testing.assert_array_equal(fold_in(model, HISTORY).scores, liked.scores)
