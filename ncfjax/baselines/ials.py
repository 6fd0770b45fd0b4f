"""iALS: matrix factorization of implicit feedback by alternating least squares (Hu, Koren, Volinsky, ICDM 2008).

    minimise   sum over observed (u, i) of c_ui (<p_u, q_i> - 1)^2
               + unobserved_weight * sum over all (u, i) of <p_u, q_i>^2
               + regularization * (sum_u f_u |p_u|^2 + sum_i f_i |q_i|^2)

    f_u = (sum over i in I_u of c_ui + unobserved_weight * num_items)^nu, f_i likewise

(nu: Rendle et al., RecSys 2022, arXiv:2110.14037.) c_ui is the weight of an observed pair, such as the strength of a
signal, and 1 where pairs have none.

With one side fixed every row of the other is a least-squares problem of its own, solved exactly; or, as in iALS++
(arXiv:2110.14044), by a Newton step on one block of its entries after the other, which needs no d x d system:

    H   = sum over i in I_u of c_ui q_b q_b' + unobserved_weight * (Q'Q)_bb + regularization * f_u I         b: a block
    g   = sum over i in I_u of c_ui (<p_u, q_i> - 1) q_b + unobserved_weight * (Q'Q p_u)_b + regularization * f_u p_b
    p_b <- p_b - H^-1 g

A block as wide as the vectors is the exact solution. The scores <p_u, q_i> of a history follow every step. Rows are
laid out as in least_squares.py. Of tables that are spread over devices a chunk's ids and vectors are sent, and Q'Q.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Shaped

from ncfjax.baselines.least_squares import (
    Batch,
    Side,
    in_order,
    make_side,
    on_devices,
    on_one_device,
    over_chunks,
    sharding,
    single_threaded_lapack,
    solve_systems,
    vectors_of,
    with_weights,
)
from ncfjax.data.interactions import Interactions
from ncfjax.models.products import matrix_product
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot
from ncfjax.models.tables import ROWS, Layout, SpreadRecommender, filled_up, rows_mesh


class IalsWeights(NamedTuple):
    """Traced scalars."""

    regularization: Float[Array, ""]
    unobserved_weight: Float[Array, ""]
    nu: Float[Array, ""]


def fit_ials(train: Interactions, **options) -> Recommender | SpreadRecommender:
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
    table_shards: int = 1,
) -> Iterator[Recommender | SpreadRecommender]:
    """Alternates `num_epochs` times, users first, from vectors drawn from N(0, stddev^2 / embedding_dim).

    With several `table_shards` the rows of both tables are spread over so many devices, and stay there.

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
    mesh = rows_mesh(table_shards) if table_shards > 1 else None
    sizes = train.num_users, train.num_items, embedding_dim
    tables = init_tables(*sizes, jnp.float32(stddev), jax.random.key(seed), mesh=mesh)
    return _epochs(train, tables, weights, block_size, num_epochs, mesh)


def _epochs(train: Interactions, tables, weights: IalsWeights, block_size: int, num_epochs: int, mesh: Mesh | None):
    """The generator behind `ials_epochs`, which checks its arguments before the first model is asked for."""
    p, q = tables
    users = _side_of(train.users, train.items, train.num_users, train.num_items, p.shape[1], train.weights, mesh)
    items = _side_of(train.items, train.users, train.num_items, train.num_users, p.shape[1], train.weights, mesh)
    if mesh is None:
        p, q = jax.device_put((p, q), sharding())  # where an epoch leaves them: else the second one compiles again
    for _ in range(num_epochs):
        with single_threaded_lapack():
            tables = ials_epoch(p, q, users, items, weights, block_size, (train.num_users, train.num_items))
            p, q = jax.block_until_ready(tables)
        yield _recommender(p, q, Dot(p.shape[1], biases=False), train.num_users, train.num_items, mesh)


def _side_of(rows, columns, num_rows: int, num_columns: int, dim: int, weights, mesh: Mesh | None) -> Side:
    shards = 1 if mesh is None else mesh.size
    return on_devices(make_side(rows, columns, num_rows, num_columns, dim, weights=weights, shards=shards), mesh)


def _recommender(p, q, similarity: Dot, num_users: int, num_items: int, mesh: Mesh | None):
    if mesh is None:
        return Recommender.from_tables(*on_one_device((p, q)), similarity)
    return SpreadRecommender(Recommender.from_tables(p, q, similarity), Layout(num_items, mesh), num_users)


def fold_in_ials(
    scorer: Recommender | SpreadRecommender,
    users: Interactions,
    *,
    regularization: float,
    unobserved_weight: float,
    nu: float,
) -> Recommender | SpreadRecommender:
    """The vectors of users that are no part of training, given the items': each an exact solution, whatever blocks the
    model was trained by."""
    weights = IalsWeights(*map(jnp.float32, (regularization, unobserved_weight, nu)))
    model, mesh = (scorer.model, scorer.layout.mesh) if isinstance(scorer, SpreadRecommender) else (scorer, None)
    q = model.item[...] if mesh is not None else jax.device_put(model.item[...], sharding())
    sizes = users.num_users, users.num_items, q.shape[1]
    side = _side_of(users.users, users.items, *sizes, users.weights, mesh)
    where = sharding() if mesh is None else NamedSharding(mesh, PartitionSpec(ROWS))
    p = jnp.zeros((len(side.counts), q.shape[1]), q.dtype, device=where)
    with single_threaded_lapack():
        p = jax.block_until_ready(solve_side(p, q, side, weights, q.shape[1], users.num_items))
    return _recommender(p, q, model.similarity, users.num_users, users.num_items, mesh)


