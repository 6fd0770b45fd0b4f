"""Each half step against a NumPy solve of one row after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.ratings.exact import learn_items, learn_users, make_items, make_users
from ncfjax.ratings.factorization import draw_model
from ncfjax.ratings.objective import Penalty, RatedPairs, objective


@pytest.fixture(scope="module")
def start(train):
    return draw_model(train, embedding_dim=4, biases=True, stddev=1.0, seed=0)


@pytest.mark.parametrize("nu", [0.0, 1.0])
@pytest.mark.parametrize("biases", [True, False])
def test_users_are_the_solutions_of_their_own_problems(train, start, solve_one, biases, nu):
    start = start._replace(item_bias=np.linspace(-1, 1, 14, dtype=np.float32))
    got = learn_users(start, make_users(train, 3 + biases), Penalty(0.5, 0.2, nu), biases=biases)
    vectors = np.column_stack([start.x, np.ones(14)]) if biases else np.asarray(start.x)
    for user in range(1, 20):
        items, values = train.items[train.users == user], train.values[train.users == user]
        penalty = np.array([0.5, 0.5, 0.5, 0.2][: 3 + biases]) * len(items) ** nu
        expected = solve_one(vectors[items], values - float(start.bias) - start.item_bias[items], penalty)
        np.testing.assert_allclose(got.theta[user], expected[:3], atol=1e-4)
        np.testing.assert_allclose(got.user_bias[user], expected[3] if biases else 0.0, atol=1e-4)


def test_items_are_the_solutions_of_their_own_problems(train, start, solve_one):
    got = learn_items(start, make_items(train, 4), Penalty(0.5, 0.2, 1.0), biases=True)
    vectors = np.column_stack([start.theta, np.ones(20)])
    for item in range(1, 14):
        users, values = train.users[train.items == item], train.values[train.items == item]
        expected = solve_one(vectors[users], values - float(start.bias), np.array([0.5, 0.5, 0.5, 0.2]) * len(users))
        np.testing.assert_allclose(got.x[item], expected[:3], atol=1e-4)
        np.testing.assert_allclose(got.item_bias[item], expected[3], atol=1e-4)


@pytest.mark.parametrize("nu", [0.0, 1.0])
def test_who_has_no_rating_is_at_zero_exactly(train, start, nu):
    got = learn_users(start, make_users(train, 4), Penalty(0.5, 0.0, nu), biases=True)
    assert not np.asarray(got.theta[0]).any() and got.user_bias[0] == 0.0


def test_a_solution_has_no_gradient(train, start):
    penalty = Penalty(0.5, 0.2, 1.0)
    got = learn_users(start, make_users(train, 4), penalty, biases=True)
    gradient = jax.grad(objective)(got, RatedPairs.of(train), penalty)
    np.testing.assert_allclose(gradient.theta, np.zeros((20, 3)), atol=1e-3)
    np.testing.assert_allclose(gradient.user_bias, np.zeros(20), atol=1e-3)
    assert np.abs(np.asarray(gradient.x)).max() > 0.1, "the items were not learned"


def test_a_prior_is_what_a_row_without_ratings_is_at_and_others_are_drawn_to(train, start, solve_one):
    prior = jnp.asarray(np.random.default_rng(1).standard_normal((20, 4)), jnp.float32)
    got = learn_users(start, make_users(train, 4), Penalty(0.5, 0.2, 0.0), biases=True, prior=prior)
    np.testing.assert_allclose(got.theta[0], prior[0, :3], rtol=1e-6)
    items, values = train.items[train.users == 9], train.values[train.users == 9]
    vectors, penalty = np.column_stack([start.x, np.ones(14)])[items], np.array([0.5, 0.5, 0.5, 0.2])
    change = solve_one(vectors, values - float(start.bias) - vectors @ prior[9], penalty)
    np.testing.assert_allclose(got.theta[9], (prior[9] + change)[:3], atol=1e-4)
