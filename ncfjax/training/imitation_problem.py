"""Imitators, as what a grid trains: members of one seed share a task, and differ in their learning rate.

Each group has a task of its own, drawn from its seed.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from ncfjax.data.dot_pairs import draw_bytes
from ncfjax.models.imitator import Imitator
from ncfjax.training.blocks import WITHOUT_YNN, MemoryEstimate, split
from ncfjax.training.imitation import (
    PAIRS_PER_CHUNK,
    Errors,
    ImitationSpec,
    RegressionPairs,
    begin_imitator,
    errors,
    init_imitator,
    train_imitator,
)
from ncfjax.training.imitation_task import PairSource, Sizes
from ncfjax.training.program import Data
from ncfjax.training.sampling import check_positions
from ncfjax.training.train_state import TrainState

CPU_WIDTH = 1  # networks go alone on a CPU: products of several at once are slower there than one after the other


class ImitationMember(NamedTuple):
    """One point of a grid."""

    learning_rate: float
    seed: int


class ImitationHyperparameters(NamedTuple):
    """What may differ between the members of one seed."""

    learning_rate: Float[Array, "*members"]


class EvaluationPairs(NamedTuple):
    """Pairs that are not trained on: of the vectors that are, and of fresh vectors."""

    test: RegressionPairs
    fresh: RegressionPairs | None  # None: the task has no others


class Measured(NamedTuple):
    """Errors on `EvaluationPairs`."""

    test: Errors
    fresh: Errors | None


@dataclass(frozen=True)
class ImitationRun:
    """One run of imitation.py, for `Program`."""

    spec: ImitationSpec
    hyperparameters = ImitationHyperparameters
    data_per_group = True
    # A single network of d=64, m=1 on both cores: 657,000 pairs a second, with YNN 478,000.
    cpu_compiler_options = WITHOUT_YNN

    def init(self, hyperparameters: ImitationHyperparameters, seed) -> TrainState:
        del hyperparameters  # the learning rate has no part in it
        return init_imitator(self.spec, seed)

    def begin(self, model: Imitator) -> TrainState:
        return begin_imitator(model)

    def train(
        self,
        data: RegressionPairs,
        hyperparameters: ImitationHyperparameters,
        state: TrainState,
        seed,
        first_epoch,
        num_epochs,
    ) -> TrainState:
        return train_imitator(self.spec, data, hyperparameters.learning_rate, state, seed, first_epoch, num_epochs)

    def evaluate(self, data: EvaluationPairs, model: Imitator) -> Measured:
        return Measured(errors(model, data.test), None if data.fresh is None else errors(model, data.fresh))


class ImitationProblem:
    """Imitators of one source of pairs; members are `ImitationMember`, and `Program.evaluate` gives `Measured`."""

    cpu_width = CPU_WIDTH

    def __init__(self, source: PairSource, spec: ImitationSpec, other: int = 0):
        """See `memory_estimate` on `other`. Raises ValueError for more pairs, or steps, than can be numbered."""
        check_positions("pairs", source.sizes.num_pairs)
        steps = -(-source.sizes.num_train // spec.batch_size)
        check_positions("steps", spec.num_epochs * steps, f" = {spec.num_epochs:,} epochs * {steps:,}")
        self.source, self.spec = source, spec
        self.run = ImitationRun(spec)
        self.memory = memory_estimate(spec, source.sizes, other)

    @property
    def num_parameters(self) -> int:
        """Of one member."""
        return num_parameters(self.spec)

    @property
    def multiplications_per_pair(self) -> int:
        """Of a score."""
        return abstract_imitator(self.spec).multiplications_per_pair

    def data(self, seeds: list[int], mesh: Mesh) -> Data:
        """The task of each seed, where its group is trained."""
        draws = {seed: self.source.draw(seed) for seed in seeds}
        # Array by array: all of them side by side would be a third copy.
        task = jax.tree.map(lambda *arrays: split(np.stack(arrays), mesh), *(draws[seed] for seed in seeds))
        evaluation = EvaluationPairs(task.regression_pairs(task.test), task.fresh_regression_pairs())
        return Data(task.regression_pairs(task.train), evaluation)


def memory_estimate(spec: ImitationSpec, sizes: Sizes, other: int = 0) -> MemoryEstimate:
    """Bytes of a member, its draw included although those of one seed share it. A test holds it against XLA's.

    Nothing grows with pairs times dimension. `other` is what is done with a member once it is trained.
    """
    vectors = 4 * spec.embedding_dim * (sizes.num_users + sizes.num_items + 2 * sizes.num_fresh)
    task = vectors + 3 * 4 * (sizes.num_pairs + sizes.num_fresh)
    order = 2 * 4 * sizes.num_train
    # Weights, both moments, the gradient and the update.
    weights = 5 * 4 * num_parameters(spec)
    # Vectors, labels and units, and the gradient of the units.
    width = 4 * spec.embedding_dim + sum(spec.layers)
    most = min(PAIRS_PER_CHUNK, max(sizes.num_pairs // 10, sizes.num_fresh))
    step, measuring = 2 * 4 * spec.batch_size * width, 4 * most * width
    # A task is there twice while it goes to the devices; the last one of a block is drawn beside the others.
    each = task + max(task, weights + max(order + step, measuring, other))
    drawing = draw_bytes(sizes.num_users * sizes.num_items, sizes.num_pairs)
    return MemoryEstimate(0, each, max(0, drawing - 2 * task))


def num_parameters(spec: ImitationSpec) -> int:
    """Of one member."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(abstract_imitator(spec)))


def abstract_imitator(spec: ImitationSpec) -> Imitator:
    """A network without numbers, for what is known of it before it is drawn."""
    return jax.eval_shape(partial(init_imitator, spec), jnp.uint32(0)).model