@partial(jax.jit, static_argnums=(0, 1, 2), static_argnames="mesh")
def init_tables(
    num_users: int, num_items: int, embedding_dim: int, stddev: Float[Array, ""], key: Array, mesh: Mesh | None = None
):
    """Both tables; a Newton step on the first block sees the others as they were drawn.

    Rows that fill up a table which a `mesh` spreads over devices are zero, and every step leaves them there.
    """
    scale = stddev / jnp.sqrt(jnp.float32(embedding_dim))

    def draw(key, num_rows):
        if mesh is None:
            return scale * jax.random.normal(key, (num_rows, embedding_dim), jnp.float32)
        table = scale * jax.random.normal(key, (filled_up(num_rows, mesh.size), embedding_dim), jnp.float32)
        table = jnp.where(jnp.arange(len(table))[:, None] < num_rows, table, 0.0)
        return jax.lax.with_sharding_constraint(table, NamedSharding(mesh, PartitionSpec(ROWS)))

    user_key, item_key = jax.random.split(key)
    return draw(user_key, num_users), draw(item_key, num_items)


def ials_epoch(
    p: Float[Array, "users dim"],
    q: Float[Array, "items dim"],
    users: Side,
    items: Side,
    weights: IalsWeights,
    block_size: int,
    sizes: tuple[int, int],
) -> tuple[Float[Array, "users dim"], Float[Array, "items dim"]]:
    """The users' vectors given the items', then the items' given the new users'; `sizes`: how many there are."""
    num_users, num_items = sizes
    p = solve_side(p, q, users, weights, block_size, num_items)
    return p, solve_side(q, p, items, weights, block_size, num_users)


def solve_side(
    table: Float[Array, "rows dim"],
    fixed: Float[Array, "columns dim"],
    side: Side,
    weights: IalsWeights,
    block_size: int,
    num_columns: int,
) -> Float[Array, "rows dim"]:
    """Every row of `table` given `fixed`, whose rows past `num_columns` are zero and fill it up."""
    in_turn = jax.block_until_ready if side.mesh is not None else lambda x: x  # as `on_one_device`: these programs send
    gram, penalty = in_turn(_shared(fixed, side.counts, weights, num_columns=num_columns))
    how = {"block_size": block_size, "mesh": side.mesh}
    solved = [in_turn(_solve_batch(table, fixed, gram, penalty, batch, **how)) for batch in side.batches]
    return in_order(solved, side.places, mesh=side.mesh)


@partial(jax.jit, static_argnames="num_columns")
def _shared(
    fixed: Float[Array, "columns dim"], counts: Shaped[Array, " rows"], weights: IalsWeights, *, num_columns: int
):
    """What the rows of a side have in common, and the penalty of each."""
    gram = weights.unobserved_weight * matrix_product(fixed.T, fixed)
    frequency = counts + weights.unobserved_weight * num_columns
    return gram, weights.regularization * frequency**weights.nu


@partial(jax.jit, static_argnames=("block_size", "mesh"))
def _solve_batch(
    table, fixed, gram, penalty, batch: Batch, *, block_size: int, mesh: Mesh | None
) -> Float[Array, "chunks rows dim"]:
    """New vectors of the rows of a batch."""

    def solve(table, fixed, penalty, gram, chunk):
        old, row_penalty = table.at[chunk.rows].get(mode="clip"), penalty.at[chunk.rows].get(mode="clip")
        history = vectors_of(fixed, chunk.columns, mesh)
        return newton_steps(old, history, gram, row_penalty, block_size, chunk.weights)

    return over_chunks(solve, (table, fixed, penalty), (gram,), batch, mesh)


def newton_steps(
    old: Float[Array, "rows dim"],
    history: Float[Array, "rows length dim"],
    gram: Float[Array, "dim dim"],
    penalty: Float[Array, " rows"],
    block_size: int,
    weights: Float[Array, "rows length"] | None = None,
) -> Float[Array, "rows dim"]:
    """On one block of entries after the other; padded entries of `history` are zero and add nothing."""
    if block_size == old.shape[1]:  # all of them: from zero no residual is needed
        weighted = with_weights(history, weights)
        return _solve(history, weighted, gram, penalty, jnp.sum(weighted, axis=1))

    def step(number, carry):
        vectors, score = carry
        take = partial(jax.lax.dynamic_slice_in_dim, start_index=number * block_size, slice_size=block_size)
        block_history, gram_columns, block = take(history, axis=2), take(gram, axis=1), take(vectors, axis=1)
        weighted = with_weights(block_history, weights)
        # Padded entries have a residual of one, of vectors that are zero.
        descent = matrix_product((1.0 - score)[:, None, :], weighted)[:, 0]
        descent = descent - matrix_product(vectors, gram_columns) - penalty[:, None] * block
        change = _solve(block_history, weighted, take(gram_columns, axis=0), penalty, descent)
        vectors = jax.lax.dynamic_update_slice_in_dim(vectors, block + change, number * block_size, axis=1)
        return vectors, score + _scores(block_history, change)

    return jax.lax.fori_loop(0, old.shape[1] // block_size, step, (old, _scores(history, old)))[0]


def _scores(history: Float[Array, "rows length dim"], vectors: Float[Array, "rows dim"]) -> Float[Array, "rows length"]:
    return matrix_product(history, vectors[:, :, None])[..., 0]


def _solve(
    history: Float[Array, "rows length block"],
    weighted: Float[Array, "rows length block"],
    gram: Float[Array, "block block"],
    penalty: Float[Array, " rows"],
    right: Float[Array, "rows block"],
) -> Float[Array, "rows block"]:
    identity = jnp.eye(gram.shape[0])[None]
    hessian = matrix_product(history.swapaxes(1, 2), weighted) + gram[None] + penalty[:, None, None] * identity
    return solve_systems(hessian, right)
