"""One run: a model is drawn from its seed and trained epoch by epoch, all of it inside `jax.lax` loops.

Nothing here knows grids, files or clocks. Every random choice descends from the seed alone: key(seed) ->
initialisation of the tables, -> of the similarity, and -> epoch -> order, negatives. So an epoch is the same whether
it is reached in one call or in many.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8, UInt32

from ncfjax.data.history import pack_history, unpack_history
from ncfjax.data.interactions import Interactions
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import SIMILARITIES
from ncfjax.training.objectives import expected_gradient, sampled_gradient
from ncfjax.training.optimizers import OptimizerState, descend, init_optimizer, read, settle

INIT, EPOCH, SIMILARITY = range(3)  # what a key is for
_FEISTEL_ROUNDS = 8  # with 6, an id still follows its predecessor 5 % too often


class Spec(NamedTuple):
    """What is fixed when a program is compiled. `batch_size` counts users (expected) or positives (sampled)."""

    embedding_dim: int
    objective: str
    batch_size: int
    num_negatives: int
    model: str = "dot"
    options: tuple[tuple[str, Any], ...] = (("biases", True),)  # of the model's similarity
    optimizer: str = "sgd"
    reject_positives: bool = False
    shuffle_examples: bool = False  # sampled: `batch_size` then counts examples


class Rates(NamedTuple):
    """What may differ between the members of one program: traced scalars."""

    learning_rate: Float[Array, "*members"]
    regularization: Float[Array, "*members"]
    stddev: Float[Array, "*members"]
    negative_weight: Float[Array, "*members"]


class TrainingData(NamedTuple):
    """Training interactions on the device: pairs for the sampled objective, histories and their lengths for the
    expected one, and what is left between the items of a history for negatives that reject them."""

    users: Int[Array, " positives"]
    items: Int[Array, " positives"]
    count: Int[Array, " num_users"]
    history: UInt8[Array, "num_users bytes"]
    start: Int[Array, " num_users"]  # of each user in `gaps`
    gaps: Int[Array, " positives"]  # sorted by user and item: how many other items come before a positive


def make_training_data(interactions: Interactions) -> TrainingData:
    """Moves the training interactions to the device."""
    users, items = interactions.users, interactions.items
    count = np.bincount(users, minlength=interactions.num_users).astype(np.int32)
    start = (np.cumsum(count) - count).astype(np.int32)
    order = np.lexsort((items, users))
    gaps = (items[order] - (np.arange(len(items)) - start[users[order]])).astype(np.int32)
    return TrainingData(*map(jnp.asarray, (users, items, count, pack_history(interactions), start, gaps)))


class Learner(NamedTuple):
    """A model with its optimiser's state."""

    model: Recommender
    optimizer: OptimizerState


def init_learner(spec: Spec, num_users: int, num_items: int, stddev, seed: UInt32[Array, ""]) -> Learner:
    """A fresh model, drawn from its seed."""
    key, similarity_key = (jax.random.fold_in(jax.random.key(seed), use) for use in (INIT, SIMILARITY))
    similarity = SIMILARITIES[spec.model](spec.embedding_dim, key=similarity_key, **dict(spec.options))
    model = Recommender(num_users, num_items, spec.embedding_dim, similarity, stddev=stddev, key=key)
    return Learner(model, init_optimizer(spec.optimizer, model))


