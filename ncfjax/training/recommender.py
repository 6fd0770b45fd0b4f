"""Recommenders, as what a grid trains: members differ in their hyperparameters and seeds, and share their data.

A batch is read once for all members of a group.

    measured on two cores, ML-1M, `expected`, seconds per epoch and member
        d=16     alone 0.08    4 wide 0.076    4 wide on two devices 0.043
        d=192    alone 0.30    4 wide 0.65
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from ncfjax.data.history import fits_as_bits, history_bytes
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import (
    USERS_PER_BLOCK,
    EvaluationBatches,
    Ranking,
    make_evaluation_batches,
    rank_with_ties,
)
from ncfjax.models.precisions import FLOAT32
from ncfjax.models.pretraining import as_gmf, join
from ncfjax.models.products import products_in
from ncfjax.models.recommender import Recommender
from ncfjax.models.registry import with_defaults
from ncfjax.models.tables import Layout, SpreadRecommender, filled_up, reshaped_tables, rows_mesh
from ncfjax.models.tower import pairs_at_once
from ncfjax.training.blocks import WITHOUT_YNN, MemoryEstimate
from ncfjax.training.distilled import distilled
from ncfjax.training.loop import (
    DISTILLATION,
    DRAWN_COPIES,
    Hyperparameters,
    Spec,
    drawn_similarity,
    init_train_state,
    train,
)
from ncfjax.training.optimizers import init_optimizer
from ncfjax.training.program import Data
from ncfjax.training.sampling import TrainingData, check_positions, make_training_data
from ncfjax.training.train_state import TrainState

# Widest group on a CPU, in floats of one item's vectors: beyond it its tables fall out of the second-level cache.
CPU_GROUP_FLOATS = {"expected": 64, "sampled": 256}

# `sampled` sums a vmapped batch: 1.3 s per epoch in XLA's own loops at d=192, 29.9 s in YNN. `expected` multiplies:
# 0.48 s and 0.38 s.
CPU_COMPILER_OPTIONS = {"expected": {}, "sampled": WITHOUT_YNN}


class Member(NamedTuple):
    """One point of a grid."""

    learning_rate: float
    regularization: float
    stddev: float
    negative_weight: float
    seed: int
    decay: float = 1.0  # learning_rate of an epoch over that of the one before
    bias_regularization: float | None = None  # of the entries of vectors that are biases; None: regularization
    weights_regularization: float | None = None  # of the similarity's own parameters; None: regularization
    weights_rate: float = 1.0  # their learning rate over learning_rate

    @property
    def bias_penalty(self) -> float:
        return self.regularization if self.bias_regularization is None else self.bias_regularization

    @property
    def weights_penalty(self) -> float:
        return self.regularization if self.weights_regularization is None else self.weights_regularization


@dataclass(frozen=True)
class RecommenderRun:
    """One run of loop.py, for `Program`."""

    spec: Spec
    num_users: int
    num_items: int
    num_held_out: int
    table_shards: int = 1  # devices that the rows of each table are spread over
    precision: str = FLOAT32  # of matrix products in training; what is measured is exact
    hyperparameters = Hyperparameters
    data_per_group = False

    @property
    def cpu_compiler_options(self) -> Mapping[str, str]:
        return CPU_COMPILER_OPTIONS[self.spec.objective]

    @property
    def table_rows(self) -> tuple[int, int]:
        """Of users and items, those that only fill up a table among them; the others are drawn as without them."""
        num_users, num_items = (filled_up(count, self.table_shards) for count in (self.num_users, self.num_items))
        return num_users, num_items

    @property
    def layout(self) -> Layout:
        return Layout(self.num_items, rows_mesh(self.table_shards) if self.table_shards > 1 else None)

    def init(self, hyperparameters: Hyperparameters, seed) -> TrainState:
        return init_train_state(self.spec, *self.table_rows, hyperparameters.stddev, seed)

    def begin(self, model: Recommender) -> TrainState:
        model = reshaped_tables(model, *self.table_rows)
        return TrainState(model, init_optimizer(self.spec.optimizer, model))

    def train(
        self, data: TrainingData, hyperparameters: Hyperparameters, state: TrainState, seed, first_epoch, num_epochs
    ) -> TrainState:
        with products_in(self.precision):
            return train(self.spec, data, hyperparameters, state, seed, first_epoch, num_epochs, self.layout)

    def evaluate(self, data: EvaluationBatches, model: Recommender) -> Ranking:
        """Of every held-out item; what fills the last block of users is cut off."""
        scorer = model if self.table_shards == 1 else SpreadRecommender(model, self.layout, self.num_users)
        return Ranking(*(x[: self.num_held_out] for x in rank_with_ties(scorer, data, num_items=self.num_items)))


class Join(NamedTuple):
    """Makes the NeuMF of a GMF and an MLP, with its own `regularize_weights`."""

    spec: Spec  # of the NeuMF
    alpha: float

    def __call__(self, seed: Array, gmf: Recommender, mlp: Recommender) -> Recommender:
        options = with_defaults(self.spec.model, self.spec.embedding_dim, dict(self.spec.options))
        return join(gmf, mlp, self.alpha, regularize_weights=options["regularize_weights"])


class JoinDistilled(NamedTuple):
    """Makes the NeuMF of two dot products: GMF is the first, and its MLP has learned the second's scores."""

    spec: Spec  # of the NeuMF
    mlp: Spec
    alpha: float
    num_steps: int

    def __call__(self, seed: Array, first: Recommender, second: Recommender) -> Recommender:
        gmf = as_gmf(first, regularize_weights=True)
        return Join(self.spec, self.alpha)(seed, gmf, Distill(self.mlp, self.num_steps)(seed, second))


