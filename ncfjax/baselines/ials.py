"""iALS: matrix factorization of implicit feedback by alternating least squares (Hu, Koren, Volinsky, ICDM 2008).

    minimise   sum over observed (u, i) of (<p_u, q_i> - 1)^2 + unobserved_weight * sum over all (u, i) of <p_u, q_i>^2
               + regularization * (sum_u f_u |p_u|^2 + sum_i f_i |q_i|^2)

    f_u = (|I_u| + unobserved_weight * num_items)^nu, f_i likewise        (Rendle et al., RecSys 2022, arXiv:2110.14037)

With one side fixed every row of the other is a least-squares problem of its own, solved exactly; or, as in iALS++
(arXiv:2110.14044), by a Newton step on one block of its entries after the other, which needs no d x d system:

    H   = sum over i in I_u of q_b q_b' + unobserved_weight * (Q'Q)_bb + regularization * f_u I         b: a block
    g   = sum over i in I_u of (<p_u, q_i> - 1) q_b + unobserved_weight * (Q'Q p_u)_b + regularization * f_u p_b
    p_b <- p_b - H^-1 g

A block as wide as the vectors is the exact solution. The scores <p_u, q_i> of a history follow every step. Rows of
similar history length are padded to one length and shared out to the devices, each of which solves FLOATS_AT_ONCE
floats of them at a time.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from ncfjax.data.interactions import Interactions
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot

FLOATS_AT_ONCE = 500_000  # of the gathered vectors and the systems of some rows: 2 MB stay in cache
GROWTH = 1.6  # of the lengths within a batch, at most; every batch is a program to compile


class IalsWeights(NamedTuple):
    """Traced scalars."""

    regularization: Float[Array, ""]
    unobserved_weight: Float[Array, ""]
    nu: Float[Array, ""]


class Batch(NamedTuple):
    """Rows of similar history length, as many chunks for every device; padding is past the last row or column."""

    rows: Int[Array, "chunks rows"]
    columns: Int[Array, "chunks rows length"]


class Side(NamedTuple):
    """Who interacted with what, from the view of the users or of the items.

    `places` tells where a row is among those of all batches, one after the other.
    """

    batches: list[Batch]
    places: Int[Array, " rows"]
    counts: Int[Array, " rows"]


def make_side(
    rows: Int[np.ndarray, " n"], columns: Int[np.ndarray, " n"], num_rows: int, num_columns: int, embedding_dim: int
) -> Side:
    """Lays out the pairs by `rows`; rows without any are solved too, and become zero."""
    counts = np.bincount(rows, minlength=num_rows)
    histories = np.split(columns[np.argsort(rows, kind="stable")], np.cumsum(counts)[:-1])
    order, batches, first = np.argsort(counts, kind="stable"), [], 0
    while first < num_rows:
        last = int(np.searchsorted(counts[order], max(1, counts[order[first]]) * GROWTH, side="right"))
        batches.append(_make_batch(order[first:last], histories, num_rows, num_columns, embedding_dim))
        first = last
    everywhere = np.concatenate([batch.rows.ravel() for batch in batches])
    places = np.argsort(everywhere, kind="stable")[:num_rows]
    return Side(batches, places.astype(np.int32), counts.astype(np.int32))


def _make_batch(ids, histories: list[np.ndarray], num_rows: int, num_columns: int, embedding_dim: int) -> Batch:
    """Those rows; the last of them has the longest history."""
    length = max(1, len(histories[ids[-1]]))
    at_once = max(1, FLOATS_AT_ONCE // (embedding_dim * (length + embedding_dim)))
    num_devices = jax.device_count()
    num_chunks = num_devices * -(-len(ids) // (at_once * num_devices))
    size = -(-len(ids) // num_chunks)
    rows = np.full(num_chunks * size, num_rows, np.int32)
    columns = np.full((len(rows), length), num_columns, np.int32)
    rows[: len(ids)] = ids
    for place, row in enumerate(ids):
        columns[place, : len(histories[row])] = histories[row]
    return Batch(rows.reshape(num_chunks, size), columns.reshape(num_chunks, size, length))


def fit_ials(train: Interactions, **options) -> Recommender:
    """The model after the last epoch of `ials_epochs`, which tells the options."""
    for model in ials_epochs(train, **options):  # noqa: B007
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

    Yields the model after every epoch. Its tables may be donated to the next one: look at a model, or copy its tables,
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
    users, items = _on_devices(users), _on_devices(items)
    p, q = jax.device_put((p, q), _sharding())  # where an epoch leaves them: else the second one compiles again
    for _ in range(num_epochs):
        p, q = ials_epoch(p, q, users, items, weights, block_size)
        # On one device, as any other model: on all of them, every device would rank every user.
        yield Recommender.from_tables(*jax.device_put((p, q), jax.devices()[0]), Dot(p.shape[1], biases=False))


def _sharding(*axes: str) -> NamedSharding:
    """Over the devices along the first axis, or a copy for each of them."""
    return NamedSharding(Mesh(np.asarray(jax.devices()), ("devices",)), PartitionSpec(*axes))


def _on_devices(side: Side) -> Side:
    batches = jax.device_put(side.batches, _sharding("devices"))
    return Side(batches, *jax.device_put((side.places, side.counts), _sharding()))


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
    """The users' vectors given the items', then the items' given the new users'."""
    p = solve_side(p, q, users, weights, block_size)
    return p, solve_side(q, p, items, weights, block_size)


def solve_side(
    table: Float[Array, "rows dim"], fixed: Float[Array, "columns dim"], side: Side, weights: IalsWeights, block_size
) -> Float[Array, "rows dim"]:
    """Every row of `table` given `fixed`."""
    gram, penalty = _shared(fixed, side.counts, weights)
    solved = [_solve_batch(table, fixed, gram, penalty, batch, block_size=block_size) for batch in side.batches]
    return _in_order(solved, side.places)


@jax.jit
def _shared(fixed: Float[Array, "columns dim"], counts: Int[Array, " rows"], weights: IalsWeights):
    """What the rows of a side have in common, and the penalty of each."""
    gram = weights.unobserved_weight * _product(fixed.T, fixed)
    frequency = counts + weights.unobserved_weight * len(fixed)
    return gram, weights.regularization * frequency**weights.nu


@partial(jax.jit, static_argnames="block_size")
def _solve_batch(table, fixed, gram, penalty, batch: Batch, *, block_size: int) -> Float[Array, "chunks rows dim"]:
    """New vectors of the rows of a batch; every device solves its chunks one after the other."""

    def chunk(table, fixed, gram, penalty, rows, columns):
        old, row_penalty = table.at[rows].get(mode="clip"), penalty.at[rows].get(mode="clip")
        history = fixed.at[columns].get(mode="fill", fill_value=0.0)
        return newton_steps(old, history, gram, row_penalty, block_size)

    def chunks(*arguments):
        *shared, batch = arguments
        return jax.lax.map(lambda batch: chunk(*shared, *batch), batch)

    cut, shared = PartitionSpec("devices"), PartitionSpec()
    over_devices = jax.shard_map(
        chunks, mesh=_sharding().mesh, in_specs=(*[shared] * 4, cut), out_specs=cut, check_vma=False
    )
    return over_devices(table, fixed, gram, penalty, batch)


@jax.jit
def _in_order(solved: list[Float[Array, "_chunks _rows dim"]], places: Int[Array, " rows"]) -> Float[Array, "rows dim"]:
    vectors = jnp.concatenate([batch.reshape(-1, batch.shape[2]) for batch in solved])
    return jax.lax.with_sharding_constraint(vectors[places], _sharding())


def newton_steps(
    old: Float[Array, "rows dim"],
    history: Float[Array, "rows length dim"],
    gram: Float[Array, "dim dim"],
    penalty: Float[Array, " rows"],
    block_size: int,
) -> Float[Array, "rows dim"]:
    """On one block of entries after the other; padded entries of `history` are zero and add nothing."""
    if block_size == old.shape[1]:  # all of them: from zero no residual is needed
        return _solve(history, gram, penalty, jnp.sum(history, axis=1))

    def step(number, carry):
        vectors, score = carry
        take = partial(jax.lax.dynamic_slice_in_dim, start_index=number * block_size, slice_size=block_size)
        block_history, gram_columns, block = take(history, axis=2), take(gram, axis=1), take(vectors, axis=1)
        # Padded entries have a residual of one, of vectors that are zero.
        descent = _product((1.0 - score)[:, None, :], block_history)[:, 0]
        descent = descent - _product(vectors, gram_columns) - penalty[:, None] * block
        change = _solve(block_history, take(gram_columns, axis=0), penalty, descent)
        vectors = jax.lax.dynamic_update_slice_in_dim(vectors, block + change, number * block_size, axis=1)
        return vectors, score + _scores(block_history, change)

    return jax.lax.fori_loop(0, old.shape[1] // block_size, step, (old, _scores(history, old)))[0]


def _scores(history: Float[Array, "rows length dim"], vectors: Float[Array, "rows dim"]) -> Float[Array, "rows length"]:
    return _product(history, vectors[:, :, None])[..., 0]


def _solve(
    history: Float[Array, "rows length block"],
    gram: Float[Array, "block block"],
    penalty: Float[Array, " rows"],
    right: Float[Array, "rows block"],
) -> Float[Array, "rows block"]:
    identity = jnp.eye(gram.shape[0])[None]
    hessian = _product(history.swapaxes(1, 2), history) + gram[None] + penalty[:, None, None] * identity
    if jax.default_backend() != "cpu":
        return jax.vmap(_solve_one)(hessian, right)
    # One system a call: LAPACK on many of them waits for threads that XLA shares among all programs, and when as many
    # calls wait as there are threads, none goes on (jaxlib 0.10.2, two devices).
    return jax.lax.map(lambda system: _solve_one(*system), (hessian, right))


def _solve_one(hessian: Float[Array, "block block"], right: Float[Array, " block"]) -> Float[Array, " block"]:
    factor = jax.lax.linalg.cholesky(hessian, symmetrize_input=False)
    half = jax.lax.linalg.triangular_solve(factor, right[:, None], left_side=True, lower=True)
    return jax.lax.linalg.triangular_solve(factor, half, left_side=True, lower=True, transpose_a=True)[:, 0]


def _product(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
