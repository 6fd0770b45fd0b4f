"""Tables whose rows are spread over devices, for models that one device does not hold.

    mesh            one axis, ROWS; everything but the tables is on every device
    a table         rows r, filled up to a multiple of the number of devices: device k has a k-th of them
    a gather        each device gathers the rows that it has, zeros for the others, and all add up      [batch, dim]
    a scatter       each device takes what is of its rows                                               nothing is sent
    histories       each device asks all for rows by ids; what they have of them adds up               [rows length dim]
    all scores      each device has those of its items; ranks are counted there, and the counts add up  [users]

XLA's partitioner derives the programs from where the arrays are (`jax.sharding`), but for histories and all scores,
which `jax.shard_map` states. Tests read them: no device ever receives a table, or the scores of other devices' items.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, Shaped

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import Similarity

ROWS = "rows"
_TABLES = ("user", "item")  # of a recommender and of the moments of an optimiser


class Layout(NamedTuple):
    """How many rows of the table of items are items, and the devices that they are on: None where each has them all."""

    num_items: int
    mesh: Mesh | None = None

    def all_pairs(
        self, similarity: Similarity, p: Float[Array, "users dim"], q: Float[Array, "rows dim"]
    ) -> Float[Array, "users rows"]:
        """Scores of all pairs: each device scores its own, however a similarity goes through them."""
        if self.mesh is None:
            return similarity.all_pairs(p, q)
        rows, copied = PartitionSpec(ROWS), PartitionSpec()
        score = jax.shard_map(
            lambda similarity, p, q: similarity.all_pairs(p, q),
            mesh=self.mesh,
            in_specs=(copied, copied, rows),
            out_specs=PartitionSpec(None, ROWS),
            check_vma=False,
        )
        return score(similarity, p, q)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SpreadRecommender:
    """A recommender whose tables are laid out over devices; a column of its scores that is past the items fills up."""

    model: Recommender
    layout: Layout = field(metadata={"static": True})
    num_users: int = field(metadata={"static": True})

    @property
    def whole(self) -> Recommender:
        """On the host, without rows that only fill up a table."""
        return reshaped_tables(jax.device_get(self.model), self.num_users, self.layout.num_items)

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users rows"]:
        """Scores of every item for each of the given users."""
        return self.layout.all_pairs(self.model.similarity, self.model.user[users], self.model.item[...])


def beside(scorer: Any, arrays: Any) -> Any:
    """Arrays that are ranked with a scorer: a copy on each of its devices, where it is spread over some."""
    if not isinstance(scorer, SpreadRecommender):
        return arrays
    return jax.device_put(arrays, NamedSharding(scorer.layout.mesh, PartitionSpec()))


def rows_mesh(num_devices: int) -> Mesh:
    return Mesh(np.asarray(jax.devices()[:num_devices]), (ROWS,))


def gathered(table: Float[Array, "rows dim"], ids: Int[Array, "*batch"]) -> Float[Array, "*batch dim"]:
    """On each device of a mesh, within `jax.shard_map`: the vectors of its own `ids`, from the devices that have them.

    Of an id past the last row of all it is zero.
    """
    ids = jax.lax.all_gather(ids, ROWS) - jax.lax.axis_index(ROWS) * len(table)
    is_here = (ids >= 0) & (ids < len(table))
    answers = table.at[jnp.where(is_here, ids, len(table))].get(mode="fill", fill_value=0.0)
    return jax.lax.psum_scatter(answers, ROWS)


def is_rows_mesh(mesh: Mesh) -> bool:
    return mesh.axis_names == (ROWS,)


def filled_up(num_rows: int, num_devices: int) -> int:
    """Rows of a table that are as many on each device."""
    return -(-num_rows // num_devices) * num_devices


def with_rows(table: Shaped[Array, "rows ..."], num_rows: int) -> Shaped[Array, "num_rows ..."]:
    """A table with zeros after its rows, or without what filled it up."""
    if num_rows <= len(table):
        return table[:num_rows]
    return jnp.pad(table, [(0, num_rows - len(table)), *[(0, 0)] * (table.ndim - 1)])


def fill_columns(
    matrix: Shaped[Array, "batch items"], num_rows: int, value: bool | float
) -> Shaped[Array, "batch num_rows"]:
    """A matrix of items with a value in the columns of rows that only fill up a table."""
    return jnp.pad(matrix, ((0, 0), (0, num_rows - matrix.shape[1])), constant_values=value)


def shardings(tree: Any, mesh: Mesh) -> Any:
    """Where the leaves of a block's train states or models are, with leading axes groups x width."""

    def of_leaf(path, leaf) -> NamedSharding:
        names = {getattr(key, "name", getattr(key, "key", None)) for key in path[:2]}
        is_table = bool(names & set(_TABLES)) and leaf.ndim > 2
        return NamedSharding(mesh, PartitionSpec(None, None, ROWS) if is_table else PartitionSpec())

    return jax.tree_util.tree_map_with_path(of_leaf, tree)


def kept_apart(tree: Any, mesh: Mesh) -> Any:
    """A result of a program, its tables left where their rows are; as it is on any other mesh."""
    return jax.lax.with_sharding_constraint(tree, shardings(tree, mesh)) if is_rows_mesh(mesh) else tree


def reshaped_tables(tree: Any, num_users: int, num_items: int) -> Any:
    """A train state or a model with so many rows in its tables: filled up, or cut to the true counts."""
    counts = dict(zip(_TABLES, (num_users, num_items), strict=True))

    def of_leaf(path, leaf):
        names = [getattr(key, "name", getattr(key, "key", None)) for key in path[:2]]
        table = next((name for name in names if name in counts), None)
        return leaf if table is None or leaf.ndim == 0 else with_rows(leaf, counts[table])

    return jax.tree_util.tree_map_with_path(of_leaf, tree)
