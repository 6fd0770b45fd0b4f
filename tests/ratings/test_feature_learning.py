import numpy as np
import pytest

from ncfjax.ratings.feature_learning import fit_feature_learning

THETA = np.random.default_rng(5).standard_normal((20, 3))


def test_every_item_is_a_ridge_regression_of_what_the_intercepts_leave(train, solve_one):
    model = fit_feature_learning(train, THETA, regularization=0.5, nu=0.0)
    for item in range(1, 14):
        users, values = train.users[train.items == item], train.values[train.items == item]
        x = solve_one(THETA[users, 1:], values - THETA[users, 0], [0.5, 0.5])
        np.testing.assert_allclose(model.x[item], x, atol=1e-4)
    assert not np.asarray(model.x[0]).any(), "no ratings, no features"


def test_the_given_vectors_stay(train):
    model = fit_feature_learning(train, THETA, regularization=0.5, nu=0.0)
    np.testing.assert_allclose(np.column_stack([model.user_bias, model.theta]), THETA, rtol=1e-6)
    assert not np.asarray(model.item_bias).any() and model.bias == 0.0


@pytest.mark.parametrize(
    ("theta", "regularization", "message"),
    [
        (THETA[1:], 0.5, "theta: expected finite rows of 20 users, got shape"),
        (THETA * np.inf, 0.5, "theta: expected finite rows"),
        (THETA, 0.0, "regularization: expected a number > 0, got 0.0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(train, theta, regularization, message):
    with pytest.raises(ValueError, match=message):
        fit_feature_learning(train, theta, regularization=regularization, nu=0.0)
