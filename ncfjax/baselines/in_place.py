"""A large symmetric matrix that is computed in its place: no second matrix of its size is there, and Ctrl-C is heard.

Its lower triangle is added to in tiles of rows, each up to its diagonal; `mirrored` makes a whole matrix of it. JAX
gives a donated array's memory to the result. A program that ran for minutes could not be stopped, so it is one tile at
a time: a fraction of a second each on two cores, for any matrix that fits a machine of 64 GB.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ncfjax.models.products import matrix_product

ROWS_PER_TILE = 512
ROWS_TO_MIRROR = 256  # of a tile, at once: with their transpose, and copies of both


def add_product(matrix: Float[Array, "n n"], left: Float[Array, "n k"], right: Float[Array, "k n"]):
    """The lower triangle of matrix + left right, which is symmetric; `matrix` is donated."""
    for tile in range(-(-len(matrix) // ROWS_PER_TILE)):
        matrix = jax.block_until_ready(_add_tile(matrix, left, right, tile, size=min(ROWS_PER_TILE, len(matrix))))
    return matrix


@partial(jax.jit, donate_argnums=0, static_argnames="size")
def _add_tile(matrix, left, right, tile, *, size: int) -> Float[Array, "n n"]:
    """The rows of a tile, up to its diagonal: one square after the other, so that every tile shares a program."""
    first_row, rows = _tile(left, tile, size, axis=0)

    def add(number, matrix):
        first_column, columns = _tile(right, number, size, axis=1)
        product = matrix_product(rows, columns)
        old = jax.lax.dynamic_slice(matrix, (first_row, first_column), product.shape)
        return jax.lax.dynamic_update_slice(matrix, old + product, (first_row, first_column))

    return jax.lax.fori_loop(0, tile + 1, add, matrix)


def _tile(array, tile, size: int, axis: int):
    """Where it begins, and what is there; the last one begins within the one before, of which it has zeros."""
    start = tile * size
    first = jnp.minimum(start, array.shape[axis] - size)
    is_own = jnp.expand_dims(first + jnp.arange(size) >= start, 1 - axis)
    return first, jnp.where(is_own, jax.lax.dynamic_slice_in_dim(array, first, size, axis), 0.0)


@partial(jax.jit, static_argnames="size")
def _rows(matrix, start, *, size: int):
    return jax.lax.dynamic_slice_in_dim(matrix, start, size)


@partial(jax.jit, static_argnames="size")
def _columns(matrix, start, *, size: int):
    return jax.lax.dynamic_slice_in_dim(matrix, start, size, axis=1)


def columns_of(matrix: Float[Array, "n n"], start: int, size: int) -> Float[Array, "n k"]:
    """`size` columns from `start` on, all within one tile, of the whole matrix that the lower triangle stands for."""
    above = start // ROWS_PER_TILE * ROWS_PER_TILE
    # A transpose by itself: fused into what follows it takes ten times as long on a CPU.
    return _set_above(_columns(matrix, start, size=size), _rows(matrix, start, size=size).T, above)


@partial(jax.jit, donate_argnums=0)
def _set_above(columns, others, stop):
    return jnp.where((jnp.arange(len(columns)) < stop)[:, None], others, columns)


def mirrored(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The whole matrix; `matrix` is donated."""
    for start in range(0, len(matrix) - ROWS_TO_MIRROR, ROWS_TO_MIRROR):
        columns = _columns(matrix, start, size=ROWS_TO_MIRROR)
        matrix = jax.block_until_ready(_mirror_tile(matrix, columns.T, start))
    return matrix


@partial(jax.jit, donate_argnums=0)
def _mirror_tile(matrix, others, start):
    rows = jax.lax.dynamic_slice_in_dim(matrix, start, len(others))
    is_right = jnp.arange(len(matrix)) >= start + len(others)
    return jax.lax.dynamic_update_slice_in_dim(matrix, jnp.where(is_right, others, rows), start, axis=0)


def set_symmetric(matrix: Float[Array, "n n"], columns: Float[Array, "n k"], start: int) -> Float[Array, "n n"]:
    """The columns from `start` on replaced, and the rows; `matrix` is donated."""
    return set_rows(_set_columns(matrix, columns, start), columns.T, start)


@partial(jax.jit, donate_argnums=0)
def _set_columns(matrix, columns, start):
    return jax.lax.dynamic_update_slice_in_dim(matrix, columns, start, axis=1)


@partial(jax.jit, donate_argnums=0)
def set_rows(matrix: Float[Array, "n m"], rows: Float[Array, "k m"], start) -> Float[Array, "n m"]:
    """The rows from `start` on replaced; `matrix` is donated."""
    return jax.lax.dynamic_update_slice_in_dim(matrix, rows, start, axis=0)
