"""Grids: many members of one run in one compiled program.

Members of one seed form groups: they share order and negatives and are vmapped over their hyperparameters, so a batch
is read once for all of them; blocks.py says who is in a group and where it is trained. A member's numbers depend on its
own configuration alone, up to the rounding of differently shaped products.

    measured on two cores, ML-1M, `expected`, seconds per epoch and member
        d=16     alone 0.08    4 wide 0.076    4 wide on two devices 0.043
        d=192    alone 0.30    4 wide 0.65
"""

import math
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Shaped

from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import USERS_PER_BLOCK, EvaluationBatches, Ranks, make_evaluation_batches, rank_held_out
from ncfjax.models.pretraining import join
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import with_defaults
from ncfjax.models.tower import pairs_at_once
from ncfjax.training import blocks
from ncfjax.training.blocks import Block, Group, MemoryEstimate, State, count_trace
from ncfjax.training.loop import Hyperparameters, Spec, init_train_state, train
from ncfjax.training.optimizers import init_optimizer
from ncfjax.training.sampling import make_training_data
from ncfjax.training.train_state import TrainState

# Widest group on a CPU, in floats of one item's vectors: beyond it its tables fall out of the second-level cache.
CPU_GROUP_FLOATS = {"expected": 64, "sampled": 256}


class Member(NamedTuple):
    """One point of a grid."""

    learning_rate: float
    regularization: float
    stddev: float
    negative_weight: float
    seed: int


def cut_into_groups(
    members: list[Member], spec: Spec, data: LeaveOneOut, memory_bytes: int, *, pretrained: bool = False
) -> list[Group]:
    """See blocks.py, and `memory_estimate` on `pretrained`.

    Raises ValueError where not even one member fits.
    """
    estimate = memory_estimate(spec, data, pretrained=pretrained)
    return blocks.cut_into_groups(members, estimate, memory_bytes, _cpu_width(spec))


