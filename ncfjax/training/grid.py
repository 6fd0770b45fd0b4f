"""Grids: many members of one run in one compiled program. The only file that knows the axes of a grid.

A block of members is laid out as groups x width. The members of a group share a seed, so they share order and
negatives and are vmapped over their rates: they read each batch once. Groups are spread over the devices
(`jax.sharding`) and, on one device, mapped one after another on a CPU, where a second model in the cache costs more
than it saves, and vmapped on an accelerator. A member's numbers depend on its own configuration alone, up to the
rounding of differently shaped products.

    measured on two cores, ML-1M, `expected`, seconds per epoch and member
        d=16     alone 0.08    4 wide 0.076    4 wide on two devices 0.043
        d=192    alone 0.30    4 wide 0.65
"""

import math
from collections import Counter
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Int

from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import Questions, Ranks, make_questions, rank_held_out
from ncfjax.training.loop import Learner, Rates, Spec, init_learner, make_training_data, train

# Widest group on a CPU, in floats of one item's vectors: beyond it the tables of a group fall out of the second-level
# cache.
CPU_GROUP_FLOATS = {"expected": 64, "sampled": 256}


class Member(NamedTuple):
    """One point of a grid."""

    learning_rate: float
    regularization: float
    stddev: float
    negative_weight: float
    seed: int


class State(NamedTuple):
    """All members of a block after `epoch` epochs; every leaf of `learners` has leading axes groups x width."""

    learners: Learner
    epoch: int


