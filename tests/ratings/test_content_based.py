import numpy as np
import optax
import pytest

from ncfjax.ratings.content_based import descend_content_based, fit_content_based


def test_every_user_is_a_ridge_regression_whose_intercept_pays_no_penalty(train, features, solve_one):
    model = fit_content_based(train, features, regularization=0.5, nu=0.0)
    with_one = np.column_stack([np.ones(14), features])
    for user in range(1, 20):
        items = train.items[train.users == user]
        theta = solve_one(with_one[items], train.values[train.users == user], [0.0, 0.5, 0.5])
        np.testing.assert_allclose([model.user_bias[user], *model.theta[user]], theta, atol=1e-4)
    assert not np.asarray(model.theta[0]).any() and model.user_bias[0] == 0.0, "no ratings, theta = 0"


def test_the_gradient_leads_to_the_closed_form(train, features):
    optimizer = optax.sgd(0.05, momentum=0.9, nesterov=True)
    options = {"regularization": 0.5, "nu": 0.0}
    model, losses = descend_content_based(train, features, **options, optimizer=optimizer, num_steps=2_000)
    exact = fit_content_based(train, features, **options)
    np.testing.assert_allclose(model.theta, exact.theta, atol=1e-4)
    np.testing.assert_allclose(model.user_bias, exact.user_bias, atol=1e-4)
    assert losses[-1] < 0.5 * losses[0]


def test_an_item_without_ratings_is_predicted_by_its_features(train, features):
    model = fit_content_based(train, features, regularization=0.5, nu=0.0)
    expected = model.user_bias + np.asarray(model.theta) @ features[0]
    np.testing.assert_allclose(model.predict(np.arange(20), np.zeros(20, int)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "regularization", "message"),
    [
        (13, 0.5, "features: expected finite rows of 14 items, got shape"),
        (14, 0.0, "regularization: expected a number > 0, got 0.0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(train, features, rows, regularization, message):
    with pytest.raises(ValueError, match=message):
        fit_content_based(train, features[:rows], regularization=regularization, nu=0.0)


def test_a_feature_that_is_no_number_is_refused(train, features):
    with pytest.raises(ValueError, match="features: expected finite rows"):
        fit_content_based(train, np.where(features > 1.0, np.nan, features), regularization=0.5, nu=0.0)
