"""The report's table: every method against an independent solve, and what it says of the missing stars."""

import re
from pathlib import Path

import numpy as np
import pytest

from ncfjax.ratings.worked_example import (
    FEATURES,
    METHODS,
    MOVIES,
    TABLE,
    THETA,
    USERS,
    alternating,
    content_based,
    feature_learning,
    mean_normalized,
    solve,
    with_new_user,
    worked_example,
)

PAGE = Path(__file__).parents[2] / "docs" / "ratings.md"
RATED = ~np.isnan(TABLE)


@pytest.fixture(scope="module")
def solutions():
    return {method: solve(method) for method in METHODS}


def test_the_ratings_are_the_table():
    train = worked_example()
    assert len(train) == 15 and (train.user_id(3), train.item_id(0)) == ("Harshi", "Love at last")
    np.testing.assert_array_equal(train.values, TABLE[train.items, train.users])


@pytest.mark.parametrize("regularization", [0.01, 1.0])
def test_content_based_equals_a_solve_for_each_user(solve_one, regularization):
    model, x = content_based(worked_example(), regularization), np.column_stack([np.ones(5), FEATURES])
    for j in range(4):
        rated = RATED[:, j]
        theta = solve_one(x[rated], TABLE[rated, j], np.array([0.0, regularization, regularization]))
        np.testing.assert_allclose(model.predict(np.full(5, j), np.arange(5)), x @ theta, atol=1e-4)


@pytest.mark.parametrize("regularization", [0.01, 1.0])
def test_feature_learning_equals_a_solve_for_each_movie(solve_one, regularization):
    model = feature_learning(worked_example(), regularization)
    for i in range(5):
        rated = RATED[i]
        x = solve_one(THETA[rated, 1:], TABLE[i, rated] - THETA[rated, 0], np.full(2, regularization))
        np.testing.assert_allclose(
            model.predict(np.arange(4), np.full(4, i)), THETA[:, 0] + THETA[:, 1:] @ x, atol=1e-4
        )


@pytest.mark.parametrize(("fit", "means"), [(alternating, 0.0), (mean_normalized, np.nanmean(TABLE, axis=1))])
def test_learning_both_ends_where_neither_side_can_be_bettered_alone(solve_one, fit, means):
    """Each side is the NumPy solve given the other, in double precision."""
    model, rest = fit(worked_example(), 0.3), (TABLE.T - means).T
    theta, x = np.asarray(model.theta), np.asarray(model.x)
    for j in range(4):
        rated = RATED[:, j]
        np.testing.assert_allclose(theta[j], solve_one(x[rated], rest[rated, j], np.full(2, 0.3)), atol=1e-3)
    for i in range(5):
        rated = RATED[i]
        np.testing.assert_allclose(x[i], solve_one(theta[rated], rest[i, rated], np.full(2, 0.3)), atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_missing_stars_are_on_the_right_side(solutions, method):
    stars = {(MOVIES[i].split()[0], USERS[j]): y for (i, j), y in np.ndenumerate(solutions[method].predictions)}
    assert stars["Romance", "Tarun"] > 3.5 and stars["Cute", "Manasa"] > 3.5
    assert stars["Romance", "Ashish"] < 2.5 and stars["Cute", "Harshi"] < 2.5
    assert stars["Swords", "Harshi"] > 3.0


@pytest.mark.parametrize("method", METHODS)
def test_the_penalty_is_the_best_of_those_that_were_tried_and_none_at_an_end(solutions, method):
    solution = solutions[method]
    assert solution.errors[solution.regularization] == min(solution.errors.values())


def test_a_user_without_ratings_gets_nothing_or_the_row_means():
    train = with_new_user(worked_example())
    new, movies = np.full(5, 4), np.arange(5)
    without, normalized = alternating(train, 0.3), mean_normalized(train, 0.3)
    assert not np.asarray(without.theta[4]).any() and not np.asarray(normalized.theta[4]).any()
    np.testing.assert_array_equal(without.predict(new, movies), np.zeros(5))
    np.testing.assert_array_equal(normalized.predict(new, movies), np.nanmean(TABLE, axis=1).astype(np.float32))


def page_tables() -> dict[str, np.ndarray]:
    """The numbers of every table of the page under its heading, a row for each movie."""
    tables = {}
    for heading, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        rows = [
            line.strip("| ").split("|")[1:]
            for line in body.splitlines()
            if line.startswith(tuple(f"| {m}" for m in MOVIES))
        ]
        tables[heading] = np.array([[float(cell) for cell in row] for row in rows if "?" not in "".join(row)])
    return tables
