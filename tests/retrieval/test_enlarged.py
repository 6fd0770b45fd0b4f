"""Drawn catalogues have the distribution of the items that they are drawn from."""

import jax
import jax.numpy as jnp
import numpy as np

from ncfjax.retrieval.enlarged import BANDWIDTH, enlarged


def test_a_drawn_catalogue_has_the_mean_and_a_multiple_of_the_covariance_of_the_items():
    """Of the sum of an item and a draw of its own the covariance is that of the items times 1 + bandwidth^2."""
    rng = np.random.default_rng(0)
    items = jnp.asarray(rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)) + 2.0, jnp.float32)
    drawn = np.asarray(enlarged(items, 100_000, jax.random.key(0)))
    assert drawn.shape == (100_000, 3) and len(np.unique(drawn, axis=0)) > 99_000
    scale = np.abs(np.cov(items.T)).max()
    np.testing.assert_allclose(drawn.mean(axis=0), items.mean(axis=0), atol=0.02 * np.sqrt(scale))
    expected = (1 + BANDWIDTH**2) * np.cov(items.T, bias=True)
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.03 * scale)


def test_a_direction_that_no_item_has_is_in_no_drawn_one():
    plane = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0]])
    items = jnp.asarray(np.random.default_rng(0).normal(size=(50, 2)) @ plane, jnp.float32)
    drawn = np.asarray(enlarged(items, 1000, jax.random.key(1)))
    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn[:, 2], 0.0, atol=1e-5)
