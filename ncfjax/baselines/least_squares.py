"""Every row of a table by a least-squares problem of its own: one side of a factorization, given the other.

    p_u = argmin over p of   sum over i in I_u of c_ui (<p, q_i> + o_i - y_ui)^2 + sum_k penalty_uk (p_k - prior_uk)^2

        = (sum over i in I_u of c_ui q_i q_i' + diag(penalty_u))^-1
          (sum over i in I_u of c_ui (y_ui - o_i) q_i + penalty_u * prior_u)

I_u is the history of row u. Rows of similar history length are padded to one length and shared out to the devices, each
of which solves as many of them at a time as its backend is best at.

Every device has a copy of both tables; or, where these are spread over `shards` devices (models/tables.py), each solves
the rows that it has, and all of them go through batches of one shape in step: the j-th shortest history of each device
is padded to the longest of these. The vectors of histories come from where they are, as in ALX (Mehta et al., 2021,
arXiv:2112.02194).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int
from threadpoolctl import ThreadpoolController

from ncfjax.models.products import matrix_product
from ncfjax.models.tables import ROWS, filled_up, gathered

# Of the gathered vectors and the systems of some rows, which are solved at a time.
FLOATS_AT_ONCE = 500_000  # on a CPU: 2 MB stay in cache
FLOATS_ON_ACCELERATOR = 50_000_000  # 200 MB: what is solved one after the other must be much to keep it busy
GROWTH = 1.6  # of the lengths within a batch, at most; every batch is a program to compile


def floats_at_once() -> int:
    """On the devices that there are."""
    return FLOATS_AT_ONCE if jax.default_backend() == "cpu" else FLOATS_ON_ACCELERATOR


class Batch(NamedTuple):
    """Rows of similar history length, as many chunks for every device; padding is past the last row or column.

    Where tables are spread, a row is numbered among those of its device.
    """

    rows: Int[Array, "chunks rows"]
    columns: Int[Array, "chunks rows length"]
    values: Float[Array, "chunks rows length"] | None = None  # y of each pair
    weights: Float[Array, "chunks rows length"] | None = None  # c of each pair; None: one


class Side(NamedTuple):
    """Who interacted with what, from the view of the users or of the items.

    `places` tells where a row is among those of all batches, one after the other; `counts` how many pairs it has, or
    the sum of their weights. `mesh`: the devices that tables are spread over; None: each has whole ones.
    """

    batches: list[Batch]
    places: Int[Array, " rows"]
    counts: Int[Array, " rows"] | Float[Array, " rows"]
    mesh: Mesh | None = None


def make_side(
    rows: Int[np.ndarray, " n"],
    columns: Int[np.ndarray, " n"],
    num_rows: int,
    num_columns: int,
    embedding_dim: int,
    values: Float[np.ndarray, " n"] | None = None,
    weights: Float[np.ndarray, " n"] | None = None,
    shortest: int = 1,
    shards: int = 1,
) -> Side:
    """Lays out the pairs by `rows`; rows without any are solved too, also those that fill up a table.

    No batch ends before GROWTH * `shortest` pairs: with more of them fewer programs are compiled.
    """
    num_rows = filled_up(num_rows, shards)
    counts = np.bincount(rows, minlength=num_rows)
    by_row, starts = np.argsort(rows, kind="stable"), np.cumsum(counts) - counts
    pairs = [None if array is None else array[by_row] for array in (columns, values, weights)]
    batches = [
        _make_batch(cut, starts, counts, pairs, num_columns)
        for cut in cut_rows(counts, embedding_dim, shortest, shards)
    ]
    everywhere = np.concatenate([batch.rows.reshape(shards, -1) for batch in batches], axis=1)
    places = np.argsort(everywhere, axis=1, kind="stable")[:, : num_rows // shards].ravel()
    if weights is not None:
        return Side(batches, places.astype(np.int32), np.bincount(rows, weights, num_rows).astype(np.float32))
    return Side(batches, places.astype(np.int32), counts.astype(np.int32))


class Cut(NamedTuple):
    """Rows of a batch, in chunks of so many, each history filled up to one length."""

    rows: Int[np.ndarray, "shards rows"]  # numbered among those of their device
    length: int
    num_chunks: int  # of each shard
    size: int  # rows of a chunk; of all chunks a few more than there are


def cut_rows(counts: Int[np.ndarray, " rows"], embedding_dim: int, shortest: int = 1, shards: int = 1) -> Iterator[Cut]:
    """How rows of so many pairs are laid out, those of few pairs first."""
    by_shard = np.pad(counts, (0, filled_up(len(counts), shards) - len(counts))).reshape(shards, -1)
    order, first = np.argsort(by_shard, axis=1, kind="stable"), 0
    longest = np.take_along_axis(by_shard, order, axis=1).max(axis=0)
    num_devices = jax.device_count() if shards == 1 else 1  # that the chunks of a shard are shared out to
    while first < len(longest):
        last = int(np.searchsorted(longest, max(shortest, longest[first]) * GROWTH, side="right"))
        length = max(1, int(longest[last - 1]))
        at_once = max(1, floats_at_once() // (embedding_dim * (shards * length + embedding_dim)))
        num_chunks = num_devices * -(-(last - first) // (at_once * num_devices))
        yield Cut(order[:, first:last], length, num_chunks, -(-(last - first) // num_chunks))
        first = last


def side_bytes(
    counts: Int[np.ndarray, " rows"], embedding_dim: int, shortest: int = 1, per_pair: int = 4, shards: int = 1
) -> int:
    """Memory that a side of rows of so many pairs holds, with `per_pair` bytes for each of them."""
    cuts = cut_rows(counts, embedding_dim, shortest, shards)
    return shards * sum(c.num_chunks * c.size * (4 + per_pair * c.length) for c in cuts)


def solving_bytes(counts: Int[np.ndarray, " rows"], embedding_dim: int, shortest: int = 1, shards: int = 1) -> int:
    """Memory that all devices take to solve the rows of one chunk each: vectors, as each has them for the chunks of all
    and as gathered, and systems."""
    cuts = cut_rows(counts, embedding_dim, shortest, shards)
    floats = max(c.size * embedding_dim * ((1 + shards) * c.length + embedding_dim) for c in cuts)
    return 4 * (jax.device_count() if shards == 1 else shards) * floats


def sent_bytes(counts: Int[np.ndarray, " rows"], embedding_dim: int, shards: int) -> int:
    """The most that devices which tables are spread over ask each other for at once: the vectors of a chunk of each."""
    return 4 * shards * max(c.size * c.length for c in cut_rows(counts, embedding_dim, shards=shards)) * embedding_dim


def _make_batch(cut: Cut, starts, counts, pairs, num_columns: int) -> Batch:
    """The pairs of those rows, which begin at `starts` and are so many."""
    shards, num_rows = cut.rows.shape
    per_shard = len(counts) // shards
    ids = cut.rows + per_shard * np.arange(shards)[:, None]
    is_pair = np.arange(cut.length) < counts[ids][..., None]
    sources = (starts[ids][..., None] + np.arange(cut.length))[is_pair]

    def padded(array, padding):
        whole = np.full((shards, cut.num_chunks * cut.size, cut.length), padding, array.dtype)
        whole[:, :num_rows][is_pair] = array[sources]
        return whole.reshape(-1, cut.size, cut.length)

    rows = np.full((shards, cut.num_chunks * cut.size), per_shard, np.int32)
    rows[:, :num_rows] = cut.rows
    columns, *others = pairs
    values, weights = (None if array is None else padded(array, 0) for array in others)
    return Batch(rows.reshape(-1, cut.size), padded(columns, num_columns), values, weights)


def on_devices(side: Side, mesh: Mesh | None = None) -> Side:
    """The chunks of every batch shared out to the devices, or where the rows are that a `mesh` spreads over them."""
    if mesh is not None:
        placed = jax.device_put((side.batches, side.places, side.counts), NamedSharding(mesh, PartitionSpec(ROWS)))
        return Side(*placed, mesh)
    batches = jax.device_put(side.batches, sharding("devices"))
    return Side(batches, *jax.device_put((side.places, side.counts), sharding()))


def on_one_device(tables: Any) -> Any:
    """Tables that were solved, as any other model has them: on all devices, every one would score everything."""
    # Once they are there: where several programs that need all devices are under way, each may hold a thread that the
    # other waits for (jaxlib 0.10.2, two devices of one CPU: 20 epochs of MovieLens-100K, asked for at once).
    return jax.device_put(jax.block_until_ready(tables), jax.devices()[0])


def sharding(*axes: str) -> NamedSharding:
    """Over the devices along the first axis, or a copy for each of them."""
    return NamedSharding(Mesh(np.asarray(jax.devices()), ("devices",)), PartitionSpec(*axes))


@contextmanager
def single_threaded_lapack() -> Iterator[None]:
    """Around programs that solve rows, until their results are there: devices of a CPU solve side by side.

    LAPACK's own threads, which it takes for systems of some 200 x 200 on, would wait for each other and for whatever
    else runs. iALS on MovieLens-1M, two devices, an epoch: d=192 2.7 s with one thread for each system or with two,
    d=256 13.7 s with two, 4.1 s with one; beside another program that takes both cores, ten times as long with two.
    """
    if jax.default_backend() != "cpu":
        yield
        return
    with _lapack().limit(limits=1, user_api="blas"):
        yield


@cache
def _lapack() -> ThreadpoolController:
    import scipy.linalg.cython_lapack  # noqa: F401  XLA's on a CPU, which is there for the controller once it is loaded

    return ThreadpoolController()


def solve_rows(
    side: Side,
    vectors: Float[Array, "columns dim"],
    offsets: Float[Array, " columns"],
    penalty: Float[Array, "rows dim"],
    prior: Float[Array, "rows dim"] | None = None,
) -> Float[Array, "rows dim"]:
    """Every row, given the `vectors` q and the `offsets` o of the columns.

    Penalties may be zero where a row's history decides the entry. A row without history is at its prior, exactly at
    zero where there is none.
    """
    penalty, pull = _with_prior(side.counts, penalty, prior)
    return in_order([_solve_batch(vectors, offsets, penalty, pull, batch) for batch in side.batches], side.places)


@jax.jit
def _with_prior(counts, penalty, prior):
    """The penalties, and how hard they pull; an unpenalised row without history has no unique solution else."""
    penalty = jnp.where((counts == 0)[:, None], 1.0, penalty)
    return penalty, None if prior is None else penalty * prior


@jax.jit
def _solve_batch(vectors, offsets, penalty, pull, batch: Batch) -> Float[Array, "chunks rows dim"]:
    def solve(vectors, offsets, penalty, pull, chunk):
        history = vectors_of(vectors, chunk.columns, None)
        target = chunk.values - offsets.at[chunk.columns].get(mode="clip")  # padded: of vectors that are zero
        weighted = with_weights(history, chunk.weights)
        right = matrix_product(target[:, None, :], weighted)[:, 0]
        if pull is not None:
            right += pull.at[chunk.rows].get(mode="clip")
        diagonal = penalty.at[chunk.rows].get(mode="clip")
        identity = jnp.eye(vectors.shape[1])[None]
        return solve_systems(matrix_product(history.swapaxes(1, 2), weighted) + diagonal[:, None, :] * identity, right)

    return over_chunks(solve, (vectors, offsets, penalty, pull), (), batch)


def over_chunks(
    solve: Callable[..., Float[Array, "rows dim"]],
    tables: tuple[Any, ...],
    shared: tuple[Any, ...],
    batch: Batch,
    mesh: Mesh | None = None,
) -> Float[Array, "chunks rows dim"]:
    """`solve(*tables, *shared, chunk)` of every chunk of a batch; each device solves its chunks one after the other.

    Of `tables` each device has its rows alone, where a `mesh` is given that they are spread over.
    """

    def chunks(tables, shared, batch):
        return jax.lax.map(lambda chunk: solve(*tables, *shared, chunk), batch)

    copied, cut = PartitionSpec(), PartitionSpec("devices" if mesh is None else ROWS)
    where = copied if mesh is None else cut, copied, cut
    over = sharding().mesh if mesh is None else mesh
    return jax.shard_map(chunks, mesh=over, in_specs=where, out_specs=cut, check_vma=False)(tables, shared, batch)


def vectors_of(
    table: Float[Array, "columns dim"], ids: Int[Array, "rows length"], mesh: Mesh | None
) -> Float[Array, "rows length dim"]:
    """Of a table within `over_chunks`; of an id past the last one zero."""
    return table.at[ids].get(mode="fill", fill_value=0.0) if mesh is None else gathered(table, ids)


@partial(jax.jit, static_argnames="mesh")
def in_order(
    solved: list[Float[Array, "_chunks _rows dim"]], places: Int[Array, " rows"], mesh: Mesh | None = None
) -> Float[Array, "rows dim"]:
    """The rows of all batches, each in its place."""

    def order(solved, places):
        return jnp.concatenate([batch.reshape(-1, batch.shape[2]) for batch in solved])[places]

    if mesh is None:
        return jax.lax.with_sharding_constraint(order(solved, places), sharding())
    rows = PartitionSpec(ROWS)
    return jax.shard_map(order, mesh=mesh, in_specs=rows, out_specs=rows, check_vma=False)(solved, places)


def with_weights(
    history: Float[Array, "rows length dim"], weights: Float[Array, "rows length"] | None
) -> Float[Array, "rows length dim"]:
    """c q of every pair."""
    return history if weights is None else weights[..., None] * history


def solve_systems(hessian: Float[Array, "rows dim dim"], right: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
    """Positive definite systems, one for each row."""
    if jax.default_backend() != "cpu":
        return jax.vmap(_solve_one)(hessian, right)
    # One system a call: LAPACK on many of them waits for threads that XLA shares among all programs, and when as many
    # calls wait as there are threads, none goes on (jaxlib 0.10.2, two devices).
    return jax.lax.map(lambda system: _solve_one(*system), (hessian, right))


def _solve_one(hessian: Float[Array, "dim dim"], right: Float[Array, " dim"]) -> Float[Array, " dim"]:
    factor = jax.lax.linalg.cholesky(hessian, symmetrize_input=False)
    half = jax.lax.linalg.triangular_solve(factor, right[:, None], left_side=True, lower=True)
    return jax.lax.linalg.triangular_solve(factor, half, left_side=True, lower=True, transpose_a=True)[:, 0]
