"""Full ranking: the held-out item among the whole catalogue, less what the user already has in training.

Sampled metrics need not order models as the full ones do (Krichene and Rendle, KDD 2020), so both are reported beside
each other.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ncfjax.evaluation.rank import rank_of_positive
from ncfjax.evaluation.ranking_rules import STRICT, Rules


def full_ranks(
    scores: Float[Array, "users items"],
    positives: Int[Array, " users"],
    seen: Bool[Array, "users items"],
    rules: Rules = STRICT,
) -> Int[Array, " users"]:
    """Zero-based rank of each user's positive among all items that the user has not seen."""
    positive = jnp.take_along_axis(scores, positives[:, None], axis=1)
    items = jnp.arange(scores.shape[1])[None, :]
    wins_ties = items < positives[:, None] if rules.ties == "order" else rules.ties == "against"
    return rank_of_positive(positive[:, 0], scores, ~(seen | (items == positives[:, None])), wins_ties)
