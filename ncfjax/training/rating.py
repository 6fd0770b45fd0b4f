"""Models of explicit ratings, as what a grid trains: members differ in their rates and seeds, and share their ratings.

    prediction    y(u, i) = mean of the training ratings + s(p_u, q_i)      s: any similarity of ncfjax.models
    objective     `squared` (objectives.py), in random batches, with a rate that falls by a factor from epoch to epoch

So the dot product with biases is biased matrix factorization (Koren, Bell and Volinsky, IEEE Computer 2009), and NeuMF
is compared with it under one loss, one order of examples and one budget.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from ncfjax.data.ratings import Ratings
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import Similarity, abstract_similarity
from ncfjax.training.blocks import WITHOUT_YNN, MemoryEstimate
from ncfjax.training.loop import DRAWN_COPIES, epoch_key, init_train_state
from ncfjax.training.objectives import Penalty, squared_gradient
from ncfjax.training.optimizers import apply_gradient, apply_missed_decay, gather_rows, init_optimizer
from ncfjax.training.program import Data
from ncfjax.training.sampling import check_positions, feistel_permutation
from ncfjax.training.train_state import TrainState

PAIRS_AT_ONCE = 8_192  # whose ratings are predicted at once
CPU_GROUP_FLOATS = 256  # of one item's vectors in a group: beyond it its tables fall out of the second-level cache


class RatingSpec(NamedTuple):
    """What is fixed when a program is compiled. `batch_size` counts ratings."""

    embedding_dim: int
    batch_size: int
    model: str = "dot"
    options: tuple[tuple[str, Any], ...] = ()  # of the model's similarity; one that is missing has its default
    optimizer: str = "sgd"

    @property
    def similarity(self) -> Similarity:
        """Without numbers: what is known of it before it is drawn."""
        return abstract_similarity(self.model, self.embedding_dim, self.options)


class RatingHyperparameters(NamedTuple):
    """What may differ between the members of one program: traced scalars."""

    learning_rate: Float[Array, "*members"]
    decay: Float[Array, "*members"]  # learning_rate of an epoch over that of the one before
    regularization: Float[Array, "*members"]
    bias_regularization: Float[Array, "*members"]  # of the entries that are biases
    stddev: Float[Array, "*members"]


class RatingMember(NamedTuple):
    """One point of a grid."""

    learning_rate: float
    decay: float
    regularization: float
    bias_regularization: float
    stddev: float
    seed: int


class RatingData(NamedTuple):
    """Training ratings on the device, less their mean."""

    users: Int[Array, " ratings"]
    items: Int[Array, " ratings"]
    residuals: Float[Array, " ratings"]


class RatedPairs(NamedTuple):
    """Pairs to predict, in blocks; what fills the last block is pair (0, 0)."""

    users: Int[Array, "blocks pairs"]
    items: Int[Array, "blocks pairs"]
    mean: Float[Array, ""]  # of the training ratings


@dataclass(frozen=True)
class RatingRun:
    """One run, for `Program`."""

    spec: RatingSpec
    num_users: int
    num_items: int
    num_pairs: int  # to predict
    hyperparameters = RatingHyperparameters
    data_per_group = False
    cpu_compiler_options = WITHOUT_YNN

    def init(self, hyperparameters: RatingHyperparameters, seed) -> TrainState:
        return init_train_state(self.spec, self.num_users, self.num_items, hyperparameters.stddev, seed)

    def begin(self, model: Recommender) -> TrainState:
        return TrainState(model, init_optimizer(self.spec.optimizer, model))

    def train(
        self, data: RatingData, hyperparameters: RatingHyperparameters, state: TrainState, seed, first_epoch, num_epochs
    ) -> TrainState:
        def body(epoch, state):
            learning_rate = hyperparameters.learning_rate * hyperparameters.decay**epoch
            at_epoch = hyperparameters._replace(learning_rate=learning_rate)
            state = rating_epoch(self.spec, data, at_epoch, state, epoch_key(seed, epoch))
            return apply_missed_decay(self.spec.optimizer, learning_rate, state)

        return jax.lax.fori_loop(first_epoch, first_epoch + num_epochs, body, state)

    def evaluate(self, data: RatedPairs, model: Recommender) -> Float[Array, " pairs"]:
        """Predictions, not clipped to a scale."""
        scores = jax.lax.map(lambda pairs: model.score(*pairs), (data.users, data.items))
        return data.mean + scores.reshape(-1)[: self.num_pairs]


def rating_epoch(
    spec: RatingSpec, data: RatingData, hyperparameters: RatingHyperparameters, state: TrainState, key: Array
) -> TrainState:
    """Every rating once, in random order, in batches."""
    num_users, num_items = len(state.model.user), len(state.model.item)

    def step(state, batch):
        valid = batch < len(data.users)
        users, items, y = (x.at[batch].get(mode="clip") for x in data)
        ids = jnp.where(valid, users, num_users), jnp.where(valid, items, num_items)
        user, item = gather_rows(spec.optimizer, hyperparameters.learning_rate, state, *ids)
        strength = hyperparameters.regularization
        penalty = Penalty(strength, hyperparameters.bias_regularization, strength)
        gradient = squared_gradient(state.model.similarity, user.values, item.values, y, valid, penalty)
        return apply_gradient(spec.optimizer, hyperparameters.learning_rate, state, user, item, gradient), None

    return jax.lax.scan(step, state, feistel_permutation(key, len(data.users), spec.batch_size))[0]


class RatingProblem:
    """Models of some training ratings; members are `RatingMember`, `Program.evaluate` gives [members, pairs]."""

    def __init__(self, train: Ratings, pairs: Ratings, spec: RatingSpec):
        """`pairs` are those to predict; their values are not looked at.

        Raises:
            ValueError: more ratings than can be numbered.
        """
        check_positions("training ratings", len(train))
        self.train, self.pairs, self.spec = train, pairs, spec
        self.run = RatingRun(spec, train.num_users, train.num_items, len(pairs))
        self.memory = rating_memory(spec, train, len(pairs))

    @property
    def cpu_width(self) -> int:
        """Towers go alone: products of several members at once are slower than one by one."""
        return 1 if self.spec.similarity.hidden_widths else max(1, CPU_GROUP_FLOATS // self.spec.embedding_dim)

    @property
    def num_parameters(self) -> int:
        """Of one member."""
        return num_parameters(self.spec, self.train.num_users, self.train.num_items)

    @cached_property
    def mean(self) -> np.float64:
        """Of the training ratings."""
        return self.train.values.mean(dtype=np.float64)

    def data(self, seeds: list[int], mesh: Mesh) -> Data:
        """A copy on every device, the same for all seeds."""
        train = self.train
        training = RatingData(train.users, train.items, (train.values - self.mean).astype(np.float32))
        pairs = RatedPairs(_blocks(self.pairs.users), _blocks(self.pairs.items), np.float32(self.mean))
        return jax.device_put(Data(training, pairs), NamedSharding(mesh, PartitionSpec()))


def _blocks(ids: Int[np.ndarray, " n"]) -> Int[np.ndarray, "blocks pairs"]:
    return np.pad(ids, (0, -len(ids) % PAIRS_AT_ONCE)).reshape(-1, PAIRS_AT_ONCE)


def num_parameters(spec: RatingSpec, num_users: int, num_items: int) -> int:
    """Of a model, from its shapes alone: nothing is allocated."""
    run = RatingRun(spec, num_users, num_items, 0)
    scalars = RatingHyperparameters(*[jnp.float32(0)] * len(RatingHyperparameters._fields))
    state = jax.eval_shape(run.init, scalars, jnp.uint32(0))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.model))


def rating_memory(spec: RatingSpec, train: Ratings, num_pairs: int) -> MemoryEstimate:
    """Bytes that every device needs whatever it trains, and bytes for each member. A test holds it against XLA's."""
    hidden_widths = spec.similarity.hidden_widths
    tables = 4 * spec.embedding_dim * (train.num_users + train.num_items)
    copies = {"sgd": 2, "adam": 6, "lazy_adam": 6}[spec.optimizer]
    width = 3 * spec.embedding_dim + sum(hidden_widths)
    order = 6 * 4 * len(train)  # of an epoch: the halves of every place as they are mixed
    step = 4 * 4 * max(spec.batch_size, PAIRS_AT_ONCE) * width
    each = max(copies * tables + step, DRAWN_COPIES * tables) + 8 * num_pairs
    return MemoryEstimate(12 * len(train) + 8 * num_pairs + order, each)
