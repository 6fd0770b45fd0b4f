"""Many members of one run in one compiled program, whatever the run trains.

Members of one seed form groups: they share what is drawn from it and are vmapped over their hyperparameters; blocks.py
says who is in a group and where it is trained. A member's numbers depend on its own configuration alone, up to the
rounding of differently shaped products.

    Run        one run as pure functions; hashable: blocks of one shape share their three compiled programs
    Problem    what the members of a block learn: a run, its data, and what it needs of the machine
    Program    draw, train and evaluate all members of a block
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Bool

from ncfjax.models.tables import kept_apart, reshaped_tables
from ncfjax.training.blocks import (
    Block,
    Group,
    MemoryEstimate,
    State,
    compiler_options,
    count_trace,
    each_member,
    filled,
    finite,
    map_over_devices,
    per_member,
    split,
)
from ncfjax.training.train_state import TrainState

Make = Callable[..., nnx.Module]  # (seed, *models) -> model


class Data(NamedTuple):
    """What a run trains on and what it is evaluated on, on the device."""

    training: Any
    evaluation: Any


@runtime_checkable
class Run(Protocol):
    """One run, as functions of arrays that may be traced."""

    hyperparameters: type  # NamedTuple of scalars, fields of a member; with its seed they are all of it
    data_per_group: bool  # whether each seed has data of its own
    cpu_compiler_options: Mapping[str, str]  # of training

    def init(self, hyperparameters: Any, seed: Array) -> TrainState:
        """Before the first epoch, drawn from the seed."""
        ...

    def begin(self, model: nnx.Module) -> TrainState:
        """Before the first epoch, from a given model."""
        ...

    def train(self, data, hyperparameters: Any, state: TrainState, seed, first_epoch, num_epochs) -> TrainState:
        """`num_epochs` epochs (traced) from `first_epoch` on."""
        ...

    def evaluate(self, data, model: nnx.Module) -> Any:
        """What is measured of a model: a tree of arrays."""
        ...


@runtime_checkable
class Problem(Protocol):
    """What the members of a block learn."""

    spec: Any  # what is fixed when a program is compiled; hashable
    run: Run
    memory: MemoryEstimate
    cpu_width: int  # the widest group on a CPU
    num_parameters: int  # of one member

    def data(self, seeds: list[int], mesh: Mesh) -> Data:
        """On the devices: for each of these seeds, one a group, or one for all that the run shares."""
        ...


class Program:
    """The compiled programs of one block: draw, train, evaluate."""

    def __init__(self, problem: Problem, block: Block):
        self.problem, self.block = problem, block
        groups, self.mesh = filled(block, self.table_shards)
        self._hyperparameters, self._seeds = _lay_out(groups, problem.run.hyperparameters, self.mesh)
        self.data = problem.data([group[0].seed for group in groups], self.mesh)

    @property
    def table_shards(self) -> int:
        """Devices that each member is spread over."""
        return getattr(self.problem.run, "table_shards", 1)

    def compile(self) -> None:
        """Compiles all three programs by running them for no epoch, which draws and evaluates every member once."""
        self.evaluate(self.advance(self.init(), 0))

    def init(self) -> State:
        """Every member freshly drawn from its seed."""
        return State(_draw(self._hyperparameters, self._seeds, **self._static), 0)

    def begin(self, model: nnx.Module) -> State:
        """Every member as a copy of one given model."""
        shape = len(self._seeds), self.block.width
        models = jax.tree.map(lambda x: jnp.broadcast_to(x, shape + x.shape), model)
        return State(_begin(split(models, self.mesh), **self._static), 0)

    def begin_each(self, models: list[nnx.Module]) -> State:
        """Every member as a model of its own; `models` are in the order of the members."""
        return State(_begin(split(self._grouped(models), self.mesh), **self._static), 0)

    def go_on(self, train_states: list[TrainState], epoch: int) -> State:
        """Every member with a train state of its own after `epoch` epochs, in the order of the members."""
        return State(split(self._grouped(train_states), self.mesh), epoch)

    def _grouped(self, members: list[Any]) -> Any:
        """Trees, in the order of the members, as one whose leaves have leading axes groups x width."""
        numbers = iter(range(len(members)))
        block = Block([[next(numbers) for _ in group] for group in self.block.groups], self.block.width)
        groups, _ = filled(block, self.table_shards)
        places = np.asarray(groups)
        return jax.tree.map(lambda *leaves: np.stack(leaves)[places], *members)

    def maker(self, make: Make, *models: nnx.Module) -> Callable[[], State]:
        """Compiled, what begins with every member as what is made of its own models and its seed.

        These are `train_states.model` of programs of the same block; `make` is hashable.
        """
        compiled = _begin_made.lower(models, self._seeds, make=make, **self._static).compile()
        return lambda: State(compiled(models, self._seeds), 0)

    def advance(self, state: State, num_epochs: int) -> State:
        """Trains every member for `num_epochs` more epochs. `state` is donated: it must not be used again."""
        trained = _trainer(self.problem.run)(*self._to_train(state, num_epochs), **self._static)
        return State(trained, state.epoch + num_epochs)

    def evaluate(self, state: State) -> Any:
        """What the run measures, on the host; each array has a leading axis members, in their order."""
        measured = _evaluate(state.train_states.model, self.data.evaluation, **self._static)
        return jax.tree.map(partial(per_member, self.block), measured)

    def models(self, state: State) -> list[Any]:
        """The models, in the order of the block's members, without rows that only fill up a table."""
        models = each_member(self.block, state.train_states.model, on_device=self.table_shards == 1)
        if self.table_shards == 1:
            return models
        counts = self.problem.run.num_users, self.problem.run.num_items
        return [reshaped_tables(model, *counts) for model in models]

    def train_states(self, state: State) -> list[TrainState]:
        """The models with their optimisers' states, in the order of the block's members, on the host."""
        return each_member(self.block, state.train_states, on_device=False)

    @property
    def abstract_train_state(self) -> TrainState:
        """Of a member: shapes without numbers."""
        return abstract_train_state(self.problem.run)

    def diverged(self, state: State) -> Bool[np.ndarray, " members"]:
        """Which members hold a parameter that is not finite."""
        return ~per_member(self.block, finite(state.train_states.model))

    def _to_train(self, state: State, num_epochs: int) -> tuple:
        epochs = jnp.int32(state.epoch), jnp.int32(num_epochs)
        return state.train_states, self._hyperparameters, self._seeds, self.data.training, *epochs

    @property
    def _static(self) -> dict[str, Any]:
        return {"run": self.problem.run, "mesh": self.mesh}


