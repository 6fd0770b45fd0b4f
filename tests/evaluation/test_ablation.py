"""A residual without its network, against a loop over made-up scores."""

import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.evaluation.ablation import with_item_means, without_network
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.residual import Residual


@pytest.fixture
def model(key) -> Recommender:
    similarity = Residual(5, layers=(12, 6), regularize_weights=True, key=key)
    similarity.weight[...] = jnp.linspace(-0.5, 0.8, 6)
    return Recommender(150, 9, 5, similarity, stddev=1.0, key=key)  # users for more than one block


def test_without_its_network_a_residual_scores_as_its_dot_product(model):
    p, q = np.asarray(model.user[...]), np.asarray(model.item[...])
    expected = p[:, :4] @ q[:, :4].T + p[:, 4:] + q[:, 4] + float(model.similarity.bias[...])
    np.testing.assert_allclose(without_network(model).score_all(jnp.arange(150)), expected, rtol=1e-5, atol=1e-6)


def test_item_means_are_those_of_the_network_over_all_users(model):
    users = jnp.arange(150)
    network = np.asarray(model.score_all(users)) - np.asarray(without_network(model).score_all(users))
    added = np.asarray(with_item_means(model).score_all(users)) - np.asarray(without_network(model).score_all(users))
    np.testing.assert_allclose(added, np.broadcast_to(network.mean(axis=0), added.shape), rtol=1e-3, atol=1e-5)
    assert network.std(axis=0).min() > 0.01  # so that the means are not all that there is
