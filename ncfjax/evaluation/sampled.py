"""The protocol of He et al. (2017): the held-out item among a few sampled negatives (99 in their files)."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ncfjax.evaluation.rank import num_ties, rank_of_positive
from ncfjax.evaluation.ranking_rules import STRICT, Rules


def sampled_ranks(
    scores: Float[Array, "users items"],
    positives: Int[Array, " users"],
    negatives: Int[Array, "users candidates"],
    rules: Rules = STRICT,
) -> Int[Array, " users"]:
    """Zero-based rank of each user's positive among its negatives.

    156 lines of ml-1m.test.negative list the user's own positive; it must not outrank itself (the authors' dict
    collapses it), so it is masked.
    """
    itself = negatives == positives[:, None]
    return rank_of_positive(*_compared(scores, positives, negatives, rules), _wins_ties(itself, rules.ties))


def sampled_ties(
    scores: Float[Array, "users items"],
    positives: Int[Array, " users"],
    negatives: Int[Array, "users candidates"],
    rules: Rules = STRICT,
) -> Int[Array, " users"]:
    """How many of each user's negatives have the score of its positive."""
    return num_ties(*_compared(scores, positives, negatives, rules))


def _compared(
    scores: Float[Array, "users items"],
    positives: Int[Array, " users"],
    negatives: Int[Array, "users candidates"],
    rules: Rules,
) -> tuple[Float[Array, " users"], Float[Array, "users candidates"], Bool[Array, "users candidates"]]:
    """The scores of the positives and of their candidates, and which of these count."""
    positive = jnp.take_along_axis(scores, positives[:, None], axis=1)[:, 0]
    candidates = jnp.take_along_axis(scores, negatives, axis=1)
    itself = negatives == positives[:, None]
    return positive, candidates, ~itself if rules.self_negatives == "masked" else jnp.ones_like(itself)


def _wins_ties(itself: Bool[Array, "users candidates"], ties: str) -> bool | Bool[Array, "users candidates"]:
    """Which candidates come before the positive at the same score."""
    if ties != "order":
        return ties != "favour"
    return jnp.cumsum(itself, axis=1) == 0  # those listed before it; all of them where it is not listed