def _cpu_width(spec: Spec) -> int:
    """Widest group on a CPU. Towers go alone: products of several members at once are slower than one by one."""
    return 1 if spec.similarity.hidden_widths else max(1, CPU_GROUP_FLOATS[spec.objective] // spec.embedding_dim)


def cut_into_blocks(
    groups: list[Group], width: int, spec: Spec, data: LeaveOneOut, memory_bytes: int, *, pretrained: bool = False
) -> list[Block]:
    """See blocks.py; `width` is that of the widest group of the whole grid."""
    return blocks.cut_into_blocks(groups, width, memory_estimate(spec, data, pretrained=pretrained), memory_bytes)


def memory_estimate(spec: Spec, data: LeaveOneOut, *, pretrained: bool = False) -> MemoryEstimate:
    """Bytes that every device needs whatever it trains, and bytes for each member. A test holds it against XLA's.

    A member that is `pretrained` holds two more models, trained by Adam, whose tables side by side are as wide as its
    own: the first while the second one trains, and both while it is joined from them.
    """
    train, num_items, candidates = data.train, data.train.num_items, data.held_out.negatives.shape[1]
    packed = train.num_users * -(-num_items // 8)
    fixed = 8 * len(train) + 2 * packed + 4 * len(data.held_out) * (candidates + 4)
    tables = 4 * spec.embedding_dim * (train.num_users + num_items)
    # The tables, their update, and the moments of both.
    copies = 1 + 6 if pretrained else {"sgd": 2, "adam": 6, "lazy_adam": 6}[spec.optimizer]
    hidden_widths = spec.similarity.hidden_widths
    if spec.objective == "expected":
        # Scores, labels and their gradient; the units of a tower and theirs.
        step = (6 + 3 * sum(hidden_widths)) * 4 * spec.batch_size * num_items
    else:
        # Random keys and order, sorted and padded; then vectors of a batch, their gradient and its scatter.
        width = (3 if hidden_widths else 1) * spec.embedding_dim + sum(hidden_widths)  # a network reads both vectors
        num_ordered = len(train) * (1 + spec.num_negatives * spec.shuffle_examples)
        step = 24 * num_ordered + 4 * 4 * spec.batch_size * (2 + spec.num_negatives) * width
        drawn_at_once = spec.reject_positives or spec.shuffle_examples
        step += 5 * 4 * len(train) * spec.num_negatives * drawn_at_once
    pairs = min(USERS_PER_BLOCK, len(data.held_out)) * num_items
    # Scores, histories and comparisons; and the units of the pairs that a tower scores at once.
    ranking = 12 * pairs + 4 * sum(hidden_widths) * min(pairs, pairs_at_once())
    return MemoryEstimate(fixed, copies * tables + max(step, ranking))


class Program:
    """The compiled programs of one block: draw, train, rank. Blocks of one shape share them."""

    def __init__(self, data: LeaveOneOut, spec: Spec, block: Block):
        self.data, self.spec, self.block = data, spec, block
        groups, self.mesh = blocks.filled(block)
        self._hyperparameters, self._seeds = _lay_out(groups, self.mesh)
        self._training_data, self._evaluation_batches = _on_devices(data, self.mesh)

    @property
    def members(self) -> list[Member]:
        return self.block.members

    def memory_bytes(self, *, pretrained: bool = False) -> int:
        """MemoryEstimate of the memory that the block needs, over all devices."""
        fixed, each = memory_estimate(self.spec, self.data, pretrained=pretrained)
        return self.mesh.size * fixed + each * self._hyperparameters.stddev.size

    @property
    def num_parameters(self) -> int:
        """Parameters of one member."""
        state = jax.eval_shape(partial(init_train_state, self.spec, *self._sizes), jnp.float32(0), jnp.uint32(0))
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.model))

    def compile(self) -> None:
        """Compiles all three programs by running them for no epoch, which draws and ranks every member once."""
        self.ranks(self.advance(self.init(), 0))

    def init(self) -> State:
        """Every member freshly drawn from its seed."""
        return State(_draw(self._hyperparameters, self._seeds, spec=self.spec, sizes=self._sizes, mesh=self.mesh), 0)

    def begin(self, model: Recommender) -> State:
        """Every member as a copy of one given model."""
        shape = self._hyperparameters.stddev.shape
        models = jax.tree.map(lambda x: jnp.broadcast_to(x, shape + x.shape), model)
        return State(_begin(blocks.split(models, self.mesh), spec=self.spec, mesh=self.mesh), 0)

    def begin_joined(self, gmf: Recommender, mlp: Recommender, alpha: float) -> State:
        """Every member as the NeuMF of its own GMF and MLP: `train_states.model` of programs of the same block."""
        weights = with_defaults(self.spec.model, self.spec.embedding_dim, dict(self.spec.options))["regularize_weights"]
        models = _join(gmf, mlp, jnp.float32(alpha), weights=weights, mesh=self.mesh)
        return State(_begin(models, spec=self.spec, mesh=self.mesh), 0)

    def advance(self, state: State, num_epochs: int) -> State:
        """Trains every member for `num_epochs` more epochs. `state` is donated: it must not be used again."""
        epochs = jnp.int32(state.epoch), jnp.int32(num_epochs)
        arguments = state.train_states, self._hyperparameters, self._seeds, self._training_data, *epochs
        train_states = _trainer(self.spec.objective)(*arguments, spec=self.spec, mesh=self.mesh)
        return State(train_states, state.epoch + num_epochs)

    def ranks(self, state: State) -> Ranks:
        """Ranks of every held-out item, members x held-out users, in the order of `members`."""
        ranks = _rank(state.train_states.model, self._evaluation_batches, mesh=self.mesh)
        return Ranks(*(self.per_member(x)[:, : len(self.data.held_out)] for x in ranks))

    def models(self, state: State) -> list[Recommender]:
        """The recommenders, in the order of `members`."""
        return blocks.each_member(self.block, state.train_states.model)

    def diverged(self, state: State) -> Bool[np.ndarray, " members"]:
        """Which members hold a parameter that is not finite."""
        return ~self.per_member(blocks.finite(state.train_states.model))

    def per_member(self, grouped: Shaped[Array, "groups width ..."]) -> Shaped[np.ndarray, "members ..."]:
        """Results in the order of `members`; what only fills up is dropped."""
        return blocks.per_member(self.block, grouped)

    @property
    def _sizes(self) -> tuple[int, int]:
        return self.data.train.num_users, self.data.train.num_items


