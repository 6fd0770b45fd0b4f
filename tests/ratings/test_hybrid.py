import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.ratings import Ratings, Scale
from ncfjax.evaluation.regression import rmse
from ncfjax.ratings.alternating import fit_alternating
from ncfjax.ratings.factorization import draw_model
from ncfjax.ratings.hybrid import fit_hybrid, from_features, hybrid_iterations
from ncfjax.ratings.objective import Penalty
from ncfjax.ratings.predictors import fit_biases

OPTIONS = {
    "embedding_dim": 3, "regularization": 0.5, "bias_regularization": 0.2, "feature_regularization": 1.0, "nu": 1.0,
    "stddev": 1.0, "num_iterations": 5, "seed": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def with_one(features):
    return np.column_stack([np.ones(14), features]).astype(np.float32)


def test_the_part_from_features_is_a_weighted_ridge_regression(train, with_one):
    model = draw_model(train, embedding_dim=3, biases=True, stddev=1.0, seed=0)
    model = model._replace(item_bias=jnp.linspace(-1, 1, 14))
    counts = np.bincount(train.items, minlength=14)
    got = from_features(model, with_one, jnp.asarray(counts), Penalty(0.5, 0.2, 1.0), 2.0)
    for k, (column, strength) in enumerate([(model.x[:, 0], 0.5), (model.x[:, 1], 0.5), (model.item_bias, 0.2)]):
        weight = np.sqrt(strength * counts)[:, None]
        rows = np.vstack([weight * with_one, np.sqrt(2.0) * np.eye(3)])  # kappa |w|^2 as three rows more
        targets = np.append(weight[:, 0] * np.asarray(column), np.zeros(3))
        w = np.linalg.lstsq(rows, targets, rcond=None)[0]
        np.testing.assert_allclose(got[:, k], with_one @ w, rtol=1e-4, atol=1e-5)


def test_an_item_that_nobody_rated_is_predicted_by_its_features():
    """Tastes and items follow from two features; ten of forty items have no rating in training."""
    rng = np.random.default_rng(6)
    features, theta = rng.standard_normal((40, 2)), rng.standard_normal((60, 2))
    scores = 3.0 + theta @ features.T
    users, items = np.nonzero(rng.random((60, 40)) < 0.5)
    data = Ratings(users, items, scores[users, items], 60, 40, Scale(-20.0, 20.0, step=0.0))
    train, cold = data.where(data.items >= 10), data.where(data.items < 10)
    model = fit_hybrid(train, features.astype(np.float32), **OPTIONS | {"regularization": 0.01, "num_iterations": 20})
    biases = fit_biases(train, user_damping=5.0, item_damping=5.0)
    error, error_of_biases = (rmse(m.predict(cold.users, cold.items), cold.values) for m in (model, biases))
    assert error < 0.3 * error_of_biases


def test_features_of_no_use_leave_the_factorization(train, features):
    """kappa so large that W = 0."""
    plain = {name: value for name, value in OPTIONS.items() if name != "feature_regularization"}
    model = fit_hybrid(train, features, **OPTIONS | {"feature_regularization": 1e9})
    expected = fit_alternating(train, **plain, biases=True)
    np.testing.assert_allclose(model.theta, expected.theta, atol=1e-4)
    np.testing.assert_allclose(model.item_bias, expected.item_bias, atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_iterations": 0}, "num_iterations: expected at least 1, got 0"),
        ({"feature_regularization": 0.0}, "feature_regularization: expected a number > 0, got 0"),
        ({"regularization": -1.0}, "regularization: expected a number > 0, got -1"),
    ],
)
def test_what_cannot_be_fitted_is_refused_at_the_call(train, features, changed, message):
    with pytest.raises(ValueError, match=message):
        hybrid_iterations(train, features, **OPTIONS | changed)


def test_features_of_other_items_are_refused_at_the_call(train, features):
    with pytest.raises(ValueError, match="features: expected finite rows of 14 items, got shape"):
        hybrid_iterations(train, features[1:], **OPTIONS)
