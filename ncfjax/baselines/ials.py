"""iALS: matrix factorization of implicit feedback by alternating least squares (Hu, Koren, Volinsky, ICDM 2008).

    minimise   sum over observed (u, i) of (<p_u, q_i> - 1)^2 + unobserved_weight * sum over all (u, i) of <p_u, q_i>^2
               + regularization * (sum_u f_u |p_u|^2 + sum_i f_i |q_i|^2)

    f_u = (|I_u| + unobserved_weight * num_items)^nu, f_i likewise        (Rendle et al., RecSys 2022, arXiv:2110.14037)

With one side fixed every row of the other is a least-squares problem of its own, solved exactly; or, as in iALS++
(arXiv:2110.14044), by a Newton step on one block of its entries after the other, which needs no d x d system:

    H   = sum over i in I_u of q_b q_b' + unobserved_weight * (Q'Q)_bb + regularization * f_u I         b: a block
    g   = sum over i in I_u of (<p_u, q_i> - 1) q_b + unobserved_weight * (Q'Q p_u)_b + regularization * f_u p_b
    p_b <- p_b - H^-1 g

A block as wide as the vectors is the exact solution. Rows of similar history length are solved together, padded to one
length, so memory is that of FLOATS_AT_ONCE floats and two tables.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ncfjax.data.interactions import Interactions
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import Dot

FLOATS_AT_ONCE = 8_000_000  # of the gathered vectors and the systems of some rows: 32 MB
GROWTH, SHORTEST = 1.6, 8  # of the padded lengths: every one is a program to compile


class IalsWeights(NamedTuple):
    """Traced scalars."""

    regularization: Float[Array, ""]
    unobserved_weight: Float[Array, ""]
    nu: Float[Array, ""]


class Batch(NamedTuple):
    """Rows of similar history length; padding is past the last row, or the last column."""

    rows: Int[Array, " rows"]
    columns: Int[Array, "rows length"]


class Side(NamedTuple):
    """Who interacted with what, from the view of the users or of the items."""

    batches: list[Batch]
    counts: Int[Array, " rows"]


def make_side(
    rows: Int[np.ndarray, " n"], columns: Int[np.ndarray, " n"], num_rows: int, num_columns: int, floats_per_entry: int
) -> Side:
    """Lays out the pairs by `rows`; rows without any are solved too, and become zero."""
    counts = np.bincount(rows, minlength=num_rows)
    sorted_columns = columns[np.argsort(rows, kind="stable")]
    starts = np.concatenate([[0], np.cumsum(counts)])
    order, batches, first = np.argsort(counts, kind="stable"), [], 0
    while first < num_rows:
        length = max(SHORTEST, int(counts[order[first]] * GROWTH))
        last = int(np.searchsorted(counts[order], length, side="right"))
        ids = order[first:last]
        size = max(1, min(len(ids), FLOATS_AT_ONCE // (floats_per_entry * (length + floats_per_entry))))
        padded = np.full((-(-len(ids) // size) * size, length), num_columns, np.int32)
        for place, row in enumerate(ids):
            padded[place, : counts[row]] = sorted_columns[starts[row] : starts[row + 1]]
        chunks = np.full(len(padded), num_rows, np.int32)
        chunks[: len(ids)] = ids
        chunks, padded = chunks.reshape(-1, size), padded.reshape(-1, size, length)
        batches += map(Batch, chunks, padded)
        first = last
    return Side(batches, counts.astype(np.int32))


def fit_ials(train: Interactions, **options) -> Recommender:
    """The model after the last epoch of `ials_epochs`, which tells the options."""
    for model in ials_epochs(train, **options):
        pass
    return model


def ials_epochs(
    train: Interactions,
    *,
    embedding_dim: int,
    block_size: int,
    regularization: float,
    unobserved_weight: float,
    nu: float,
    stddev: float,
    num_epochs: int,
    seed: int,
) -> Iterator[Recommender]:
    """Alternates `num_epochs` times, users first, from vectors drawn from N(0, stddev^2 / embedding_dim).

    Yields the model after every epoch. Its tables are donated to the next one: look at a model, or copy its tables,
    before you ask for the next.

    Raises:
        ValueError: sizes and weights that are not positive, a block that does not divide the vectors. At the call.
    """
    if embedding_dim < 1 or block_size < 1 or embedding_dim % block_size:
        raise ValueError(f"block_size: expected a divisor of embedding_dim={embedding_dim}, got {block_size}")
    if num_epochs < 1:
        raise ValueError(f"num_epochs: expected at least 1, got {num_epochs}")
    for name, value in (("regularization", regularization), ("unobserved_weight", unobserved_weight)):
        if not value > 0:
            raise ValueError(f"{name}: expected a number > 0, got {value}")
    weights = IalsWeights(*map(jnp.float32, (regularization, unobserved_weight, nu)))
    tables = init_tables(train.num_users, train.num_items, embedding_dim, jnp.float32(stddev), jax.random.key(seed))
    return _epochs(train, tables, weights, block_size, num_epochs)


def _epochs(train: Interactions, tables, weights: IalsWeights, block_size: int, num_epochs: int):
    """The generator behind `ials_epochs`, which checks its arguments before the first model is asked for."""
    p, q = tables
    users = make_side(train.users, train.items, train.num_users, train.num_items, p.shape[1])
    items = make_side(train.items, train.users, train.num_items, train.num_users, p.shape[1])
    users, items = jax.device_put((users, items))
    for _ in range(num_epochs):
        p, q = ials_epoch(p, q, users, items, weights, block_size)
        yield Recommender.from_tables(p, q, Dot(p.shape[1], biases=False))


@partial(jax.jit, static_argnums=(0, 1, 2))
def init_tables(num_users: int, num_items: int, embedding_dim: int, stddev: Float[Array, ""], key: Array):
    """Both tables; a Newton step on the first block sees the others as they were drawn."""
    user_key, item_key = jax.random.split(key)
    draw = partial(jax.random.normal, dtype=jnp.float32)
    scale = stddev / jnp.sqrt(jnp.float32(embedding_dim))
    return scale * draw(user_key, (num_users, embedding_dim)), scale * draw(item_key, (num_items, embedding_dim))


def ials_epoch(
    p: Float[Array, "users dim"],
    q: Float[Array, "items dim"],
    users: Side,
    items: Side,
    weights: IalsWeights,
    block_size: int,
) -> tuple[Float[Array, "users dim"], Float[Array, "items dim"]]:
    """The users' vectors given the items', then the items' given the new users'. Both tables are donated."""
    p = solve_side(p, q, users, weights, block_size)
    return p, solve_side(q, p, items, weights, block_size)


def solve_side(
    table: Float[Array, "rows dim"], fixed: Float[Array, "columns dim"], side: Side, weights: IalsWeights, block_size
) -> Float[Array, "rows dim"]:
    """Every row of `table`, which is donated, given `fixed`.

    A program per batch and block: one that holds several factorizations stood still on two CPU cores.
    """
    gram, penalty = _shared(fixed, side.counts, weights)
    for batch in side.batches:
        for start in range(0, table.shape[1], block_size):
            table = _solve_batch(table, fixed, gram, penalty, batch, jnp.int32(start), block_size=block_size)
    return table


@jax.jit
def _shared(fixed: Float[Array, "columns dim"], counts: Int[Array, " rows"], weights: IalsWeights):
    """What the rows of a side have in common, and the penalty of each."""
    gram = weights.unobserved_weight * _product(fixed.T, fixed)
    frequency = counts + weights.unobserved_weight * len(fixed)
    return gram, weights.regularization * frequency**weights.nu


@partial(jax.jit, static_argnames="block_size", donate_argnames="table")
def _solve_batch(
    table, fixed, gram, penalty, batch: Batch, start: Int[Array, ""], *, block_size: int
) -> Float[Array, "rows dim"]:
    old, of_rows = table.at[batch.rows].get(mode="clip"), penalty.at[batch.rows].get(mode="clip")
    history = fixed.at[batch.columns].get(mode="fill", fill_value=0.0)
    return table.at[batch.rows].set(newton_step(old, history, gram, of_rows, start, block_size), mode="drop")


def newton_step(
    old: Float[Array, "rows dim"],
    history: Float[Array, "rows length dim"],
    gram: Float[Array, "dim dim"],
    penalty: Float[Array, " rows"],
    start: Int[Array, ""],
    block_size: int,
) -> Float[Array, "rows dim"]:
    """On the entries from `start` on; padded entries of `history` are zero and add nothing."""
    if block_size == old.shape[1]:  # all of them: from zero no residual is needed
        return _solve(history, gram, penalty, jnp.sum(history, axis=1))
    take = partial(jax.lax.dynamic_slice_in_dim, start_index=start, slice_size=block_size)
    of_block, gram_columns, old_block = take(history, axis=2), take(gram, axis=1), take(old, axis=1)
    score = jnp.sum(history * old[:, None, :], axis=2)
    # Padded entries have a residual of one, of vectors that are zero.
    descent = jnp.sum(of_block * (1.0 - score)[:, :, None], axis=1)
    descent = descent - _product(old, gram_columns) - penalty[:, None] * old_block
    new_block = old_block + _solve(of_block, take(gram_columns, axis=0), penalty, descent)
    return jax.lax.dynamic_update_slice_in_dim(old, new_block, start, axis=1)


def _solve(
    history: Float[Array, "rows length block"],
    gram: Float[Array, "block block"],
    penalty: Float[Array, " rows"],
    right: Float[Array, "rows block"],
) -> Float[Array, "rows block"]:
    identity = jnp.eye(gram.shape[0])[None]
    hessian = _product(history.swapaxes(1, 2), history) + gram[None] + penalty[:, None, None] * identity
    factor = jax.lax.linalg.cholesky(hessian, symmetrize_input=False)
    half = jax.lax.linalg.triangular_solve(factor, right[..., None], left_side=True, lower=True)
    return jax.lax.linalg.triangular_solve(factor, half, left_side=True, lower=True, transpose_a=True)[..., 0]


def _product(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
