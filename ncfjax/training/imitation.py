"""Training an imitator: least squares on the noisy scores of a teacher, by Adam.

    minimise over s   mean over pairs (u, i) of  (s(p_u, q_i) - (t(p_u, q_i) + noise_ui))^2

The vectors p and q are given and stay. The teacher t is the dot product in the study's experiment (Rendle et al.,
RecSys 2020, arXiv:2005.09683, section 4), or the similarity of a trained recommender (distillation). Pairs are indices,
and the vectors of a batch are gathered inside its step: memory is O(users * dim + pairs), never pairs * dim.

As loop.py, this is one run; every random choice descends from its seed.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, UInt32

from ncfjax.models.imitator import Imitator
from ncfjax.models.similarity import Similarity
from ncfjax.training.sampling import feistel_permutation
from ncfjax.training.train_state import TrainState

INIT, EPOCH = range(2)  # what a key is for
KERAS_EPS = 1e-7  # of Adam
PAIRS_PER_CHUNK = 8_192  # whose hidden layers are held at once where nothing is trained
SCHEDULES = {
    "constant": lambda progress: jnp.ones_like(progress),
    "cosine": lambda progress: 0.5 * (1.0 + jnp.cos(math.pi * progress)),
}


class ImitationSpec(NamedTuple):
    """What is fixed when a program is compiled."""

    embedding_dim: int
    layers: tuple[int, ...]
    batch_size: int
    num_epochs: int  # of the whole run, which a schedule must know
    activation: str = "relu"
    product: bool = False
    bilinear: bool = False
    schedule: str = "constant"


class RegressionPairs(NamedTuple):
    """Pairs of given vectors, and the teacher that scores them; all on the device."""

    teacher: Similarity
    p: Float[Array, "users dim"]
    q: Float[Array, "items dim"]
    users: Int[Array, " pairs"]
    items: Int[Array, " pairs"]
    noise: Float[Array, " pairs"]


class Errors(NamedTuple):
    """Root mean squared errors against the noisy labels."""

    model: Float[Array, ""]
    teacher: Float[Array, ""]
    trivial: Float[Array, ""]  # of predicting 0


def init_imitator(spec: ImitationSpec, seed: UInt32[Array, ""]) -> TrainState:
    """A fresh network, drawn from its seed."""
    model = Imitator(
        spec.embedding_dim,
        layers=spec.layers,
        activation=spec.activation,
        product=spec.product,
        bilinear=spec.bilinear,
        key=jax.random.fold_in(jax.random.key(seed), INIT),
    )
    return begin_imitator(model)


def begin_imitator(model: Similarity) -> TrainState:
    """A given network, before the first step."""
    return TrainState(model, _adam(0.0).init(model))


def train_imitator(
    spec: ImitationSpec, pairs: RegressionPairs, learning_rate, state: TrainState, seed, first_epoch, num_epochs
) -> TrainState:
    """Trains for `num_epochs` epochs (traced, so any number costs one compile) from `first_epoch` on."""

    def body(epoch, state):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), EPOCH), epoch)
        return _epoch(spec, pairs, learning_rate, state, key, epoch)

    return jax.lax.fori_loop(first_epoch, first_epoch + num_epochs, body, state)


def _epoch(spec: ImitationSpec, pairs: RegressionPairs, learning_rate, state: TrainState, key, epoch):
    """Every pair once, in random order."""
    batches = feistel_permutation(key, len(pairs.users), spec.batch_size)
    num_steps = spec.num_epochs * len(batches)

    def step(state, batch_and_index):
        batch, index = batch_and_index
        progress = (epoch * len(batches) + index) / num_steps
        return imitation_step(pairs, learning_rate * SCHEDULES[spec.schedule](progress), state, batch), None

    return jax.lax.scan(step, state, (batches, jnp.arange(len(batches))))[0]


def imitation_step(pairs: RegressionPairs, learning_rate, state: TrainState, batch: Int[Array, " batch"]) -> TrainState:
    """One step of Adam on a batch of pairs; ids past the last pair are padding."""
    p, q, noise = _gather(pairs, batch)
    is_pair = batch < len(pairs.users)
    label = pairs.teacher(p, q) + noise

    def loss(model: Similarity) -> Float[Array, ""]:
        return jnp.sum(jnp.where(is_pair, model(p, q) - label, 0.0) ** 2) / jnp.maximum(jnp.sum(is_pair), 1)

    updates, optimizer = _adam(learning_rate).update(jax.grad(loss)(state.model), state.optimizer)
    return TrainState(optax.apply_updates(state.model, updates), optimizer)


def errors(model: Imitator, pairs: RegressionPairs) -> Errors:
    """How far model, teacher and zero are off the labels of all pairs."""
    count = len(pairs.users)
    size = min(PAIRS_PER_CHUNK, count)
    chunks = jnp.arange(-(-count // size) * size, dtype=jnp.int32).reshape(-1, size)

    def squares(ids: Int[Array, " chunk"]) -> Float[Array, " 3"]:
        p, q, noise = _gather(pairs, ids)
        score = pairs.teacher(p, q)
        off = jnp.stack([model(p, q) - score - noise, noise, score + noise])
        return jnp.sum(jnp.where((ids < count)[None, :], off, 0.0) ** 2, axis=1)

    return Errors(*jnp.sqrt(jnp.sum(jax.lax.map(squares, chunks), axis=0) / count))


def _gather(pairs: RegressionPairs, ids: Int[Array, " batch"]):
    users, items, noise = (x.at[ids].get(mode="clip") for x in (pairs.users, pairs.items, pairs.noise))
    return pairs.p[users], pairs.q[items], noise


def _adam(learning_rate) -> optax.GradientTransformation:
    # One array for all weights: a step of so small a network is mostly the number of its operations.
    return optax.flatten(optax.adam(learning_rate, eps=KERAS_EPS))