class Distill(NamedTuple):
    """Makes a recommender whose similarity, drawn from the seed, has learned a teacher's scores."""

    spec: Spec
    num_steps: int

    def __call__(self, seed: Array, teacher: Recommender) -> Recommender:
        pairs = jax.random.fold_in(jax.random.key(seed), DISTILLATION)
        return distilled(teacher, drawn_similarity(self.spec, seed), self.num_steps, pairs)


class StartAsDot(NamedTuple):
    """Makes the residual that is a dot product: its network, drawn from the seed, adds nothing yet."""

    spec: Spec

    def __call__(self, seed: Array, dot: Recommender) -> Recommender:
        similarity = drawn_similarity(self.spec, seed)
        similarity.bias = nnx.Param(dot.similarity.bias[...])
        return Recommender.from_tables(dot.user[...], dot.item[...], similarity)


class RecommenderProblem:
    """Recommenders of one data set; members are `Member`, and `Program.evaluate` gives `Ranking` [members, users]."""

    def __init__(
        self,
        data: LeaveOneOut,
        spec: Spec,
        pretrained: bool = False,
        memory_bytes: int | None = None,
        table_shards: int = 1,
        precision: str = FLOAT32,
    ):
        """See `memory_estimate` on `pretrained`, and `ncfjax.data.history` on what depends on `memory_bytes`.

        Raises:
            ValueError: more examples than can be numbered.
        """
        _check_examples(spec, len(data.train))
        self.interactions, self.spec = data, spec
        self.memory_bytes, self.as_bits = memory_bytes, fits_as_bits(data.train, memory_bytes)
        self.run = RecommenderRun(
            spec, data.train.num_users, data.train.num_items, len(data.held_out), table_shards, precision
        )
        memory = memory_estimate(spec, data, pretrained=pretrained, as_bits=self.as_bits)
        self.memory = memory if table_shards == 1 else _over_devices(memory, table_shards)

    @property
    def cpu_width(self) -> int:
        """Towers go alone: products of several members at once are slower than one by one."""
        if self.spec.similarity.hidden_widths:
            return 1
        return max(1, CPU_GROUP_FLOATS[self.spec.objective] // self.spec.embedding_dim)

    @property
    def num_parameters(self) -> int:
        """Of one member."""
        scalars = Hyperparameters(*[jnp.float32(0)] * len(Hyperparameters._fields))
        counts = self.run.num_users, self.run.num_items

        def draw(seed):
            return reshaped_tables(self.run.init(scalars, seed).model, *counts)

        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(jax.eval_shape(draw, jnp.uint32(0))))

    def data(self, seeds: list[int], mesh: Mesh) -> Data:
        """A copy on every device, the same for all seeds; kept for the next block."""
        key = id(self.interactions), self.as_bits, mesh
        if not (_last_data and _last_data[0] == key):
            _last_data.clear()  # before the next ones are there: both may not fit
            training_data = make_training_data(self.interactions.train, self.as_bits)
            batches = make_evaluation_batches(self.interactions, training_data.history, self.as_bits)
            data = jax.device_put(Data(training_data, batches), NamedSharding(mesh, PartitionSpec()))
            _last_data[:] = [key, data, self.interactions]  # which stay, so that no others get their id
        return _last_data[1]


