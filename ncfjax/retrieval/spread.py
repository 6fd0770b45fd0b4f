"""Exact search of a catalogue whose items are spread over devices.

    1. every device scores its own items and finds the k highest of them        queries x k
    2. these candidates of all devices are put side by side                     queries x k x devices
    3. the k highest of those, equal scores in the order of ids

What is sent are the candidates: `jax.lax.top_k` of scores that are spread would gather all of them on every device.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, UInt8

from ncfjax.models.similarity import Similarity
from ncfjax.models.tables import ROWS, rows_mesh
from ncfjax.retrieval.exact import queries_at_once
from ncfjax.retrieval.filters import denied_all, rows_of
from ncfjax.retrieval.scoring import in_blocks, keys_of, queries_of, score, with_offsets
from ncfjax.retrieval.top_k import Found, best, best_of

_BITS = 8  # a device's items begin with a byte of what is denied


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Spread:
    keys: Any  # `scoring.keys_of` each device's items, on it; leading axis devices
    similarity: Similarity | None
    ids: Int[Array, " rows"]  # of the items, on their devices; -1 fills up, so that each has as many
    mesh: Mesh = field(metadata={"static": True})


def build(items: Float[Array, "items dim"], similarity: Similarity | None = None, num_devices: int = 1) -> Spread:
    """An index of the items' vectors; without a similarity it is their inner product with the query.

    Raises:
        ValueError: more devices than there are, or none.
    """
    if not 1 <= num_devices <= jax.device_count():
        raise ValueError(f"num_devices: expected 1 to {jax.device_count()}, which are there, got {num_devices}")
    mesh = rows_mesh(num_devices)
    filling = -len(items) % (_BITS * num_devices)
    ids = np.pad(np.arange(len(items), dtype=np.int32), (0, filling), constant_values=-1)
    vectors, ids = jax.device_put(
        (np.pad(np.asarray(items), ((0, filling), (0, 0))), ids), NamedSharding(mesh, PartitionSpec(ROWS))
    )

    def keys_of_device(items, similarity):
        return jax.tree.map(lambda keys: keys[None], keys_of(items, similarity))

    keys = _over(mesh, keys_of_device, (PartitionSpec(ROWS), PartitionSpec()), PartitionSpec(ROWS))
    return Spread(jax.jit(keys)(vectors, similarity), similarity, ids, mesh)


@partial(jax.jit, static_argnames="k")
def search(
    index: Spread, queries: Float[Array, "queries dim"], k: int, denied: UInt8[Array, "_ bytes"] | None = None
) -> Found:
    """The k items that the similarity scores highest, exactly; equal scores in the order of ids."""
    num_rows, mesh = len(index.ids), index.mesh
    on_device = num_rows // mesh.size

    def of_device(keys, similarity, ids, queries, denied):
        """The best of all devices, on each of them."""
        kept_out = jnp.broadcast_to((ids < 0)[None, :], (len(queries), on_device))
        if denied is not None:
            first = jax.lax.axis_index(ROWS) * (on_device // _BITS)
            own = jax.lax.dynamic_slice_in_dim(denied, first, on_device // _BITS, axis=1)
            kept_out |= denied_all(own, on_device)
        found = best(score(queries, jax.tree.map(lambda x: x[0], keys), similarity), kept_out, min(k, on_device))
        items = jnp.where(found.items < 0, -1, ids[found.items])
        beside = partial(jax.lax.all_gather, axis_name=ROWS, axis=1, tiled=True)
        return best_of(beside(found.scores), beside(items), k)

    spread, copied = PartitionSpec(ROWS), PartitionSpec()
    over_devices = _over(mesh, of_device, (spread, copied, spread, copied, copied), copied)
    if denied is not None:
        denied = jnp.pad(rows_of(denied, len(queries)), ((0, 0), (0, num_rows // _BITS - denied.shape[1])))

    def block(queries, denied):
        return over_devices(index.keys, index.similarity, index.ids, queries, denied)

    found = in_blocks(block, queries_of(queries, index.similarity), denied, queries_at_once(num_rows))
    return with_offsets(found, queries, index.similarity)


def _over(mesh: Mesh, function: Callable, in_specs: Any, out_specs: Any) -> Callable:
    return jax.shard_map(function, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
