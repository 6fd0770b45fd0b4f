"""What is compiled holds no array of users x items: of 40,000 users and 1,000 items, float32 would be 160 MB."""

import jax
import jax.numpy as jnp
import pytest

from ncfjax.baselines.item_based import ItemBased
from ncfjax.baselines.popularity import Popularity
from ncfjax.evaluation.ranking import USERS_PER_BLOCK as RANKED_AT_ONCE
from ncfjax.evaluation.ranking import EvaluationBatches, rank_held_out
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot

USERS, ITEMS, DIM = 40_000, 1_000, 16
HISTORY = jax.ShapeDtypeStruct((USERS, ITEMS // 8), jnp.uint8)


def temporary_bytes(function, *arguments) -> int:
    return jax.jit(function).lower(*arguments).compile().memory_analysis().temp_size_in_bytes


def floats(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def ials() -> Recommender:
    tables = (jnp.zeros((USERS, DIM)), jnp.zeros((ITEMS, DIM)))
    return jax.eval_shape(lambda: Recommender.from_tables(*tables, Dot(DIM, biases=False)))


@pytest.mark.parametrize(
    "make", [lambda: ItemBased(floats(ITEMS, ITEMS), HISTORY), lambda: Popularity(floats(ITEMS)), ials]
)
def test_ranking_holds_the_scores_of_a_block_of_users_at_a_time(make):
    blocks = -(-USERS // RANKED_AT_ONCE)
    ids = [jax.ShapeDtypeStruct((blocks, RANKED_AT_ONCE, *more), jnp.int32) for more in ((), (), (99,))]
    temporary = temporary_bytes(rank_held_out, make(), EvaluationBatches(*ids, unranked=HISTORY))
    assert temporary < 4 * 10 * RANKED_AT_ONCE * ITEMS + 4 * 8 * USERS + 4 * ITEMS**2
