"""Full ranking: the held-out item among the whole catalogue, less what the user already has in training.

Sampled metrics need not order models as the full ones do (Krichene and Rendle, KDD 2020), so both are reported beside
each other.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ncfjax.evaluation.rank import num_ties, rank_of_positive
from ncfjax.evaluation.ranking_rules import STRICT, Rules


def full_ranks(
    scores: Float[Array, "users items"],
    positives: Int[Array, " users"],
    seen: Bool[Array, "users items"],
    rules: Rules = STRICT,
) -> Int[Array, " users"]:
    """Zero-based rank of each user's positive among all items that the user has not seen."""
    items = jnp.arange(scores.shape[1])[None, :]
    wins_ties = items < positives[:, None] if rules.ties == "order" else rules.ties != "favour"
    return rank_of_positive(*_compared(scores, positives, seen), wins_ties)


def full_ties(
    scores: Float[Array, "users items"], positives: Int[Array, " users"], seen: Bool[Array, "users items"]
) -> Int[Array, " users"]:
    """How many items that the user has not seen have the score of its positive."""
    return num_ties(*_compared(scores, positives, seen))


def _compared(
    scores: Float[Array, "users items"], positives: Int[Array, " users"], seen: Bool[Array, "users items"]
) -> tuple[Float[Array, " users"], Float[Array, "users items"], Bool[Array, "users items"]]:
    """The scores of the positives and of all items, and which of these count."""
    positive = jnp.take_along_axis(scores, positives[:, None], axis=1)[:, 0]
    items = jnp.arange(scores.shape[1])[None, :]
    return positive, scores, ~(seen | (items == positives[:, None]))