def abstract_train_state(run: Run) -> TrainState:
    """Of a member: shapes without numbers."""
    scalars = run.hyperparameters(*[jnp.float32(0)] * len(run.hyperparameters._fields))
    return jax.eval_shape(run.init, scalars, jnp.uint32(0))


def _lay_out(groups: list[Group], hyperparameters: Any, mesh: Mesh) -> tuple[Any, Array]:
    """Hyperparameters [groups, width] and seeds [groups], spread over the devices."""
    columns = {
        name: np.asarray([[getattr(member, name) for member in group] for group in groups], np.float32)
        for name in hyperparameters._fields
    }
    seeds = np.asarray([group[0].seed for group in groups], np.uint32)
    return split((hyperparameters(**columns), seeds), mesh)


@partial(jax.jit, static_argnames=("run", "mesh"))
def _draw(hyperparameters, seeds, *, run: Run, mesh: Mesh) -> TrainState:
    count_trace("draw")

    def draw_group(hyperparameters, seed):
        return jax.vmap(lambda hyperparameters: run.init(hyperparameters, seed))(hyperparameters)

    return kept_apart(map_over_devices(draw_group, mesh, hyperparameters, seeds, num_shared=0), mesh)


@partial(jax.jit, static_argnames=("run", "mesh"))
def _begin(models, *, run: Run, mesh: Mesh) -> TrainState:
    return kept_apart(map_over_devices(jax.vmap(run.begin), mesh, models, num_shared=0), mesh)


@partial(jax.jit, static_argnames=("make", "run", "mesh"))
def _begin_made(models, seeds, *, make: Make, run: Run, mesh: Mesh) -> TrainState:
    def begin_group(models, seed):
        return jax.vmap(lambda models: run.begin(make(seed, *models)))(models)

    return kept_apart(map_over_devices(begin_group, mesh, models, seeds, num_shared=0), mesh)


def _train(
    train_states: TrainState, hyperparameters, seeds, data, first_epoch, num_epochs, *, run: Run, mesh: Mesh
) -> TrainState:
    count_trace("train")

    def train_group(train_states, hyperparameters, seed, data, first_epoch, num_epochs):
        def train_member(state, hyperparameters):
            return run.train(data, hyperparameters, state, seed, first_epoch, num_epochs)

        return jax.vmap(train_member)(train_states, hyperparameters)

    arguments = train_states, hyperparameters, seeds, data, first_epoch, num_epochs
    return kept_apart(map_over_devices(train_group, mesh, *arguments, num_shared=2 if run.data_per_group else 3), mesh)


def _trainer(run: Run):
    return _compiled_with(tuple(compiler_options(dict(run.cpu_compiler_options)).items()))


@cache
def _compiled_with(options: tuple[tuple[str, str], ...]):
    static = ("run", "mesh")
    return jax.jit(_train, static_argnames=static, donate_argnames="train_states", compiler_options=dict(options))


@partial(jax.jit, static_argnames=("run", "mesh"))
def _evaluate(models, data, *, run: Run, mesh: Mesh) -> Any:
    count_trace("evaluate")

    def evaluate_group(models, data):
        return jax.lax.map(lambda model: run.evaluate(data, model), models)

    return map_over_devices(evaluate_group, mesh, models, data, num_shared=0 if run.data_per_group else 1)
