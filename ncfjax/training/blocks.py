"""Members of a grid as groups and blocks: who is trained beside whom, and on which device. Knows no model.

Members of one seed form groups, which are vmapped over their hyperparameters. A block is the groups that are trained by
one call: spread over the devices (`jax.sharding`) and, on one device, vmapped on an accelerator but mapped one after
another on a CPU, where a second model in the cache costs more than it saves. Who shares its group is decided by the
whole grid and not by what is missing of it, so on a CPU a grid that was stopped ends in the same bits, given the same
memory and devices.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Shaped

from ncfjax.models.tables import is_rows_mesh, rows_mesh, shardings

# On a CPU, XLA hands sums and products to a library, YNN; which of both is faster depends on the step.
WITHOUT_YNN = {"xla_cpu_experimental_ynn_fusion_type": ""}

Group = list[Any]  # members of one seed, which is their field `seed`


class Block(NamedTuple):
    """Groups that are trained by one call, each filled up to `width` members."""

    groups: list[Group]
    width: int

    @property
    def members(self) -> list[Any]:
        return [member for group in self.groups for member in group]


class State(NamedTuple):
    """All members of a block after `epoch` epochs; every leaf of `train_states` has leading axes groups x width."""

    train_states: Any
    epoch: int


class MemoryEstimate(NamedTuple):
    """Bytes that every device needs whatever it trains, for each member, and of the host; in words, what most
    of them are for.

    On a CPU all of them come from one memory; an accelerator's holds no bytes of the host. A member that is spread over
    several `devices` has them for itself, and its bytes are those of all of them.
    """

    fixed: int
    each: int
    host: int = 0
    why: str = ""
    devices: int = 1


def compiler_options(on_a_cpu: dict[str, str]) -> dict[str, str]:
    """What to compile a program with, given the options that it wants on a CPU: those that this jaxlib has.

    They make a program faster and are experimental: what a later jaxlib has no more is left out.
    """
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in on_a_cpu.items() if _is_known(name, value)}


@cache
def _is_known(name: str, value: str) -> bool:
    """Whether XLA compiles with an option: it refuses one that it does not know, or a value that is none."""
    try:
        jax.jit(lambda: jnp.float32(0), compiler_options={name: value})()
    except jax.errors.JaxRuntimeError as error:
        if "INVALID_ARGUMENT" not in str(error):
            raise
        return False
    return True


def cut_into_groups(members: list[Any], memory: MemoryEstimate, memory_bytes: int, cpu_width: int) -> list[Group]:
    """Groups of nearly equal width, each of one seed, that fit `memory_bytes`; on a CPU at most `cpu_width` wide.

    Raises ValueError where not even one member fits.
    """
    widest, num_devices = _members_per_device(memory, memory_bytes)
    if jax.default_backend() == "cpu":
        widest = min(widest, cpu_width)
    if memory.devices > 1:
        widest = 1
    by_seed: dict[int, list[Any]] = {}
    for member in members:
        by_seed.setdefault(member.seed, []).append(member)
    # Several devices want several groups: with fewer seeds than devices, a seed has more than one.
    shares = -(-num_devices // len(by_seed))
    groups = []
    for same_seed in by_seed.values():
        count = min(len(same_seed), max(shares, -(-len(same_seed) // widest)))
        groups += [list(part) for part in _nearly_equal(same_seed, count)]
    return groups


def cut_into_blocks(groups: list[Group], width: int, memory: MemoryEstimate, memory_bytes: int) -> list[Block]:
    """Blocks of groups that fit `memory_bytes`, each with as many groups as the others or one less.

    `width` is that of the widest group of the whole grid. On a CPU a block has one group per device: more would wait
    for each other, and results are stored when a block ends.
    """
    per_device, num_devices = _members_per_device(memory, memory_bytes)
    one_by_one = jax.default_backend() == "cpu" or memory.devices > 1
    most = num_devices if one_by_one else num_devices * max(1, per_device // width)
    return [Block(part, width) for part in _nearly_equal(groups, -(-len(groups) // most))]


def size_text(num_bytes: int | float) -> str:
    """In the unit that shows it: "27.68 GB", "940 bytes"."""
    units = {"GB": 1e9, "MB": 1e6, "KB": 1e3}
    fitting = ((unit, size) for unit, size in units.items() if num_bytes >= size)
    unit, size = next(fitting, ("bytes", None))
    return f"{num_bytes / size:.2f} {unit}" if size else f"{num_bytes:.0f} {unit}"


def _members_per_device(memory: MemoryEstimate, memory_bytes: int) -> tuple[int, int]:
    """How many members fit a device's share of the memory, and how many devices there is memory for."""
    fixed, each, _, why, _ = memory
    for_devices = memory_bytes - _on_host(memory)
    num_devices = min(_num_places(memory), int(for_devices // (fixed + each)))
    least = jax.device_count() if jax.process_count() > 1 and memory.devices == 1 else 1  # each has a part in all
    if num_devices < least:
        sizes = least * (fixed + each) + _on_host(memory), memory_bytes
        needed, got = map(size_text, sizes)
        if needed == got:
            needed, got = (f"{size:,.0f} bytes" for size in sizes)
        raise ValueError(f"memory: expected at least {needed} for one member{why and f' ({why})'}, got {got}")
    return int((for_devices / num_devices - fixed) // each), num_devices


def _num_places(memory: MemoryEstimate) -> int:
    """How many members are trained side by side at most: one per device, or one on all that it is spread over."""
    return jax.device_count() if memory.devices == 1 else 1


def _on_host(memory: MemoryEstimate) -> int:
    return memory.host * jax.process_count() if jax.default_backend() == "cpu" else 0


def memory_bytes(memory: MemoryEstimate, block: Block) -> int:
    """An estimate of the memory that a block needs, over all devices."""
    num_devices = min(len(block.groups), _num_places(memory))
    return _on_host(memory) + num_devices * memory.fixed + len(block.groups) * block.width * memory.each


def _nearly_equal(items: list, count: int) -> list[list]:
    bounds = [round(i * len(items) / count) for i in range(count + 1)] if count else [0]
    return [items[first:last] for first, last in zip(bounds[:-1], bounds[1:], strict=True)]


def filled(block: Block, table_shards: int = 1) -> tuple[list[Group], Mesh]:
    """Groups of one width, as many for each device, by repeating members and groups; and the devices.

    With several `table_shards` these many devices share each group.
    """
    if table_shards > 1:
        return [(group * block.width)[: block.width] for group in block.groups], rows_mesh(table_shards)
    num_devices = min(len(block.groups), jax.device_count())
    if jax.process_count() > 1:  # each has a part in every block
        num_devices = jax.device_count()
    groups = [(group * block.width)[: block.width] for group in block.groups]
    mesh = Mesh(np.asarray(jax.devices()[:num_devices]), ("groups",))
    filling = itertools.islice(itertools.cycle(groups), -len(groups) % num_devices)
    return [*groups, *filling], mesh


def split(tree: Any, mesh: Mesh) -> Any:
    """Arrays whose leading axis is groups, spread over the devices; or tables by their rows, and copies of the rest."""
    where = shardings(tree, mesh) if is_rows_mesh(mesh) else NamedSharding(mesh, PartitionSpec("groups"))
    return jax.device_put(tree, where)


def per_member(block: Block, grouped: Shaped[Array, "groups width ..."]) -> Shaped[np.ndarray, "members ..."]:
    """Results in the order of the members; what only fills up is dropped."""
    grouped = on_host(grouped)
    return np.concatenate([grouped[i, : len(group)] for i, group in enumerate(block.groups)])


def on_host(array: Shaped[Array, "..."]) -> Shaped[np.ndarray, "..."]:
    """The whole of an array, also where some of it is on devices of other processes, all of which ask for it."""
    if getattr(array, "is_fully_addressable", True) or array.is_fully_replicated:
        return np.asarray(array)
    return np.asarray(multihost_utils.process_allgather(array, tiled=True))


def each_member(block: Block, grouped: Any, on_device: bool = True) -> list[Any]:
    """A module of every member, in their order; `grouped` has leading axes groups x width in every leaf.

    On the first device, or on the host: what is spread over many does not fit one.
    """
    members = jax.tree.map(lambda x: per_member(block, x), grouped)
    place = jnp.asarray if on_device else np.asarray
    return [jax.tree.map(lambda x, i=i: place(x[i]), members) for i in range(len(block.members))]


def map_over_devices(function: Callable, mesh: Mesh, *arguments, num_shared: int):
    """Calls `function` for every group; the last `num_shared` arguments are the same for all.

    Where tables are spread by their rows, all devices work on one group at a time.
    """
    num_grouped = len(arguments) - num_shared

    def local(*arguments):
        grouped, shared = arguments[:num_grouped], arguments[num_grouped:]
        if jax.default_backend() == "cpu" or is_rows_mesh(mesh):
            return jax.lax.map(lambda group: function(*group, *shared), grouped)
        return jax.vmap(lambda *group: function(*group, *shared))(*grouped)

    if is_rows_mesh(mesh):
        return local(*arguments)
    specs = (PartitionSpec("groups"),) * num_grouped + (PartitionSpec(),) * num_shared
    over_devices = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("groups"), check_vma=False)
    return over_devices(*arguments)


@jax.jit
def finite(models) -> Bool[Array, "groups width"]:
    """Which members hold finite parameters only."""
    leaves = [jnp.all(jnp.isfinite(x), axis=tuple(range(2, x.ndim))) for x in jax.tree.leaves(models)]
    return jnp.all(jnp.stack(leaves), axis=0)


_traces: Counter[str] = Counter()


def count_trace(program: str) -> None:
    """To be called where a program is traced."""
    _traces[program] += 1


def count_compiles() -> int:
    """Programs traced by this process so far: three per shape (draw, train, evaluate)."""
    return _traces.total()
