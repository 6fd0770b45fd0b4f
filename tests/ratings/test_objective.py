import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.ratings.factorization import draw_model
from ncfjax.ratings.objective import Penalty, RatedPairs, objective


def loops(model, train, regularization, bias_regularization, nu):
    """J, a sum at a time, in double precision."""
    total, (b, b_users, b_items, theta, x) = 0.0, (np.asarray(field, np.float64) for field in model)
    for j, i, y in zip(train.users, train.items, train.values, strict=True):
        total += (b + b_users[j] + b_items[i] + theta[j] @ x[i] - y) ** 2
    for vectors, biases, rows in ((theta, b_users, train.users), (x, b_items, train.items)):
        for row, (vector, bias) in enumerate(zip(vectors, biases, strict=True)):
            count = np.sum(rows == row) ** nu
            total += count * (regularization * vector @ vector + bias_regularization * bias**2)
    return total / 2


@pytest.fixture(scope="module")
def model(train):
    model = draw_model(train, embedding_dim=4, biases=True, stddev=1.0, seed=0)
    return model._replace(user_bias=jnp.linspace(-1, 1, 20), item_bias=jnp.linspace(-0.5, 1, 14))


@pytest.mark.parametrize("penalty", [(0.0, 0.0, 0.0), (0.3, 0.1, 0.0), (0.3, 0.1, 1.0), (0.3, 0.1, 0.5)])
def test_the_objective_is_its_sums(train, model, penalty):
    value = objective(model, RatedPairs.of(train), Penalty(*penalty))
    np.testing.assert_allclose(value, loops(model, train, *penalty), rtol=1e-5)


def test_its_gradient_is_the_reports(train, model):
    """dJ/dtheta_jk = sum over i: r(i,j)=1 of (prediction - y) x_ik + lambda theta_jk."""
    gradient = jax.grad(objective)(model, RatedPairs.of(train), Penalty(0.3, 0.1, 0.0))
    error = model.predict(train.users, train.items) - train.values
    expected = 0.3 * np.array(model.theta)
    np.add.at(expected, train.users, error[:, None] * np.asarray(model.x)[train.items])
    np.testing.assert_allclose(gradient.theta, expected, rtol=1e-4, atol=1e-4)
    expected = 0.1 * np.array(model.item_bias)
    np.add.at(expected, train.items, error)
    np.testing.assert_allclose(gradient.item_bias, expected, rtol=1e-4, atol=1e-4)