def epoch_key(seed: UInt32[Array, ""], epoch: Int[Array, ""]) -> Array:
    """The key of everything random in one epoch."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), EPOCH), epoch)


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


def scrambled(key: Array, count: int, batch_size: int) -> Int[Array, "batches batch"]:
    """0..count-1 in pseudorandom order in batches, among them a few ids past the end, which are padding.

    A Feistel network (Luby and Rackoff, SIAM J. Computing 1988) over the smallest square that holds `count`: for the
    five million examples of MovieLens-1M 0.03 s, where sorting by random keys takes 1.7 s.
    """
    side = math.isqrt(count - 1) + 1
    places = jnp.arange(side * side, dtype=jnp.uint32)
    left, right = places // side, places % side
    for round_key in jax.random.bits(key, (_FEISTEL_ROUNDS,)):
        left, right = right, (left + _hash(right + round_key) % side) % side
    padding = jnp.full(-(side * side) % batch_size, count, jnp.int32)
    order = jnp.concatenate([(left * side + right).astype(jnp.int32), padding])
    return order.reshape(-1, batch_size)


def _hash(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """Mixes all bits (the finaliser of MurmurHash3)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ (x >> shift)) * jnp.uint32(factor)
    return x ^ (x >> 16)


def sample_negatives(key: Array, shape: tuple[int, ...], num_items: int) -> Int[Array, "..."]:
    """Uniform item ids, with repeats, positives not excluded.

    The modulo favours low ids by num_items / 2^32.
    """
    return (jax.random.bits(key, shape) % jnp.uint32(num_items)).astype(jnp.int32)


def sample_unobserved(
    key: Array, users: Int[Array, " batch"], num_negatives: int, data: TrainingData, num_items: int
) -> Int[Array, "batch negatives"]:
    """Uniform ids of items that the user has not in training, with repeats: what rejecting positives ends in.

    The r-th such item is r + k, where k positives come before it: those with at most r other items before them, found
    by halving. So nothing is drawn twice and a user of many items costs what others do. A user who has every item
    gets the last one.
    """
    others = jnp.maximum(num_items - data.count[users], 1)[:, None].astype(jnp.uint32)
    r = (jax.random.bits(key, (len(users), num_negatives)) % others).astype(jnp.int32)
    first, last = jnp.zeros_like(r), jnp.broadcast_to(data.count[users][:, None], r.shape)

    def halve(_, bounds):
        first, last = bounds
        middle = (first + last) // 2
        comes_before = data.gaps.at[data.start[users][:, None] + middle].get(mode="clip") <= r
        is_open = first < last
        return jnp.where(is_open & comes_before, middle + 1, first), jnp.where(is_open & ~comes_before, middle, last)

    k, _ = jax.lax.fori_loop(0, num_items.bit_length(), halve, (first, last))
    return jnp.minimum(r + k, num_items - 1)


def draw_unobserved(
    key: Array, batches: Int[Array, "batches batch"], num_negatives: int, data: TrainingData, num_items: int
) -> Int[Array, "batches batch negatives"]:
    """`sample_unobserved` for all batches of an epoch, each by its own key."""

    def draw(batch, index):
        users = data.users.at[batch].get(mode="clip")
        return sample_unobserved(jax.random.fold_in(key, index), users, num_negatives, data, num_items)

    return jax.vmap(draw)(batches, jnp.arange(len(batches)))


def sampled_epoch(spec: Spec, data: TrainingData, rates: Rates, learner: Learner, key: Array) -> Learner:
    """Every positive once, in random order, with negatives drawn anew."""
    order_key, negatives_key = jax.random.split(key)
    batches = shuffled(order_key, len(data.users), spec.batch_size)
    indices, num_items = jnp.arange(len(batches)), learner.model.item.shape[0]
    drawn = None
    if spec.reject_positives:
        # Many small operations: cheaper for a whole epoch at once than in each of its small steps.
        drawn = draw_unobserved(negatives_key, batches, spec.num_negatives, data, num_items)

    def step(learner, batch_and_index):
        batch, index, negatives = batch_and_index
        if negatives is None:
            key, shape = jax.random.fold_in(negatives_key, index), (spec.batch_size, spec.num_negatives)
            negatives = sample_negatives(key, shape, num_items)
        valid = batch < len(data.users)
        users, items = data.users.at[batch].get(mode="clip"), data.items.at[batch].get(mode="clip")
        examples = jnp.concatenate([items[:, None], negatives], axis=1)
        label = jnp.arange(1 + spec.num_negatives)[None, :] == 0
        return _examples_step(spec, rates, learner, users, examples, label, valid), None

    return jax.lax.scan(step, learner, (batches, indices, drawn))[0]


