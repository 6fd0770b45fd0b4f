"""EASE: a linear item-item model in closed form (Steck, WWW 2019, arXiv:1905.03375).

minimise   |X - X B|^2 + regularization |B|^2     subject to   diag(B) = 0
P = (X' X + regularization I)^-1                  B_ij = -P_ij / P_jj   for i != j

A small X' X is inverted by LAPACK. Of a larger one X' X, P and B are one array of items x items numbers, one after the
other: it is inverted in its place by blocks K of pivots (R: all other rows, swept or not), which end in -P:

    A_RR <- A_RR - A_RK A_KK^-1 A_KR        A_RK <- A_RK A_KK^-1        A_KK <- -A_KK^-1
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ncfjax.baselines.co_occurrences import co_occurrences, new_co_occurrences
from ncfjax.baselines.in_place import add_product, columns_of, mirrored, set_symmetric
from ncfjax.baselines.item_based import ItemBased, item_based
from ncfjax.data.interactions import Interactions
from ncfjax.models.products import matrix_product

LARGE = 16_384  # items: from here on 512 pivots at once are faster, and a few columns of them no longer count
SMALL = 4096  # items: LAPACK takes three quarters of the time, a second; X' X and copies of it are 67 MB each


def fit_ease(train: Interactions, regularization: float) -> ItemBased:
    """The closed form. Raises ValueError for a penalty that is not positive."""
    if not regularization > 0:
        raise ValueError(f"regularization: expected a number > 0, got {regularization}")
    if train.num_items <= SMALL:
        return item_based(train, ease_weights(co_occurrences(train), jnp.float32(regularization)))
    return item_based(train, ease_weights_in_place(new_co_occurrences(train), jnp.float32(regularization)))


@jax.jit
def ease_weights(gram: Float[Array, "items items"], regularization: Float[Array, ""]) -> Float[Array, "items items"]:
    """B of a given X' X."""
    identity = jnp.eye(len(gram), dtype=gram.dtype)
    factor = jax.scipy.linalg.cho_factor(gram + regularization * identity)
    inverse = jax.scipy.linalg.cho_solve(factor, identity)
    return jnp.where(identity > 0, 0.0, -inverse / jnp.diag(inverse)[None, :])


def ease_weights_in_place(
    gram: Float[Array, "items items"], regularization: Float[Array, ""]
) -> Float[Array, "items items"]:
    """The same of a large X' X, which is donated."""
    matrix, pivots = _regularized(gram, regularization), 512 if len(gram) > LARGE else 256
    for start in range(0, len(matrix), pivots):
        columns = columns_of(matrix, start, min(pivots, len(matrix) - start))
        inverse = _inverse(columns, start)
        steps, columns = _steps(columns, inverse), columns.T
        matrix = add_product(matrix, steps, columns)
        matrix = set_symmetric(matrix, _afterwards(steps, inverse, start), start)
    matrix = mirrored(matrix)
    return _scaled(matrix, jnp.diag(matrix))


@partial(jax.jit, donate_argnums=0)
def _regularized(gram, regularization):
    return gram + regularization * _is_diagonal(gram)


def _is_diagonal(matrix):
    items = jnp.arange(len(matrix))
    return items[:, None] == items[None, :]


@jax.jit
def _inverse(columns, start):
    """A_KK^-1."""
    size = columns.shape[1]
    factor = jax.scipy.linalg.cho_factor(jax.lax.dynamic_slice_in_dim(columns, start, size))
    return jax.scipy.linalg.cho_solve(factor, jnp.eye(size))


@jax.jit
def _steps(columns, inverse):
    """-A_:K A_KK^-1."""
    return matrix_product(columns, -inverse)


@partial(jax.jit, donate_argnums=0)
def _afterwards(steps, inverse, start):
    """What stands in the columns of the pivots."""
    return jax.lax.dynamic_update_slice_in_dim(-steps, -inverse, start, axis=0)


@partial(jax.jit, donate_argnums=0)
def _scaled(matrix, diagonal):
    return jnp.where(_is_diagonal(matrix), 0.0, matrix / -diagonal[None, :])