_last_data: list = []


def _check_examples(spec: Spec, num_pairs: int) -> None:
    check_positions("training pairs", num_pairs)
    if spec.objective == "sampled":
        what, count = ("an epoch", num_pairs) if spec.shuffle_examples else ("a step", spec.batch_size)
        why = f" = {count:,} positives * (1 + {spec.num_negatives:,} negatives)"
        check_positions(f"examples of {what}", count * (1 + spec.num_negatives), why)


def memory_estimate(spec: Spec, data: LeaveOneOut, *, pretrained: bool = False, as_bits: bool = True) -> MemoryEstimate:
    """Bytes that every device needs whatever it trains, and bytes for each member. A test holds it against XLA's.

    A member that is `pretrained` counts as one that holds two more models, trained by Adam, whose tables side by side
    are as wide as its own: the first while the second one trains, and both while it is joined from them. One that
    starts from a dot product, which SGD trains, needs less.
    """
    train, num_items, candidates = data.train, data.train.num_items, data.held_out.negatives.shape[1]
    is_weighted, histories = train.weights is not None, 2 * history_bytes(train, as_bits)
    # Pairs, gaps and weights; counts and starts.
    pairs = (12 + 8 * is_weighted) * len(train) + 8 * train.num_users
    fixed = pairs + histories + 4 * len(data.held_out) * (candidates + 4)
    tables = 4 * spec.embedding_dim * (train.num_users + num_items)
    # The tables, their update, and the moments of both.
    copies = 1 + 6 if pretrained else {"sgd": 2, "adam": 6, "lazy_adam": 6}[spec.optimizer]
    hidden_widths = spec.similarity.hidden_widths
    if spec.objective == "expected":
        # Scores, labels and their gradient; the units of a tower and theirs; weights and where they are looked up.
        step = (6 + 3 * sum(hidden_widths) + 3 * is_weighted) * 4 * spec.batch_size * num_items
    else:
        # Random keys and order, sorted and padded; then vectors of a batch, their gradient and its scatter.
        width = (3 if hidden_widths else 1) * spec.embedding_dim + sum(hidden_widths)  # a network reads both vectors
        num_ordered = len(train) * (1 + spec.num_negatives * spec.shuffle_examples)
        step = 24 * num_ordered + 4 * 4 * spec.batch_size * (2 + spec.num_negatives) * width
        drawn_at_once = spec.reject_positives or spec.shuffle_examples
        step += 5 * 4 * len(train) * spec.num_negatives * drawn_at_once
    training = copies * tables + max(step, ranking_bytes(data, sum(hidden_widths)))
    return MemoryEstimate(fixed, max(training, DRAWN_COPIES * tables))


def _over_devices(memory: MemoryEstimate, num_devices: int) -> MemoryEstimate:
    """Of a member whose tables are spread over the devices: each of these has all data. What a step holds beside rows
    is counted once, as most of it is the scores of a device's own items."""
    return memory._replace(fixed=num_devices * memory.fixed, devices=num_devices)


def ranking_bytes(data: LeaveOneOut, units_per_pair: int) -> int:
    """Bytes to rank a block of users, beside the data: scores, histories and comparisons; and the units of the pairs
    that a tower scores at once."""
    pairs = min(USERS_PER_BLOCK, len(data.held_out)) * data.train.num_items
    return 12 * pairs + 4 * units_per_pair * min(pairs, pairs_at_once())
