"""One run: a model is drawn from its seed and trained epoch by epoch, all of it inside `jax.lax` loops.

Nothing here knows grids, files or clocks. Every random choice descends from the seed alone: key(seed) ->
initialisation, and -> epoch -> order, negatives. So an epoch is the same whether it is reached in one call or in
many.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, UInt8, UInt32

from ncfjax.data.history import pack_history, unpack_history
from ncfjax.data.interactions import Interactions
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import SIMILARITIES
from ncfjax.training.objectives import expected_gradient, sampled_gradient
from ncfjax.training.optimizers import descend, init_optimizer


class Spec(NamedTuple):
    """What is fixed when a program is compiled. `batch_size` counts users (expected) or positives (sampled)."""

    embedding_dim: int
    objective: str
    batch_size: int
    num_negatives: int
    model: str = "dot"
    biases: bool = True
    optimizer: str = "sgd"


class Rates(NamedTuple):
    """What may differ between the members of one program: traced scalars."""

    learning_rate: Float[Array, "*members"]
    regularization: Float[Array, "*members"]
    stddev: Float[Array, "*members"]
    negative_weight: Float[Array, "*members"]


class TrainingData(NamedTuple):
    """Training interactions on the device: pairs for the sampled objective, histories and their lengths for the
    expected one."""

    users: Int[Array, " positives"]
    items: Int[Array, " positives"]
    count: Int[Array, " num_users"]
    history: UInt8[Array, "num_users bytes"]


def make_training_data(interactions: Interactions) -> TrainingData:
    """Moves the training interactions to the device."""
    count = np.bincount(interactions.users, minlength=interactions.num_users).astype(np.int32)
    return TrainingData(*map(jnp.asarray, (interactions.users, interactions.items, count, pack_history(interactions))))


class Learner(NamedTuple):
    """A model with its optimiser's state."""

    model: Recommender
    optimizer: optax.OptState


def init_learner(spec: Spec, num_users: int, num_items: int, stddev, seed: UInt32[Array, ""]) -> Learner:
    """A fresh model, drawn from its seed."""
    similarity = SIMILARITIES[spec.model](spec.embedding_dim, biases=spec.biases)
    key = jax.random.fold_in(jax.random.key(seed), 0)
    model = Recommender(num_users, num_items, spec.embedding_dim, similarity, stddev=stddev, key=key)
    return Learner(model, init_optimizer(spec.optimizer, model))


def epoch_key(seed: UInt32[Array, ""], epoch: Int[Array, ""]) -> Array:
    """The key of everything random in one epoch."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 1), epoch)


def shuffled(key: Array, count: int, batch_size: int) -> Int[Array, "batches batch"]:
    """A random order of 0..count-1 in batches; the last batch is filled up with `count`, which is past the end.

    One sort by 32-bit random keys. Equal keys stay in their order: about count^2 / 2^33 pairs, 115 of the 994,169 of
    MovieLens-1M, a fifth of a second per epoch cheaper than `jax.random.permutation`, which sorts twice.
    """
    keys = jax.random.bits(key, (count,))
    _, order = jax.lax.sort((keys, jnp.arange(count, dtype=jnp.int32)), num_keys=1)
    num_batches = -(-count // batch_size)
    padding = jnp.full(num_batches * batch_size - count, count, jnp.int32)
    return jnp.concatenate([order, padding]).reshape(num_batches, batch_size)


def sample_negatives(key: Array, shape: tuple[int, ...], num_items: int) -> Int[Array, "..."]:
    """Uniform item ids, with repeats, positives not excluded.

    The modulo favours low ids by num_items / 2^32.
    """
    return (jax.random.bits(key, shape) % jnp.uint32(num_items)).astype(jnp.int32)


def sampled_epoch(spec: Spec, data: TrainingData, rates: Rates, learner: Learner, key: Array) -> Learner:
    """Every positive once, in random order, with negatives drawn anew."""
    order_key, negatives_key = jax.random.split(key)
    batches = shuffled(order_key, len(data.users), spec.batch_size)
    num_items = learner.model.item.shape[0]

    def step(learner, batch_and_index):
        batch, index = batch_and_index
        shape = (spec.batch_size, spec.num_negatives)
        negatives = sample_negatives(jax.random.fold_in(negatives_key, index), shape, num_items)
        valid = batch < len(data.users)
        users, items = data.users.at[batch].get(mode="clip"), data.items.at[batch].get(mode="clip")
        gradient = sampled_gradient(
            learner.model, users, items, negatives, valid, rates.negative_weight, rates.regularization
        )
        return Learner(*descend(spec.optimizer, rates.learning_rate, *learner, gradient)), None

    return jax.lax.scan(step, learner, (batches, jnp.arange(len(batches))))[0]


def expected_epoch(spec: Spec, data: TrainingData, rates: Rates, learner: Learner, key: Array) -> Learner:
    """Every user once, in random order, in blocks of `batch_size` users with all their positives and every item as a
    negative."""
    num_users, num_items = learner.model.user.shape[0], learner.model.item.shape[0]
    negatives_per_positive = rates.negative_weight * spec.num_negatives

    def step(learner, users):
        positives = unpack_history(data.history, users, num_items)
        count = data.count.at[users].get(mode="fill", fill_value=0)
        gradient = expected_gradient(
            learner.model, users, positives, count, negatives_per_positive, rates.regularization
        )
        return Learner(*descend(spec.optimizer, rates.learning_rate, *learner, gradient)), None

    return jax.lax.scan(step, learner, shuffled(key, num_users, spec.batch_size))[0]


EPOCHS = {"expected": expected_epoch, "sampled": sampled_epoch}


def train(spec: Spec, data: TrainingData, rates: Rates, learner: Learner, seed, first_epoch, num_epochs) -> Learner:
    """Trains for `num_epochs` epochs (traced, so any number costs one compile) from `first_epoch` on."""
    run_epoch = EPOCHS[spec.objective]

    def body(epoch, learner):
        return run_epoch(spec, data, rates, learner, epoch_key(seed, epoch))

    return jax.lax.fori_loop(first_epoch, first_epoch + num_epochs, body, learner)