def cut_into_blocks(members: list[Member], spec: Spec, data: LeaveOneOut, memory_bytes: int) -> list[list[Member]]:
    """Cuts a grid into blocks of nearly equal size that each fit `memory_bytes`; members of one seed stay together.

    On a CPU a block has one group per device: more would wait for each other, and a block's results are stored when it
    ends. Raises ValueError where not even one member fits.
    """
    fixed, each = memory_estimate(spec, data)
    most = int((memory_bytes - fixed) // each)
    if most < 1:
        needed = (fixed + each) / 1e9
        raise ValueError(f"memory: expected at least {needed:.2f} GB for one member, got {memory_bytes / 1e9:.2f} GB")
    ordered = sorted(members, key=lambda member: member.seed)
    if jax.default_backend() == "cpu":
        most = min(most, jax.device_count() * _widest_group(ordered, spec))
    count = -(-len(ordered) // most)
    bounds = [round(i * len(ordered) / count) for i in range(count + 1)]
    return [ordered[first:last] for first, last in zip(bounds[:-1], bounds[1:], strict=True)]


def memory_estimate(spec: Spec, data: LeaveOneOut) -> tuple[int, int]:
    """Bytes that a block needs whatever its size, and bytes for each of its members."""
    train, candidates = data.train, data.held_out.negatives.shape[1]
    tables = 4 * spec.embedding_dim * (train.num_users + train.num_items)
    packed = train.num_users * math.ceil(train.num_items / 8)
    epoch = len(train) * (12 if spec.objective == "sampled" else 0)  # random keys and their order while sorting
    fixed = 8 * len(train) + 2 * packed + 4 * len(data.held_out) * (candidates + 4) + 64 * 4 * train.num_items
    copies = {"sgd": 2, "adam": 6}[spec.optimizer]  # the tables, their gradient or update, and the moments
    batch = spec.batch_size * (
        train.num_items if spec.objective == "expected" else (2 + spec.num_negatives) * spec.embedding_dim
    )
    return fixed, copies * tables + epoch + 4 * 4 * batch + 8 * len(data.held_out)


class Program:
    """The compiled programs of one block: draw, train, rank. Blocks of one shape share their programs."""

    def __init__(self, data: LeaveOneOut, spec: Spec, block: list[Member]):
        self.data, self.spec, self.block = data, spec, block
        self._slots = arrange(block, spec)
        self._mesh = jax.make_mesh((math.gcd(len(self._slots), jax.device_count()),), ("groups",))
        self._rates, self._seeds = self._lay_out()
        self._training_data, self._questions = _on_device(data)

    @property
    def memory_bytes(self) -> int:
        """Estimate of the memory that the block needs."""
        fixed, each = memory_estimate(self.spec, self.data)
        return fixed + each * self._slots.size

    @property
    def num_parameters(self) -> int:
        """Parameters of one member."""
        learner = jax.eval_shape(partial(init_learner, self.spec, *self._sizes), jnp.float32(0), jnp.uint32(0))
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(learner.model))

    def compile(self) -> None:
        """Compiles ahead of time, so that training starts at once; a shape that was compiled before costs nothing."""
        self._compiled("init"), self._compiled("train"), self._compiled("rank")

    def init(self) -> State:
        """Every member freshly drawn from its seed."""
        return State(self._compiled("init")(self._rates, self._seeds), 0)

    def advance(self, state: State, num_epochs: int) -> State:
        """Trains every member for `num_epochs` more epochs. `state` is donated: it must not be used again."""
        epochs = jnp.int32(state.epoch), jnp.int32(num_epochs)
        train_block = self._compiled("train")
        learners = train_block(state.learners, self._rates, self._seeds, self._training_data, *epochs)
        return State(learners, state.epoch + num_epochs)

    def ranks(self, state: State) -> Ranks:
        """Ranks of every held-out item, members x held-out users, in the order of the block."""
        ranks = self._compiled("rank")(state.learners.model, self._questions)
        return Ranks(*(self._in_order(x)[:, : len(self.data.held_out)] for x in ranks))

    def diverged(self, state: State) -> Bool[np.ndarray, " members"]:
        """Which members hold a parameter that is not finite."""
        finite = [np.asarray(_finite(leaf)) for leaf in jax.tree.leaves(state.learners.model)]
        return ~self._in_order(np.all(finite, axis=0))

    @property
    def _sizes(self) -> tuple[int, int]:
        return self.data.train.num_users, self.data.train.num_items

    def _lay_out(self):
        """Rates [groups, width] and seeds [groups] on the devices."""
        columns = [np.asarray(column)[self._slots] for column in zip(*self.block, strict=True)]
        rates = Rates(*(column.astype(np.float32) for column in columns[:4]))
        sharding = NamedSharding(self._mesh, PartitionSpec("groups"))
        return jax.device_put((rates, columns[4][:, 0].astype(np.uint32)), sharding)

    def _in_order(self, grouped: Array | np.ndarray) -> np.ndarray:
        """Results [groups, width, ...] in the order of the block; slots that only fill up are dropped."""
        _, first = np.unique(self._slots, return_index=True)
        return np.asarray(grouped).reshape(self._slots.size, *grouped.shape[2:])[first]

    def _compiled(self, name: str):
        examples = {
            "init": lambda: (self._rates, self._seeds),
            "train": lambda: (
                self._shape_of_learners(),
                self._rates,
                self._seeds,
                self._training_data,
                jnp.int32(0),
                jnp.int32(0),
            ),
            "rank": lambda: (self._shape_of_learners().model, self._questions),
        }
        shapes = jax.tree.map(np.shape, (self._training_data, self._questions))
        key = (name, self.spec, self._sizes, self._slots.shape, self._mesh, str(shapes))
        if key not in _programs:
            function = {"init": _init, "train": _train, "rank": _rank}[name](self.spec, self._sizes, self._mesh)
            _programs[key] = function.lower(*examples[name]()).compile()
        return _programs[key]

    def _shape_of_learners(self):
        return jax.eval_shape(_init(self.spec, self._sizes, self._mesh), self._rates, self._seeds)


def arrange(block: list[Member], spec: Spec) -> Int[np.ndarray, "groups width"]:
    """Indices into `block`: members of one seed share groups.

    Groups are filled up, and added to fill every device, by repeating members.
    """
    by_seed: dict[int, list[int]] = {}
    for index, member in enumerate(block):
        by_seed.setdefault(member.seed, []).append(index)
    devices = jax.device_count()
    # Narrower groups if there would be fewer of them than devices.
    width = min(_widest_group(block, spec), -(-len(block) // devices))
    groups = []
    for indices in by_seed.values():
        count = -(-len(indices) // width)
        groups += np.resize(indices, count * width).reshape(count, width).tolist()
    if len(groups) > devices:
        groups += groups[: -len(groups) % devices]
    return np.asarray(groups)


def _widest_group(members: list[Member], spec: Spec) -> int:
    """How many members of one seed are worth a vmap."""
    most_of_a_seed = max(Counter(member.seed for member in members).values())
    if jax.default_backend() != "cpu":
        return most_of_a_seed
    return min(most_of_a_seed, max(1, CPU_GROUP_FLOATS[spec.objective] // spec.embedding_dim))


_programs: dict[tuple, jax.stages.Compiled] = {}


def count_compiles() -> int:
    """Programs compiled by this process so far: three per shape (draw, train, rank)."""
    return len(_programs)


@partial(jax.jit)
def _finite(leaf):
    return jnp.all(jnp.isfinite(leaf), axis=tuple(range(2, leaf.ndim)))


_last_data: list = []


def _on_device(data: LeaveOneOut):
    """The training data and the held-out questions on the device; kept for the next block on the same data."""
    if not (_last_data and _last_data[0] is data):
        _last_data[:] = [data, (make_training_data(data.train), make_questions(data))]
    return _last_data[1]


def _spread(function, mesh, split: int):
    """Runs `function` for every group.

    The first `split` arguments have the group axis, the others are shared by all.
    """

    def local(*arguments):
        own, shared = arguments[:split], arguments[split:]
        if jax.default_backend() == "cpu":
            return jax.lax.map(lambda own: function(*own, *shared), own)
        return jax.vmap(lambda *own: function(*own, *shared))(*own)

    def everywhere(*arguments):
        specs = tuple(PartitionSpec("groups") if i < split else PartitionSpec() for i in range(len(arguments)))
        return jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("groups"), check_vma=False)(
            *arguments
        )

    return everywhere


def _init(spec: Spec, sizes: tuple[int, int], mesh):
    def group(rates, seed):
        return jax.vmap(lambda stddev: init_learner(spec, *sizes, stddev, seed))(rates.stddev)

    return jax.jit(_spread(group, mesh, split=2))


def _train(spec: Spec, sizes: tuple[int, int], mesh):
    del sizes

    def group(learners, rates, seed, data, first_epoch, num_epochs):
        member = lambda learner, rates: train(spec, data, rates, learner, seed, first_epoch, num_epochs)  # noqa: E731
        return jax.vmap(member)(learners, rates)

    return jax.jit(_spread(group, mesh, split=3), donate_argnums=0)


def _rank(spec: Spec, sizes: tuple[int, int], mesh):
    del spec, sizes

    def group(models, questions: Questions):
        return jax.lax.map(lambda model: rank_held_out(model, questions), models)

    return jax.jit(_spread(group, mesh, split=1))
