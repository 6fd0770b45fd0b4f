"""What a residual's network holds of the scores, against a loop over made-up scores."""

import jax.numpy as jnp
import numpy as np

from ncfjax.evaluation.shares import network_shares
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.residual import Residual


def a_model(key, weight: float) -> Recommender:
    similarity = Residual(5, layers=(12, 6), regularize_weights=True, key=key)
    similarity.weight[...] = jnp.full(6, weight)
    return Recommender(7, 9, 5, similarity, stddev=1.0, key=key)


def test_shares_are_those_of_a_loop_over_all_pairs(key):
    model = a_model(key, 0.4)
    users, items = jnp.meshgrid(jnp.arange(7), jnp.arange(9), indexing="ij")
    scores = np.asarray(model.score(users, items), np.float64)
    without = a_model(key, 0.0)
    network = scores - np.asarray(without.score(users, items), np.float64)
    left = network - network.mean(0) - network.mean(1, keepdims=True) + network.mean()
    shares = network_shares(model)
    np.testing.assert_allclose(shares.network, network.var() / scores.var(), rtol=1e-4)
    np.testing.assert_allclose(shares.interaction, left.var() / scores.var(), rtol=1e-4)
    assert 0 < shares.interaction < shares.network


def test_a_fresh_residual_has_no_share_of_its_network(key):
    assert tuple(map(float, network_shares(a_model(key, 0.0)))) == (0.0, 0.0)
