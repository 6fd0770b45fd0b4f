import jax
import jax.numpy as jnp
import numpy as np

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot


def test_fresh_biases_are_zero_and_factors_have_the_given_stddev(key):
    dim = 200
    model = Recommender(500, 400, dim, Dot(dim, biases=True), stddev=0.1, key=key)
    assert not np.any(model.user[:, -1]) and not np.any(model.item[:, -1])
    np.testing.assert_allclose(np.std(model.user[:, :-1]), 0.1, rtol=0.02)
    assert abs(np.corrcoef(model.user[:400, 0], model.item[:, 0])[0, 1]) < 0.2  # users and items from different keys


def test_a_vmapped_model_gives_one_member_back_as_a_working_model(key):
    def drawn(key):
        return Recommender(7, 11, 5, Dot(5, biases=True), stddev=1.0, key=key)

    grid = jax.vmap(lambda key: drawn(key))(jax.random.split(key, 3))
    member = jax.tree.map(lambda x: x[1], grid)
    alone = drawn(jax.random.split(key, 3)[1])
    np.testing.assert_allclose(member.score_all(jnp.arange(7)), alone.score_all(jnp.arange(7)), rtol=1e-6)
