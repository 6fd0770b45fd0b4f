"""The report's table: every method against an independent solve, and what it says of the missing stars."""

import re
from pathlib import Path

import numpy as np
import pytest

from ncfjax.ratings.factorization import draw_model
from ncfjax.ratings.predictors import fit_global_mean
from ncfjax.ratings.worked_example import (
    FEATURES,
    METHODS,
    MOVIES,
    TABLE,
    THETA,
    TURNS,
    USERS,
    all_predictions,
    alternating,
    content_based,
    feature_learning,
    leave_one_out,
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


@pytest.mark.parametrize(("fit", "means"), [(alternating, np.zeros(5)), (mean_normalized, np.nanmean(TABLE, axis=1))])
def test_learning_both_by_turns_equals_the_turns_in_numpy(solve_one, fit, means):
    """In double precision, from the same start."""
    train, rest = worked_example(), TABLE - means[:, None]
    start = draw_model(train, **{name: TURNS[name] for name in ("embedding_dim", "biases", "stddev", "seed")})
    x, penalty = np.array(start.x, np.float64), np.full(2, 0.1)
    for _ in range(50):
        theta = np.stack([solve_one(x[RATED[:, j]], rest[RATED[:, j], j], penalty) for j in range(4)])
        x = np.stack([solve_one(theta[RATED[i]], rest[i, RATED[i]], penalty) for i in range(5)])
    np.testing.assert_allclose(all_predictions(fit(train, 0.1)), x @ theta.T + means[:, None], atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_missing_stars_are_on_the_right_side(solutions, method):
    stars = {(MOVIES[i].split()[0], USERS[j]): y for (i, j), y in np.ndenumerate(solutions[method].predictions)}
    assert stars["Romance", "Tarun"] > 3.5 and stars["Cute", "Manasa"] > 3.5
    assert stars["Romance", "Ashish"] < 2.5 and stars["Cute", "Harshi"] < 2.5
    assert stars["Swords", "Harshi"] > 3.0


@pytest.mark.parametrize("method", METHODS)
def test_the_penalty_is_the_best_of_those_that_were_tried(solutions, method):
    solution = solutions[method]
    assert solution.errors[solution.regularization] == min(solution.errors.values())


def test_a_user_without_ratings_gets_nothing_or_the_row_means():
    train = with_new_user(worked_example())
    new, movies = np.full(5, 4), np.arange(5)
    without, normalized = alternating(train, 0.3), mean_normalized(train, 0.3)
    assert not np.asarray(without.theta[4]).any() and not np.asarray(normalized.theta[4]).any()
    np.testing.assert_array_equal(without.predict(new, movies), np.zeros(5))
    np.testing.assert_array_equal(normalized.predict(new, movies), np.nanmean(TABLE, axis=1).astype(np.float32))


HEADINGS = {
    "Features given: content-based filtering": "content_based",
    "Users given: feature learning": "feature_learning",
    "Nothing given: collaborative filtering": "alternating",
    "A fifth user, and mean normalization": "mean_normalized",
}


def rows_under(heading: str, names: tuple[str, ...]) -> np.ndarray:
    """The numbers of a table of the page, in the order of `names`, which begin its rows."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    rows = [re.search(rf"^\| {re.escape(name)} \|(.*)\|$", section, re.MULTILINE)[1] for name in names]
    return np.array([[float(cell) for cell in row.split("|")] for row in rows])


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_pages_predictions_are_those_of_the_code(solutions, heading):
    solution, printed = solutions[HEADINGS[heading]], rows_under(heading, MOVIES)
    np.testing.assert_allclose(printed[:, :4], solution.predictions, atol=0.0051)
    if printed.shape[1] == 5:
        np.testing.assert_allclose(printed[:, 4], np.nanmean(TABLE, axis=1), atol=0.0051)
    assert f"lambda = {solution.regularization:g}" in PAGE.read_text().split(f"## {heading}")[1].split("\n## ")[0]


def test_the_pages_errors_are_those_of_the_code(solutions):
    printed = rows_under("How the penalty was chosen", tuple(METHODS))
    np.testing.assert_allclose(printed, [list(solutions[m].errors.values()) for m in METHODS], atol=0.0051)
    assert leave_one_out(lambda train, _: fit_global_mean(train), worked_example(), 0.0) == pytest.approx(
        2.01, abs=0.005
    )


def test_the_page_shows_the_table_and_the_vectors_that_it_works_out(solutions):
    text = PAGE.read_text()
    for movie, row in zip(MOVIES, TABLE, strict=True):
        cells = " | ".join("?" if np.isnan(y) else f"{y:.0f}" for y in row)
        assert f"| {movie} | {cells} |" in text
    manasa = [solutions["content_based"].model.user_bias[0], *solutions["content_based"].model.theta[0]]
    assert f"({', '.join(f'{entry:.2f}' for entry in manasa)})" in text
    love = solutions["feature_learning"].model.x[0]
    np.testing.assert_allclose(love, [50 / 50.3, 10 / 50.3], rtol=1e-5)
