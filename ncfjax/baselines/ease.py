"""EASE: a linear item-item model in closed form (Steck, WWW 2019, arXiv:1905.03375).

minimise   |X - X B|^2 + regularization |B|^2     subject to   diag(B) = 0
P = (X' X + regularization I)^-1                  B_ij = -P_ij / P_jj   for i != j
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ncfjax.baselines.item_based import ItemBased, co_occurrences, item_based
from ncfjax.data.interactions import Interactions


def fit_ease(train: Interactions, regularization: float) -> ItemBased:
    """The closed form. Raises ValueError for a penalty that is not positive."""
    if not regularization > 0:
        raise ValueError(f"regularization: expected a number > 0, got {regularization}")
    return item_based(train, ease_weights(co_occurrences(train), jnp.float32(regularization)))


@jax.jit
def ease_weights(gram: Float[Array, "items items"], regularization: Float[Array, ""]) -> Float[Array, "items items"]:
    """B of a given X' X."""
    identity = jnp.eye(len(gram), dtype=gram.dtype)
    factor = jax.scipy.linalg.cho_factor(gram + regularization * identity)
    inverse = jax.scipy.linalg.cho_solve(factor, identity)
    return jnp.where(identity > 0, 0.0, -inverse / jnp.diag(inverse)[None, :])
