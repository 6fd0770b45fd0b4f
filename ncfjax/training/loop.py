"""One run: a model is drawn from its seed and trained epoch by epoch, all of it inside `jax.lax` loops.

Nothing here knows grids, files or clocks. Every random choice descends from the seed alone: key(seed) ->
initialisation of the tables, -> of the similarity, and -> epoch -> order, negatives. So an epoch is the same whether
it is reached in one call or in many.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from ncfjax.data.history import unpack_history
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import Similarity, abstract_similarity, make_similarity
from ncfjax.models.tables import Layout, fill_columns
from ncfjax.training.objectives import Penalty, expected_gradient, sampled_gradient
from ncfjax.training.optimizers import apply_gradient, apply_missed_decay, gather_rows, init_optimizer
from ncfjax.training.sampling import (
    TrainingData,
    draw_unobserved,
    feistel_permutation,
    sample_negatives,
    sample_unobserved,
    shuffled,
    weights_of_pairs,
    weights_of_users,
)
from ncfjax.training.train_state import TrainState

INIT, EPOCH, SIMILARITY, DISTILLATION = range(4)  # what a key is for
DRAWN_COPIES = 4  # of the tables that XLA holds while it draws them: themselves, random bits, and two on the way


class Spec(NamedTuple):
    """What is fixed when a program is compiled. `batch_size` counts users (expected) or positives (sampled)."""

    embedding_dim: int
    objective: str
    batch_size: int
    num_negatives: int
    model: str = "dot"
    options: tuple[tuple[str, Any], ...] = ()  # of the model's similarity; one that is missing has its default
    optimizer: str = "sgd"
    reject_positives: bool = False
    shuffle_examples: bool = False  # sampled: `batch_size` then counts examples

    @property
    def similarity(self) -> Similarity:
        """Without numbers: what is known of it before it is drawn."""
        return abstract_similarity(self.model, self.embedding_dim, self.options)


class Hyperparameters(NamedTuple):
    """What may differ between the members of one program: traced scalars."""

    learning_rate: Float[Array, "*members"]
    regularization: Float[Array, "*members"]
    stddev: Float[Array, "*members"]
    negative_weight: Float[Array, "*members"]
    decay: Float[Array, "*members"] | float = 1.0  # learning_rate of an epoch over that of the one before
    bias_penalty: Float[Array, "*members"] | None = None  # instead of regularization, where vectors hold biases
    weights_penalty: Float[Array, "*members"] | None = None  # instead of it, of the similarity's own parameters
    weights_rate: Float[Array, "*members"] | float = 1.0  # their learning rate over learning_rate

    @property
    def penalty(self) -> Penalty:
        instead = self.bias_penalty, self.weights_penalty
        return Penalty(self.regularization, *(self.regularization if x is None else x for x in instead))


@runtime_checkable
class ModelSpec(Protocol):
    """What a fresh model and its optimiser are made of."""

    model: str
    embedding_dim: int
    options: tuple[tuple[str, Any], ...]
    optimizer: str


def init_train_state(spec: ModelSpec, num_users: int, num_items: int, stddev, seed: UInt32[Array, ""]) -> TrainState:
    """A fresh model, drawn from its seed."""
    key, similarity = jax.random.fold_in(jax.random.key(seed), INIT), drawn_similarity(spec, seed)
    model = Recommender(num_users, num_items, spec.embedding_dim, similarity, stddev=stddev, key=key)
    return TrainState(model, init_optimizer(spec.optimizer, model))


def drawn_similarity(spec: ModelSpec, seed: UInt32[Array, ""]) -> Similarity:
    """The similarity that a model of this seed begins with."""
    key = jax.random.fold_in(jax.random.key(seed), SIMILARITY)
    return make_similarity(spec.model, spec.embedding_dim, key=key, **dict(spec.options))


def epoch_key(seed: UInt32[Array, ""], epoch: Int[Array, ""]) -> Array:
    """The key of everything random in one epoch."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), EPOCH), epoch)


def sampled_epoch(
    spec: Spec, data: TrainingData, hyperparameters: Hyperparameters, state: TrainState, key: Array, layout: Layout
) -> TrainState:
    """Every positive once, in random order, with negatives drawn anew."""
    num_items = layout.num_items
    order_key, negatives_key = jax.random.split(key)
    batches = shuffled(order_key, len(data.users), spec.batch_size)
    indices = jnp.arange(len(batches))
    drawn = None
    if spec.reject_positives:
        # Many small operations: cheaper for a whole epoch at once than in each of its small steps.
        drawn = draw_unobserved(negatives_key, batches, spec.num_negatives, data, num_items)

    def step(state, batch_and_index):
        batch, index, negatives = batch_and_index
        if negatives is None:
            key, shape = jax.random.fold_in(negatives_key, index), (spec.batch_size, spec.num_negatives)
            negatives = sample_negatives(key, shape, num_items)
        valid = batch < len(data.users)
        users, items = data.users.at[batch].get(mode="clip"), data.items.at[batch].get(mode="clip")
        examples = jnp.concatenate([items[:, None], negatives], axis=1)
        label = jnp.arange(1 + spec.num_negatives)[None, :] == 0
        weights = weights_of_pairs(data, batch)
        return _examples_step(spec, hyperparameters, state, users, examples, label, valid, weights), None

    return jax.lax.scan(step, state, (batches, indices, drawn))[0]


