"""A network that learns the scores of a trained dot product keeps its vectors and ranks as it does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot
from ncfjax.models.similarities.mlp import MLP
from ncfjax.training.distilled import distilled

USERS, ITEMS, DIM = 50, 40, 4


@pytest.fixture(scope="module")
def teacher() -> Recommender:
    return Recommender(USERS, ITEMS, DIM, Dot(DIM, biases=True), stddev=1.0, key=jax.random.key(0))


def student(seed: int) -> MLP:
    return MLP(DIM, layers=(8, 32, 16, 8), regularize_weights=False, key=jax.random.key(seed))


@pytest.fixture(scope="module")
def learned(teacher):
    return jax.jit(lambda teacher: distilled(teacher, student(1), 3_000, jax.random.key(2)))(teacher)


def test_it_keeps_the_teachers_vectors(teacher, learned):
    np.testing.assert_array_equal(learned.user[...], teacher.user[...])
    np.testing.assert_array_equal(learned.item[...], teacher.item[...])


def test_it_explains_nearly_all_of_the_teachers_scores(teacher, learned):
    everyone = jnp.arange(USERS)
    want, got = teacher.score_all(everyone), learned.score_all(everyone)
    assert float(jnp.mean((got - want) ** 2) / jnp.var(want)) < 0.02
    fresh = Recommender.from_tables(teacher.user[...], teacher.item[...], student(1))
    assert float(jnp.mean((fresh.score_all(everyone) - want) ** 2) / jnp.var(want)) > 0.5


def test_a_key_gives_the_same_network(teacher, learned):
    again = jax.jit(lambda teacher: distilled(teacher, student(1), 3_000, jax.random.key(2)))(teacher)
    for ours, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(learned), strict=True):
        np.testing.assert_array_equal(ours, theirs)
