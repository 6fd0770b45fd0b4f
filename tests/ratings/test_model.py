import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.ratings import model as module
from ncfjax.ratings.model import RatingModel, added, biases_alone


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    shapes = ((), (4,), (6,), (4, 3), (6, 3))
    return RatingModel(*(np.float32(rng.standard_normal(shape)) for shape in shapes))


def test_a_prediction_is_the_formula(model):
    users, items = np.array([0, 3, 2]), np.array([5, 0, 2])
    expected = [
        model.bias + model.user_bias[j] + model.item_bias[i] + sum(model.theta[j][k] * model.x[i][k] for k in range(3))
        for j, i in zip(users, items, strict=True)
    ]
    np.testing.assert_allclose(model.predict(users, items), expected, rtol=1e-5)
    assert model.predict(users, items).dtype == np.float32


@pytest.mark.parametrize("pairs_at_once", [1, 7, 24, 100])
def test_pairs_are_predicted_alike_however_many_at_a_time(model, monkeypatch, pairs_at_once):
    items, users = (ids.ravel() for ids in np.indices((6, 4)))
    whole = model.bias + model.user_bias[None] + model.item_bias[:, None] + model.x @ model.theta.T
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", pairs_at_once)
    module.predictions.clear_cache()
    np.testing.assert_allclose(model.predict(users, items), whole.ravel(), rtol=1e-5, atol=1e-6)


def test_no_pair_has_no_prediction(model):
    none = np.zeros(0, np.int32)
    assert model.predict(none, none).shape == (0,)


def test_the_recommender_scores_as_the_model_predicts(model):
    recommender = model.recommender()
    items, users = (ids.ravel() for ids in np.indices((6, 4)))
    scores = recommender.score(jnp.asarray(users), jnp.asarray(items))
    np.testing.assert_allclose(scores, model.predict(users, items), rtol=1e-5, atol=1e-6)


def test_a_model_without_factors_is_a_recommender_too():
    means = biases_alone(1.0, np.arange(4.0), np.arange(6.0))
    items, users = (ids.ravel() for ids in np.indices((6, 4)))
    np.testing.assert_array_equal(means.score_all(jnp.arange(4))[users, items], means.predict(users, items))


def test_predictions_of_a_sum_are_the_sum_of_predictions(model):
    other = biases_alone(1.0, np.arange(4.0), np.arange(6.0))
    items, users = (ids.ravel() for ids in np.indices((6, 4)))
    expected = model.predict(users, items) + 1.0 + users + items
    np.testing.assert_allclose(added(other, model).predict(users, items), expected, rtol=1e-5)