def shuffled_examples_epoch(
    spec: Spec, data: TrainingData, hyperparameters: Hyperparameters, state: TrainState, key: Array, layout: Layout
) -> TrainState:
    """Every positive once with negatives drawn anew, all of them shuffled: a batch mixes examples of many users.

    As NCF's code trains. A positive and its negatives then move their user in as many steps, which matters to Adam.
    """
    order_key, negatives_key = jax.random.split(key)
    num_positives, per_positive, num_items = len(data.users), 1 + spec.num_negatives, layout.num_items
    if spec.reject_positives:
        negatives = sample_unobserved(negatives_key, data.users, spec.num_negatives, data, num_items)
    else:
        negatives = sample_negatives(negatives_key, (num_positives, spec.num_negatives), num_items)
    items = jnp.concatenate([data.items[:, None], negatives], axis=1).reshape(-1)

    def step(state, batch):
        valid = batch < len(items)
        pairs = batch // per_positive
        users, weights = data.users.at[pairs].get(mode="clip"), weights_of_pairs(data, pairs)
        examples, label = items.at[batch].get(mode="clip")[:, None], (batch % per_positive == 0)[:, None]
        return _examples_step(spec, hyperparameters, state, users, examples, label, valid, weights), None

    return jax.lax.scan(step, state, feistel_permutation(order_key, len(items), spec.batch_size))[0]


def _examples_step(
    spec: Spec, hyperparameters: Hyperparameters, state: TrainState, users, items, label, valid, weights
) -> TrainState:
    """One step on examples [batch, examples] of a batch of users; `weights` are those of the positives among them."""
    past_users, past_items = len(state.model.user), len(state.model.item)
    ids = jnp.where(valid, users, past_users), jnp.where(valid[:, None], items, past_items).reshape(-1)
    user, item = gather_rows(spec.optimizer, hyperparameters.learning_rate, state, *ids)
    q = item.values.reshape(*items.shape, -1)
    arguments = label, valid, hyperparameters.negative_weight, hyperparameters.penalty, weights
    gradient = sampled_gradient(state.model.similarity, user.values, q, *arguments)
    rate, weights_rate = hyperparameters.learning_rate, hyperparameters.weights_rate
    return apply_gradient(spec.optimizer, rate, state, user, item, gradient, weights_rate)


def expected_epoch(
    spec: Spec, data: TrainingData, hyperparameters: Hyperparameters, state: TrainState, key: Array, layout: Layout
) -> TrainState:
    """Every user once, in random order, in blocks of `batch_size` users with all their positives and every item as a
    negative."""
    num_rows, num_items = len(state.model.item), layout.num_items
    negatives_per_positive = hyperparameters.negative_weight * spec.num_negatives

    def step(state, users):
        positives = unpack_history(data.history, users, num_items)
        count = data.count.at[users].get(mode="fill", fill_value=0)
        user, item = gather_rows(spec.optimizer, hyperparameters.learning_rate, state, users, None)
        weights = weights_of_users(data, users, positives)
        if num_rows > num_items:
            positives = fill_columns(positives, num_rows, False)
            weights = None if weights is None else fill_columns(weights, num_rows, 0.0)
        arguments = positives, count, negatives_per_positive, hyperparameters.penalty, spec.reject_positives
        gradient = expected_gradient(state.model.similarity, user.values, item.values, *arguments, weights, layout)
        rate, weights_rate = hyperparameters.learning_rate, hyperparameters.weights_rate
        return apply_gradient(spec.optimizer, rate, state, user, item, gradient, weights_rate), None

    return jax.lax.scan(step, state, shuffled(key, len(data.count), spec.batch_size))[0]


EPOCHS = {"expected": expected_epoch, "sampled": sampled_epoch}  # shuffle_examples: shuffled_examples_epoch


def train(
    spec: Spec,
    data: TrainingData,
    hyperparameters: Hyperparameters,
    state: TrainState,
    seed,
    first_epoch,
    num_epochs,
    layout: Layout | None = None,
) -> TrainState:
    """Trains for `num_epochs` epochs (traced, so any number costs one compile) from `first_epoch` on.

    `layout`: None where the tables are whole and have no rows that only fill them up.
    """
    layout = Layout(len(state.model.item)) if layout is None else layout
    run_epoch = shuffled_examples_epoch if spec.shuffle_examples else EPOCHS[spec.objective]

    def body(epoch, state):
        learning_rate = hyperparameters.learning_rate * hyperparameters.decay**epoch
        at_epoch = hyperparameters._replace(learning_rate=learning_rate)
        state = run_epoch(spec, data, at_epoch, state, epoch_key(seed, epoch), layout)
        return apply_missed_decay(spec.optimizer, learning_rate, state)

    return jax.lax.fori_loop(first_epoch, first_epoch + num_epochs, body, state)
