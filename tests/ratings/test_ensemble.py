import numpy as np
import pytest

from ncfjax.ratings.alternating import alternating_iterations, fit_alternating
from ncfjax.ratings.ensemble import mean_iterations, mean_model
from ncfjax.ratings.worked_example import worked_example

OPTIONS = {
    "embedding_dim": 3,
    "biases": True,
    "regularization": 0.3,
    "bias_regularization": 0.1,
    "nu": 0.0,
    "stddev": 1.0,
}


def predictions(model, ratings):
    return model.predict(ratings.users, ratings.items)


@pytest.mark.slow
def test_the_mean_of_factorizations_predicts_the_mean_of_their_predictions():
    ratings = worked_example()
    models = [fit_alternating(ratings, **OPTIONS, num_iterations=2, seed=seed) for seed in range(3)]
    expected = np.mean([predictions(model, ratings) for model in models], axis=0)
    np.testing.assert_allclose(predictions(mean_model(models), ratings), expected, rtol=1e-5)
    np.testing.assert_array_equal(predictions(mean_model(models[:1]), ratings), predictions(models[0], ratings))
    fits = [alternating_iterations(ratings, **OPTIONS, num_iterations=2, seed=seed) for seed in range(3)]
    *_, last = mean_iterations(fits)
    np.testing.assert_allclose(predictions(last, ratings), expected, rtol=1e-5)
