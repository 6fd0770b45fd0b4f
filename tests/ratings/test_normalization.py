import numpy as np
import pytest

from ncfjax.ratings.alternating import fit_alternating
from ncfjax.ratings.normalization import fit_normalized, residuals
from ncfjax.ratings.predictors import fit_biases, fit_item_mean

OPTIONS = {
    "embedding_dim": 2, "biases": False, "regularization": 0.5, "bias_regularization": 0.0, "nu": 0.0, "stddev": 1.0,
    "num_iterations": 3, "seed": 0,
}  # fmt: skip


def fit(train):
    return fit_alternating(train, **OPTIONS)


def test_residuals_of_a_mean_sum_to_zero_for_every_item(train):
    rest = residuals(train, fit_item_mean(train))
    np.testing.assert_allclose(np.bincount(rest.items, rest.values), np.zeros(14), atol=1e-5)
    np.testing.assert_array_equal(rest.keys, train.keys)


def test_a_user_without_ratings_gets_every_items_mean_exactly(train):
    means = [train.values[train.items == i].mean() if i else train.values.mean() for i in range(14)]
    model = fit_normalized(train, fit_item_mean(train), fit)
    assert not np.asarray(model.theta[0]).any()
    np.testing.assert_array_equal(model.predict(np.zeros(14, int), np.arange(14)), fit_item_mean(train).item_bias)
    np.testing.assert_allclose(model.predict(np.zeros(14, int), np.arange(14)), means, rtol=1e-6)


def test_without_normalization_such_a_user_gets_zero(train):
    assert not fit(train).predict(np.zeros(14, int), np.arange(14)).any()


@pytest.mark.parametrize("base", [fit_item_mean, lambda train: fit_biases(train, user_damping=5.0, item_damping=2.0)])
def test_a_prediction_is_the_bases_and_that_of_what_it_leaves(train, base):
    base = base(train)
    model, rest = fit_normalized(train, base, fit), fit(residuals(train, base))
    pairs = train.users, train.items
    np.testing.assert_allclose(model.predict(*pairs), base.predict(*pairs) + rest.predict(*pairs), rtol=1e-5)
