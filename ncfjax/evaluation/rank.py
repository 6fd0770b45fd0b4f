"""The rank of a held-out item among candidates, and how many of them tie with it, from their scores."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def rank_of_positive(
    positive: Float[Array, " batch"],
    candidates: Float[Array, "batch candidates"],
    valid: Bool[Array, "batch candidates"],
    wins_ties: bool | Bool[Array, "batch candidates"] = True,
) -> Int[Array, " batch"]:
    """How many valid candidates come before the positive; zero is the best rank.

    Candidates of the positive's score come before it unless `wins_ties` says otherwise: ties count against the model.
    A NaN on either side always does: a diverged model ranks last.
    """
    is_higher, is_as_high = ~(positive[:, None] >= candidates), ~(positive[:, None] > candidates)
    comes_first = jnp.where(wins_ties, is_as_high, is_higher)
    return jnp.sum(comes_first & valid, axis=-1, dtype=jnp.int32)


def num_ties(
    positive: Float[Array, " batch"],
    candidates: Float[Array, "batch candidates"],
    valid: Bool[Array, "batch candidates"],
) -> Int[Array, " batch"]:
    """How many valid candidates have the positive's score; a NaN ties with nothing."""
    return jnp.sum((positive[:, None] == candidates) & valid, axis=-1, dtype=jnp.int32)
