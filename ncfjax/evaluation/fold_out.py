"""The ranks of users' several held-out items in the whole catalogue, less what the users were folded in with.

    rank of item r = #{other items i: not s_r > s_i} + #{held-out items before r}

Others are the items that the user has nowhere: one of r's score comes before it, and so does every other item where
either score is NaN. So ties count against the model, a constant scorer ranks last, and NaN does too. Held-out items
among each other stand by their scores, NaN last, equal ones as they are listed: which one is first is no matter to a
metric.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ncfjax.data.held_out_users import HeldOutUsers
from ncfjax.data.history import History, fits_as_bits, make_history, unpack_history
from ncfjax.evaluation.rank import rank_of_positive
from ncfjax.evaluation.ranking import USERS_PER_BLOCK, Scorer
from ncfjax.models.tables import beside, fill_columns


class _Asked(NamedTuple):
    """A block of users; lists are filled up with `num_items`, blocks with users that have no list."""

    users: Int[np.ndarray, " users"]
    items: Int[np.ndarray, "users longest"]


def fold_out_ranks(scorer: Scorer, data: HeldOutUsers, memory_bytes: int | None = None) -> Int[np.ndarray, " fold_out"]:
    """The rank of every pair of `data.fold_out`, in its order, of a scorer of the held-out users.

    Users of lists of similar length share a block, so that few of its columns are filling.
    """
    users, num_items = data.fold_out.users, data.train.num_items
    seen = beside(scorer, make_history([data.fold_in], fits_as_bits(data.fold_in, memory_bytes)))
    counts = np.bincount(users, minlength=data.fold_in.num_users)
    by_user, starts = np.argsort(users, kind="stable"), np.cumsum(counts) - counts
    asked = np.argsort(counts, kind="stable")[int((counts == 0).sum()) :]
    ranks = np.empty(len(users), np.int32)
    for first in range(0, len(asked), USERS_PER_BLOCK):
        block = asked[first : first + USERS_PER_BLOCK]
        columns = np.arange(_filled_up(int(counts[block[-1]])))
        is_pair = columns < counts[block][:, None]
        rows = by_user[(starts[block][:, None] + columns)[is_pair]]
        lists = np.full((min(USERS_PER_BLOCK, len(asked)), len(columns)), num_items, np.int32)
        lists[: len(block)][is_pair] = data.fold_out.items[rows]
        block_ranks = _block_ranks(scorer, _Asked(np.resize(block, len(lists)), lists), seen, num_items)
        ranks[rows] = block_ranks[: len(block)][is_pair]
    return ranks


def _filled_up(length: int) -> int:
    """Lengths that are 1, 2, 4, ...: each is a program to compile."""
    return 1 << max(0, length - 1).bit_length()


def _block_ranks(scorer: Scorer, asked: _Asked, seen: History, num_items: int) -> Int[np.ndarray, "users longest"]:
    if getattr(scorer, "on_host", False):
        return np.asarray(_rank_scores(scorer.score_all(asked.users), asked, seen, num_items))
    return np.asarray(_rank_block(scorer, asked, seen, num_items))


@partial(jax.jit, static_argnames="num_items")
def _rank_block(scorer: Scorer, asked: _Asked, seen: History, num_items: int):
    return _rank_scores(scorer.score_all(asked.users), asked, seen, num_items)


@partial(jax.jit, static_argnames="num_items")
def _rank_scores(scores: Float[Array, "users items"], asked: _Asked, seen: History, num_items: int):
    """Columns of the scores from `num_items` on are no items, and are not ranked."""
    history = unpack_history(seen, asked.users, num_items)
    return list_ranks(scores, asked.items, fill_columns(history, scores.shape[1], True), num_items)


def list_ranks(
    scores: Float[Array, "users items"],
    lists: Int[Array, "users longest"],
    seen: Bool[Array, "users items"],
    num_items: int,
) -> Int[Array, "users longest"]:
    """Of the items of each user's list among all that it has not seen; filling, the id past the last item, has none."""
    rows, is_listed = jnp.arange(len(scores))[:, None], lists < num_items
    is_other = ~seen.at[rows, lists].set(True, mode="drop")
    listed = jnp.where(is_listed, scores.at[rows, lists].get(mode="clip"), jnp.nan)  # filling last, after other NaN
    before = jnp.argsort(jnp.argsort(jnp.where(jnp.isnan(listed), jnp.inf, -listed), axis=1), axis=1)

    def rank(column, ranks):
        behind = rank_of_positive(jax.lax.dynamic_index_in_dim(listed, column, 1, False), scores, is_other)
        return jax.lax.dynamic_update_index_in_dim(ranks, behind, column, 1)

    longest = jnp.max(jnp.sum(is_listed, axis=1))
    return before.astype(jnp.int32) + jax.lax.fori_loop(0, longest, rank, jnp.zeros(lists.shape, jnp.int32))