def shuffled_examples_epoch(spec: Spec, data: TrainingData, rates: Rates, learner: Learner, key: Array) -> Learner:
    """Every positive once with negatives drawn anew, all of them shuffled: a batch mixes examples of many users.

    As NCF's code trains. A positive and its negatives then move their user in as many steps, which matters to Adam.
    """
    order_key, negatives_key = jax.random.split(key)
    num_positives, per_positive = len(data.users), 1 + spec.num_negatives
    num_items = learner.model.item.shape[0]
    if spec.reject_positives:
        negatives = sample_unobserved(negatives_key, data.users, spec.num_negatives, data, num_items)
    else:
        negatives = sample_negatives(negatives_key, (num_positives, spec.num_negatives), num_items)
    items = jnp.concatenate([data.items[:, None], negatives], axis=1).reshape(-1)

    def step(learner, batch):
        valid = batch < len(items)
        users = data.users.at[batch // per_positive].get(mode="clip")
        examples, label = items.at[batch].get(mode="clip")[:, None], (batch % per_positive == 0)[:, None]
        return _examples_step(spec, rates, learner, users, examples, label, valid), None

    return jax.lax.scan(step, learner, scrambled(order_key, len(items), spec.batch_size))[0]


def _examples_step(spec: Spec, rates: Rates, learner: Learner, users, items, label, valid) -> Learner:
    """One step on examples [batch, examples] of a batch of users."""
    num_users, num_items = len(learner.model.user), len(learner.model.item)
    ids = jnp.where(valid, users, num_users), jnp.where(valid[:, None], items, num_items).reshape(-1)
    user, item = read(spec.optimizer, rates.learning_rate, *learner, *ids)
    q = item.values.reshape(*items.shape, -1)
    arguments = label, valid, rates.negative_weight, rates.regularization
    gradient = sampled_gradient(learner.model.similarity, user.values, q, *arguments)
    return Learner(*descend(spec.optimizer, rates.learning_rate, *learner, user, item, gradient))


def expected_epoch(spec: Spec, data: TrainingData, rates: Rates, learner: Learner, key: Array) -> Learner:
    """Every user once, in random order, in blocks of `batch_size` users with all their positives and every item as a
    negative."""
    num_users, num_items = learner.model.user.shape[0], learner.model.item.shape[0]
    negatives_per_positive = rates.negative_weight * spec.num_negatives

    def step(learner, users):
        positives = unpack_history(data.history, users, num_items)
        count = data.count.at[users].get(mode="fill", fill_value=0)
        user, item = read(spec.optimizer, rates.learning_rate, *learner, users, None)
        arguments = positives, count, negatives_per_positive, rates.regularization, spec.reject_positives
        gradient = expected_gradient(learner.model.similarity, user.values, item.values, *arguments)
        return Learner(*descend(spec.optimizer, rates.learning_rate, *learner, user, item, gradient)), None

    return jax.lax.scan(step, learner, shuffled(key, num_users, spec.batch_size))[0]


EPOCHS = {"expected": expected_epoch, "sampled": sampled_epoch}  # shuffle_examples: shuffled_examples_epoch


def train(spec: Spec, data: TrainingData, rates: Rates, learner: Learner, seed, first_epoch, num_epochs) -> Learner:
    """Trains for `num_epochs` epochs (traced, so any number costs one compile) from `first_epoch` on."""
    run_epoch = shuffled_examples_epoch if spec.shuffle_examples else EPOCHS[spec.objective]

    def body(epoch, learner):
        learner = run_epoch(spec, data, rates, learner, epoch_key(seed, epoch))
        return Learner(*settle(spec.optimizer, rates.learning_rate, *learner))

    return jax.lax.fori_loop(first_epoch, first_epoch + num_epochs, body, learner)
