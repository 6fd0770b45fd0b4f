"""A network that starts as a dot product: it learns the scores of a trained one before it is trained itself.

    minimise over the network s   mean over random pairs (u, i) of  (s(p_u, q_i) - t(p_u, q_i))^2

t and the vectors p, q are the teacher's, a recommender; its tables are where the network's own begin. Pairs are uniform
over users and items, and drawn anew in every step. An MLP needs two to four times the teacher's width for that, as in
the study (Rendle et al., RecSys 2020, arXiv:2005.09683, section 4).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import Similarity
from ncfjax.training.imitation import SCHEDULES, RegressionPairs, begin_imitator, imitation_step

LEARNING_RATE = 0.002  # of Adam, at the start of a cosine
PAIRS = 1024  # of a step


def distilled(teacher: Recommender, similarity: Similarity, num_steps: int, key: Array) -> Recommender:
    """A recommender of the teacher's vectors, whose similarity has learned its scores."""
    p, q = teacher.user[...], teacher.item[...]

    def step(state, index):
        users_key, items_key = jax.random.split(jax.random.fold_in(key, index))
        users = jax.random.randint(users_key, (PAIRS,), 0, len(p))
        items = jax.random.randint(items_key, (PAIRS,), 0, len(q))
        pairs = RegressionPairs(teacher.similarity, p, q, users, items, jnp.zeros(PAIRS))
        rate = LEARNING_RATE * SCHEDULES["cosine"](index / num_steps)
        return imitation_step(pairs, rate, state, jnp.arange(PAIRS)), None

    state = jax.lax.scan(step, begin_imitator(similarity), jnp.arange(num_steps))[0]
    return Recommender.from_tables(p, q, state.model)
