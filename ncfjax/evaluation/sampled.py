"""The protocol of He et al. (2017): the held-out item among a few sampled negatives (99 in their files)."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ncfjax.evaluation.metrics import rank_of_positive


def sampled_ranks(
    scores: Float[Array, "users items"], positives: Int[Array, " users"], negatives: Int[Array, "users candidates"]
) -> Int[Array, " users"]:
    """Zero-based rank of each user's positive among its negatives.

    156 lines of ml-1m.test.negative list the user's own positive; it must not outrank itself (the authors' dict
    collapses it), so it is masked.
    """
    positive = jnp.take_along_axis(scores, positives[:, None], axis=1)[:, 0]
    candidates = jnp.take_along_axis(scores, negatives, axis=1)
    return rank_of_positive(positive, candidates, negatives != positives[:, None])
