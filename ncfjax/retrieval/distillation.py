"""A dot product distilled from a model: for every user it learns to rank the whole catalogue as the model does.

    min  mean_u  KL( softmax(s(p_u, .) / T)  ||  softmax(<query(p_u), key>) )
    query(p) = p A + c + relu(p B + b) C                        p standardised, one hidden layer

The softmax of a user's scores is nearly zero but for its best items: the error counts where a first stage is asked, and
not, as in an SVD, at the many items that nobody is shown. A query needs the user's vector alone, so that of a new user
costs no scores of the model. It starts from the keys of `svd`, with the linear queries that come nearest to svd's.

Hinton, Vinyals and Dean 2015, arXiv:1503.02531; of rankings: Tang and Wang, KDD 2018, arXiv:1809.07428.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from ncfjax.models.products import affine, matrix_product
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import Similarity
from ncfjax.retrieval.imitations import Imitation, queries_of, svd, users_at_once, vectors_of
from ncfjax.retrieval.scoring import in_blocks

TEMPERATURE = 0.5  # of the model's scores, which are logits
WIDTH = 1024  # of the hidden layer
LEARNING_RATE = 0.003  # at the start of a cosine
USERS, STEPS, BATCH = 2048, 40, 256
FLOOR = 1.28  # of the scores that the start decomposes
_STEP_ARRAYS = 6  # of scores
RIDGE = 1e-3  # per user, where the linear queries are fitted


class QueryNetwork(NamedTuple):
    """A user's query from its vector, which is standardised first."""

    mean: Float[Array, " dim"]
    deviation: Float[Array, " dim"]
    linear: Float[Array, "dim rank"]
    constant: Float[Array, " rank"]
    hidden: Float[Array, "dim width"]
    hidden_constant: Float[Array, " width"]
    output: Float[Array, "width rank"]

    def __call__(self, similarity: Similarity, p: Float[Array, "users dim"]) -> Float[Array, "users rank"]:
        p = (p - self.mean[None, :]) / self.deviation[None, :]
        units = jax.nn.relu(affine(p, self.hidden, self.hidden_constant))
        return affine(p, self.linear, self.constant) + matrix_product(units, self.output)


def distill_ranking(
    model: Recommender,
    rank: int,
    key: Array,
    *,
    num_rounds: int = 80,
    users: Int[Array, " n"] | None = None,
) -> Imitation:
    """A dot product of this rank after so many rounds.

    In each the model scores the whole catalogue for USERS drawn users, and Adam takes STEPS steps on BATCH of them: a
    user's scores, which an MLP takes long to compute, serve five times.

    Raises:
        ValueError: a rank that there is not.
    """
    p, q = vectors_of(model, users)
    svd_key, network_key, steps_key = jax.random.split(key, 3)
    start = svd(model, rank, svd_key, users=users, floor=FLOOR)
    network = _network(p, queries_of(start, model.similarity, p), network_key)
    sizes = sizes_of(len(q))
    keys, network = _descend(model.similarity, p, q, start.keys, network, steps_key, num_rounds, *sizes)
    return Imitation(keys, network)


def sizes_of(num_items: int) -> tuple[int, int]:
    """Users of a round and of a step: a large catalogue leaves room for fewer."""
    shrink = users_at_once(num_items) / BATCH
    return int(USERS * shrink), int(BATCH * shrink)


def round_bytes(num_items: int) -> int:
    """Of memory for the scores of a round; in a step for targets, logits and their gradients."""
    num_users, batch_size = sizes_of(num_items)
    return 4 * num_items * (num_users + _STEP_ARRAYS * batch_size)


def _network(p: Float[Array, "users dim"], queries: Float[Array, "users rank"], key: Array) -> QueryNetwork:
    """It gives the linear fit of the queries: what leaves the hidden layer starts at zero."""
    mean, deviation = jnp.mean(p, axis=0), jnp.maximum(jnp.std(p, axis=0), 1e-6)
    standardised, constant = (p - mean[None, :]) / deviation[None, :], jnp.mean(queries, axis=0)
    gram = matrix_product(standardised.T, standardised) + RIDGE * len(p) * jnp.eye(p.shape[1])
    linear = jnp.linalg.solve(gram, matrix_product(standardised.T, queries - constant[None, :]))
    hidden = jax.random.normal(key, (p.shape[1], WIDTH)) / jnp.sqrt(p.shape[1])
    output = jnp.zeros((WIDTH, queries.shape[1]))
    return QueryNetwork(mean, deviation, linear, constant, hidden, jnp.zeros(WIDTH), output)


@partial(jax.jit, static_argnames=("num_rounds", "num_users", "batch_size"))
def _descend(similarity, p, q, keys, network, key, num_rounds: int, num_users: int, batch_size: int):
    prepared = similarity.prepare(q)
    mean, deviation = network[:2]
    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, num_rounds * STEPS))

    def divergence(trained, p, target):
        keys, weights = trained
        logits = matrix_product(QueryNetwork(mean, deviation, *weights)(similarity, p), keys.T)
        return jnp.mean(optax.losses.softmax_cross_entropy(logits, target))  # KL but for the target's entropy

    def scores_of(p, _):
        return similarity.all_prepared(p, prepared)

    def a_round(state, key):
        users_key, steps_key = jax.random.split(key)
        users = p[jax.random.randint(users_key, (num_users,), 0, len(p))]
        scores = in_blocks(scores_of, users, None, batch_size)

        def step(state, key):
            trained, moments = state
            rows = jax.random.randint(key, (batch_size,), 0, num_users)
            target = jax.nn.softmax(scores[rows] / TEMPERATURE, axis=1)
            updates, moments = optimizer.update(jax.grad(divergence)(trained, users[rows], target), moments)
            return (optax.apply_updates(trained, updates), moments), None

        return jax.lax.scan(step, state, jax.random.split(steps_key, STEPS))

    trained = keys, tuple(network[2:])
    state = trained, optimizer.init(trained)
    ((keys, weights), _), _ = jax.lax.scan(a_round, state, jax.random.split(key, num_rounds))
    return keys, QueryNetwork(mean, deviation, *weights)
