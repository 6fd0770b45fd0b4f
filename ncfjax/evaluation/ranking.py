"""Both protocols at once: every held-out user's scores are computed once, ranked, and dropped.

Users go through in blocks, so nothing of size users x items is held.
"""

from functools import lru_cache, partial
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ncfjax.data.history import History, fits_as_bits, make_history, unpack_history
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.full import full_ranks, full_ties
from ncfjax.evaluation.ranking_rules import STRICT, Rules, check_rules
from ncfjax.evaluation.sampled import sampled_ranks, sampled_ties
from ncfjax.models.tables import beside, fill_columns

USERS_PER_BLOCK = 128  # 128 x 3,706 scores are 1.9 MB: they stay in cache between the product and the ranking


@runtime_checkable
class Scorer(Protocol):
    """All that evaluation asks of a model or a baseline: a pytree whose `score_all` can be traced.

    One whose `on_host` is true takes and gives NumPy arrays, and is not traced.
    """

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        """Scores of every item for each of the given users."""
        ...


class Ranks(NamedTuple):
    """Zero-based ranks of the held-out items, one per held-out user."""

    sampled: Int[Array, "*members users"]
    full: Int[Array, "*members users"]


class Ranking(NamedTuple):
    """`Ranks`, and how many candidates tie with each held-out item."""

    sampled: Int[Array, "*members users"]
    full: Int[Array, "*members users"]
    sampled_ties: Int[Array, "*members users"]
    full_ties: Int[Array, "*members users"]

    @property
    def ranks(self) -> Ranks:
        return Ranks(self.sampled, self.full)


class EvaluationBatches(NamedTuple):
    """The held-out data on the device, cut into blocks of users; the last block is filled up with the first users.

    `unranked` is what the full catalogue leaves out for a user: what it trains on, and what the split sets aside.
    """

    users: Int[Array, "blocks users"]
    positives: Int[Array, "blocks users"]
    negatives: Int[Array, "blocks users candidates"]
    unranked: History


def make_evaluation_batches(
    data: LeaveOneOut, history: History | None = None, as_bits: bool = True
) -> EvaluationBatches:
    """Lays out the held-out users of `data` for `rank_held_out`; `history` is that of `data.train` if it is there."""
    if data.set_aside is not None:
        unranked = make_history([data.train, data.set_aside], as_bits)
    else:
        unranked = make_history([data.train], as_bits) if history is None else history
    held_out, count = data.held_out, len(data.held_out.users)
    block = min(USERS_PER_BLOCK, count)
    padded = np.resize(np.arange(count), -(-count // block) * block).reshape(-1, block)
    arrays = (held_out.users[padded], held_out.positives[padded], held_out.negatives[padded])
    return EvaluationBatches(*map(jnp.asarray, arrays), unranked=unranked)


def rank_held_out(model: Scorer, batches: EvaluationBatches, rules: Rules = STRICT) -> Ranks:
    """Ranks of every held-out item under both protocols, padding included: cut to the number of held-out users."""
    return rank_with_ties(model, batches, rules).ranks


def rank_with_ties(
    model: Scorer, batches: EvaluationBatches, rules: Rules = STRICT, num_items: int | None = None
) -> Ranking:
    """The same, and the ties. Columns of the scores from `num_items` on are no items, and are not ranked."""

    def rank_block(block):
        return _ranking(model.score_all(block[0]), *block, batches.unranked, rules, num_items)

    ranks = jax.lax.map(rank_block, batches[:3])
    return jax.tree.map(lambda x: x.reshape(-1), ranks)


def _ranking(
    scores: Float[Array, "users items"], users, positives, negatives, unranked, rules: Rules, num_items=None
) -> Ranking:
    num_columns = scores.shape[1]
    seen = unpack_history(unranked, users, num_columns if num_items is None else num_items)
    seen = fill_columns(seen, num_columns, True)
    return Ranking(
        sampled_ranks(scores, positives, negatives, rules),
        full_ranks(scores, positives, seen, rules),
        sampled_ties(scores, positives, negatives, rules),
        full_ties(scores, positives, seen),
    )


@partial(jax.jit, static_argnames=("rules", "num_items"))
def _rank_block(model: Scorer, batches: EvaluationBatches, number, rules: Rules, num_items: int) -> Ranking:
    users, positives, negatives = (array[number] for array in batches[:3])
    return _ranking(model.score_all(users), users, positives, negatives, batches.unranked, rules, num_items)


@partial(jax.jit, static_argnames="rules")
def _rank_scores(scores: Float[Array, "users items"], batches: EvaluationBatches, number, rules: Rules) -> Ranking:
    return _ranking(scores, *(array[number] for array in batches[:3]), batches.unranked, rules)


# 57 ms on MovieLens-1M, for every evaluation of a run.
_evaluation_batches = lru_cache(maxsize=1)(make_evaluation_batches)


def ranks_of(scorer: Scorer, data: LeaveOneOut, rules: Rules = STRICT, memory_bytes: int | None = None) -> Ranks:
    """Ranks of the held-out items under both protocols, one per held-out user.

    What users have had is there as bits, or as lists where bits do not fit `memory_bytes`: the ranks are the same.

    Raises:
        ValueError: a rule that there is not.
    """
    return ranking_of(scorer, data, rules, memory_bytes).ranks


def ranking_of(scorer: Scorer, data: LeaveOneOut, rules: Rules = STRICT, memory_bytes: int | None = None) -> Ranking:
    """The same, and the ties; raises as `ranks_of` does."""
    batches = beside(scorer, _evaluation_batches(data, as_bits=fits_as_bits(data.train, memory_bytes)))
    rules, blocks = check_rules(rules), []
    users = np.asarray(batches.users)
    for number in range(len(users)):  # a program of all of them would not hear Ctrl-C
        if getattr(scorer, "on_host", False):
            ranking = _rank_scores(scorer.score_all(users[number]), batches, number, rules=rules)
        else:
            ranking = _rank_block(scorer, batches, number, rules=rules, num_items=data.train.num_items)
        blocks.append(jax.tree.map(np.asarray, ranking))
    return Ranking(*(np.concatenate(parts)[: len(data.held_out)] for parts in zip(*blocks, strict=True)))
