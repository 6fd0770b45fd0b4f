"""Grids of imitators: members of one seed share a task, and differ in their learning rate.

Each group has a task of its own, drawn from its seed; `blocks.py` says who is in a group and where it is trained. What
imitation.py does for one run is done here for all members of a block by three compiled programs: draw, train, measure.
"""

import math
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float

from ncfjax.models.imitator import Imitator
from ncfjax.training import blocks
from ncfjax.training.blocks import Block, Group, MemoryEstimate, State, count_trace
from ncfjax.training.imitation import (
    PAIRS_PER_CHUNK,
    Errors,
    ImitationSpec,
    errors,
    init_imitator,
    train_imitator,
)
from ncfjax.training.imitation_task import PairSource, Sizes, Task
from ncfjax.training.train_state import TrainState

CPU_WIDTH = 1  # networks go alone on a CPU: products of several at once are slower there than one after the other


class ImitationMember(NamedTuple):
    """One point of a grid."""

    learning_rate: float
    seed: int


class Measured(NamedTuple):
    """Errors of every member, on held-out pairs of the vectors that it was trained on and on fresh vectors."""

    test: Errors
    fresh: Errors | None  # None: the task has no others


def cut_into_groups(
    members: list[ImitationMember], spec: ImitationSpec, sizes: Sizes, memory_bytes: int
) -> list[Group]:
    """See blocks.py. Raises ValueError where not even one member fits."""
    return blocks.cut_into_groups(members, memory_estimate(spec, sizes), memory_bytes, CPU_WIDTH)


def cut_into_blocks(
    groups: list[Group], width: int, spec: ImitationSpec, sizes: Sizes, memory_bytes: int
) -> list[Block]:
    """See blocks.py; `width` is that of the widest group of the whole grid."""
    return blocks.cut_into_blocks(groups, width, memory_estimate(spec, sizes), memory_bytes)


def memory_estimate(spec: ImitationSpec, sizes: Sizes) -> MemoryEstimate:
    """Bytes of a member, its draw included although those of one seed share it. A test holds it against XLA's.

    Nothing grows with pairs times dimension.
    """
    vectors = 4 * spec.embedding_dim * (sizes.num_users + sizes.num_items + 2 * sizes.num_fresh)
    pairs = 3 * 4 * (sizes.num_pairs + sizes.num_fresh)
    order = 2 * 4 * sizes.num_train
    # Weights, both moments, the gradient and the update.
    weights = 5 * 4 * num_parameters(spec)
    # Vectors, labels and units, and the gradient of the units.
    width = 4 * spec.embedding_dim + sum(spec.layers)
    most = min(PAIRS_PER_CHUNK, max(sizes.num_pairs // 10, sizes.num_fresh))
    step, measuring = 2 * 4 * spec.batch_size * width, 4 * most * width
    return MemoryEstimate(0, vectors + pairs + weights + max(order + step, measuring))


def num_parameters(spec: ImitationSpec) -> int:
    """Parameters of one member."""
    model = jax.eval_shape(partial(init_imitator, spec), jnp.uint32(0)).model
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(model))


class ImitationProgram:
    """The compiled programs of one block: draw, train, measure. Blocks of one shape share them."""

    def __init__(self, source: PairSource, spec: ImitationSpec, block: Block):
        self.sizes, self.spec, self.block = source.sizes, spec, block
        groups, self.mesh = blocks.filled(block)
        learning_rates = np.asarray([[member.learning_rate for member in group] for group in groups], np.float32)
        seeds = np.asarray([group[0].seed for group in groups], np.uint32)
        draws = {int(seed): source.draw(int(seed)) for seed in seeds}
        tasks = jax.tree.map(lambda *groups: np.stack(groups), *(draws[int(seed)] for seed in seeds))
        self._learning_rates, self._seeds, self.tasks = blocks.split((learning_rates, seeds, tasks), self.mesh)

    @property
    def members(self) -> list[ImitationMember]:
        return self.block.members

    def memory_bytes(self) -> int:
        """MemoryEstimate of the memory that the block needs, over all devices."""
        return memory_estimate(self.spec, self.sizes).each * self._learning_rates.size

    def compile(self) -> None:
        """Compiles all three programs by running them for no epoch, which draws and measures every member once."""
        self.errors(self.advance(self.init(), 0))

    def init(self) -> State:
        """Every member freshly drawn from its seed."""
        return State(_draw(self._learning_rates, self._seeds, spec=self.spec, mesh=self.mesh), 0)

    def advance(self, state: State, num_epochs: int) -> State:
        """Trains every member for `num_epochs` more epochs. `state` is donated: it must not be used again."""
        epochs = jnp.int32(state.epoch), jnp.int32(num_epochs)
        arguments = state.train_states, self._learning_rates, self._seeds, self.tasks, *epochs
        return State(_trainer()(*arguments, spec=self.spec, mesh=self.mesh), state.epoch + num_epochs)

    def errors(self, state: State) -> Measured:
        """float[members] each, in the order of `members`."""
        measured = _measure(state.train_states.model, self.tasks, mesh=self.mesh)
        return jax.tree.map(partial(blocks.per_member, self.block), measured)

    def models(self, state: State) -> list[Imitator]:
        """The networks, in the order of `members`."""
        return blocks.each_member(self.block, state.train_states.model)

    def diverged(self, state: State) -> Bool[np.ndarray, " members"]:
        """Which members hold a parameter that is not finite."""
        return ~blocks.per_member(self.block, blocks.finite(state.train_states.model))


@partial(jax.jit, static_argnames=("spec", "mesh"))
def _draw(learning_rates: Float[Array, "groups width"], seeds, *, spec: ImitationSpec, mesh: Mesh) -> TrainState:
    count_trace("draw")

    def draw_group(learning_rates, seed):
        state = init_imitator(spec, seed)  # the learning rate has no part in it
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (*learning_rates.shape, *x.shape)), state)

    return blocks.map_over_devices(draw_group, mesh, learning_rates, seeds, num_shared=0)


def _train(
    train_states: TrainState,
    learning_rates,
    seeds,
    tasks: Task,
    first_epoch,
    num_epochs,
    *,
    spec: ImitationSpec,
    mesh: Mesh,
) -> TrainState:
    count_trace("train")

    def train_group(train_states, learning_rates, seed, task, first_epoch, num_epochs):
        train = partial(train_imitator, spec, task.regression_pairs(task.train))
        return jax.vmap(lambda state, rate: train(rate, state, seed, first_epoch, num_epochs))(
            train_states, learning_rates
        )

    return blocks.map_over_devices(
        train_group, mesh, train_states, learning_rates, seeds, tasks, first_epoch, num_epochs, num_shared=2
    )


@cache
def _trainer():
    # A single network of d=64, m=1 on both cores: 657,000 pairs a second, with YNN 478,000.
    options = blocks.compiler_options(blocks.WITHOUT_YNN)
    return jax.jit(_train, static_argnames=("spec", "mesh"), donate_argnames="train_states", compiler_options=options)


@partial(jax.jit, static_argnames="mesh")
def _measure(models, tasks: Task, *, mesh: Mesh) -> Measured:
    count_trace("measure")

    def measure_group(models, task):
        test, fresh = task.regression_pairs(task.test), task.fresh_regression_pairs()

        def measure(model: Imitator) -> Measured:
            return Measured(errors(model, test), None if fresh is None else errors(model, fresh))

        return jax.lax.map(measure, models)

    return blocks.map_over_devices(measure_group, mesh, models, tasks, num_shared=0)