def _lay_out(groups: list[Group], mesh: Mesh) -> tuple[Hyperparameters, Array]:
    """Hyperparameters [groups, width] and seeds [groups], spread over the devices."""
    table = np.asarray(groups, np.float64)
    hyperparameters = Hyperparameters(*(table[..., i].astype(np.float32) for i in range(4)))
    seeds = np.asarray([group[0].seed for group in groups], np.uint32)
    return blocks.split((hyperparameters, seeds), mesh)


_last_data: list = []


def _on_devices(data: LeaveOneOut, mesh: Mesh):
    """The training data and the evaluation batches, a copy on every device; kept for the next block."""
    if not (_last_data and _last_data[0] is data and _last_data[1] == mesh):
        training_data = make_training_data(data.train)
        arrays = training_data, make_evaluation_batches(data, training_data.history)
        _last_data[:] = [data, mesh, jax.device_put(arrays, NamedSharding(mesh, PartitionSpec()))]
    return _last_data[2]


@partial(jax.jit, static_argnames=("spec", "sizes", "mesh"))
def _draw(hyperparameters: Hyperparameters, seeds, *, spec: Spec, sizes: tuple[int, int], mesh: Mesh) -> TrainState:
    count_trace("draw")

    def draw_group(stddev, seed):
        return jax.vmap(lambda stddev: init_train_state(spec, *sizes, stddev, seed))(stddev)

    return blocks.map_over_devices(draw_group, mesh, hyperparameters.stddev, seeds, num_shared=0)


@partial(jax.jit, static_argnames=("spec", "mesh"))
def _begin(models: Recommender, *, spec: Spec, mesh: Mesh) -> TrainState:
    def begin_group(models):
        return jax.vmap(lambda model: TrainState(model, init_optimizer(spec.optimizer, model)))(models)

    return blocks.map_over_devices(begin_group, mesh, models, num_shared=0)


@partial(jax.jit, static_argnames=("weights", "mesh"))
def _join(gmf: Recommender, mlp: Recommender, alpha, *, weights: bool, mesh: Mesh) -> Recommender:
    def join_group(gmf, mlp, alpha):
        return jax.vmap(lambda gmf, mlp: join(gmf, mlp, alpha, regularize_weights=weights))(gmf, mlp)

    return blocks.map_over_devices(join_group, mesh, gmf, mlp, alpha, num_shared=1)


def _train_block(
    train_states: TrainState,
    hyperparameters: Hyperparameters,
    seeds,
    data,
    first_epoch,
    num_epochs,
    *,
    spec: Spec,
    mesh: Mesh,
) -> TrainState:
    count_trace("train")

    def train_group(train_states, hyperparameters, seed, data, first_epoch, num_epochs):
        over_members = jax.vmap(
            lambda state, hyperparameters: train(spec, data, hyperparameters, state, seed, first_epoch, num_epochs)
        )
        return over_members(train_states, hyperparameters)

    return blocks.map_over_devices(
        train_group, mesh, train_states, hyperparameters, seeds, data, first_epoch, num_epochs, num_shared=3
    )


# `sampled` sums a vmapped batch: 1.3 s per epoch in XLA's own loops at d=192, 29.9 s in YNN. `expected` multiplies:
# 0.48 s and 0.38 s.
CPU_COMPILER_OPTIONS = {"expected": {}, "sampled": blocks.WITHOUT_YNN}


@cache
def _trainer(objective: str):
    options = blocks.compiler_options(CPU_COMPILER_OPTIONS[objective])
    return jax.jit(
        _train_block, static_argnames=("spec", "mesh"), donate_argnames="train_states", compiler_options=options
    )


@partial(jax.jit, static_argnames="mesh")
def _rank(models, batches: EvaluationBatches, *, mesh: Mesh) -> Ranks:
    count_trace("rank")

    def rank_group(models, batches):
        return jax.lax.map(lambda model: rank_held_out(model, batches), models)

    return blocks.map_over_devices(rank_group, mesh, models, batches, num_shared=1)
