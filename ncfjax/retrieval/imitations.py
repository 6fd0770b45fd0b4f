"""A dot product that imitates a model, to find candidates for it. Two ways to get one from the matrix of its scores:

    s(p, q) ~ <query(p), key(q)> + constant of p        query(p) = [s(p, q_a) for the anchors a] W

    svd        keys are the first right singular vectors of the matrix of all scores
    cur        keys are the scores of some users; nothing is trained

A third learns to rank: `distillation`. A query needs the model's scores of the anchor items only, hence works for a
user that the imitation never saw. As a constant of the user changes no ranking, scores are taken less the user's mean.
They are computed in blocks of users and dropped: the matrix of all of them is never held.

SVD: Halko, Martinsson and Tropp, SIAM Review 2011, arXiv:0909.4061. CUR: Yadav et al., EMNLP 2022, arXiv:2210.12579.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ncfjax.models.products import matrix_product
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import Similarity
from ncfjax.retrieval.scoring import in_blocks

BYTES_AT_ONCE = 64_000_000  # of scores
OVERSAMPLING = 10  # columns beyond the rank while singular vectors are sought
RIDGE = 1e-6  # of the trace of the Gram matrix, where queries are fitted


class Imitation(NamedTuple):
    """Keys of all items, and how a user's query follows from the user's vector."""

    keys: Float[Array, "items rank"]
    query: Callable[[Similarity, Float[Array, "users dim"]], Float[Array, "users rank"]]  # a pytree


class AnchorQuery(NamedTuple):
    """A user's query from the model's scores of the anchors."""

    anchors: Int[Array, " anchors"]
    anchor_items: Any  # prepared, as the similarity takes them
    weights: Float[Array, "anchors rank"]
    floor: float | None  # see `svd`

    def __call__(self, similarity: Similarity, p: Float[Array, "users dim"]) -> Float[Array, "users rank"]:
        def block(p, _):
            scores = similarity.all_prepared(p, self.anchor_items)
            return matrix_product(centred(scores, self.floor), self.weights)

        return in_blocks(block, p, None, users_at_once(len(self.anchors)))


@jax.jit
def queries_of(
    imitation: Imitation, similarity: Similarity, p: Float[Array, "users dim"]
) -> Float[Array, "users rank"]:
    """The queries of users' vectors."""
    return imitation.query(similarity, p)


def svd(
    model: Recommender,
    rank: int,
    key: Array,
    *,
    num_passes: int = 1,
    users: Int[Array, " n"] | None = None,
    num_anchors: int | None = None,
    floor: float | None = None,
) -> Imitation:
    """The best imitation of this rank in squared error over all items and the given users (None: all).

    A score less than `floor` standard deviations above its user's mean counts as that much, where a floor is given: the
    rank is then spent on the items that a user may be shown. At 1.28 they are about a tenth.

    `num_passes` power iterations, each of them two passes over the scores, sharpen what a first pass guesses.

    Raises:
        ValueError: a rank that there is not.
    """
    p, q = vectors_of(model, users)
    _expect("rank", rank, min(len(p), len(q)))
    width = min(rank + OVERSAMPLING, len(p), len(q))
    guess = jax.random.normal(key, (len(p), width))
    for _ in range(num_passes + 1):
        basis = jnp.linalg.qr(_transposed_times(model.similarity, p, q, guess, floor))[0]
        guess = _times(model.similarity, p, q, basis, floor)
    right = jnp.linalg.svd(guess, full_matrices=False)[2]
    keys = matrix_product(basis, right[:rank].T)
    return _imitation(model, keys, num_anchors, key, floor)


def cur(
    model: Recommender, key: Array, *, num_anchor_users: int, num_anchors: int, rank: int | None = None
) -> Imitation:
    """Scores of drawn users as keys, fitted to each user's scores of drawn items; `rank` keeps their best directions.

    Raises:
        ValueError: more anchors than there are, or a rank above their number.
    """
    _expect("num_anchor_users", num_anchor_users, len(model.user[...]))
    users = jax.random.choice(key, len(model.user[...]), (num_anchor_users,), replace=False)
    keys = centred(_scores(model.similarity, model.user[users], model.item[...])).T
    if rank is not None:
        _expect("rank", rank, min(keys.shape))
        values, vectors = jnp.linalg.eigh(matrix_product(keys.T, keys))
        keys = matrix_product(keys, vectors[:, -rank:])
    return _imitation(model, keys, num_anchors, key)


def _imitation(model: Recommender, keys, num_anchors: int | None, key: Array, floor: float | None = None) -> Imitation:
    """Queries are least-squares fits to the centred scores of drawn items, or of all: W = K (K'K)^-1, K centred too."""
    num_items = len(keys)
    if num_anchors is None:
        anchors = jnp.arange(num_items)
    else:
        _expect("num_anchors", num_anchors, num_items)
        anchors = jax.random.choice(jax.random.fold_in(key, 1), num_items, (num_anchors,), replace=False)
    of_anchors = keys[anchors] - jnp.mean(keys[anchors], axis=0, keepdims=True)
    gram = matrix_product(of_anchors.T, of_anchors)
    ridge = RIDGE * jnp.trace(gram) * jnp.eye(len(gram))
    weights = jnp.linalg.solve(gram + ridge, of_anchors.T).T
    return Imitation(keys, AnchorQuery(anchors, model.similarity.prepare(model.item[anchors]), weights, floor))


def centred(
    scores: Float[Array, "users items"], floor: float | Float[Array, ""] | None = None
) -> Float[Array, "users items"]:
    """Scores less the mean of their user; `floor` as in `svd`."""
    if floor is not None:
        mean, deviation = jnp.mean(scores, axis=1, keepdims=True), jnp.std(scores, axis=1, keepdims=True)
        scores = jnp.maximum(scores, mean + floor * deviation)
    return scores - jnp.mean(scores, axis=1, keepdims=True)


@jax.jit
def _times(similarity, p, q, right, floor):
    """S R, S the centred scores, a block of users at a time."""

    def block(p, _):
        return matrix_product(centred(similarity.all_pairs(p, q), floor), right)

    return in_blocks(block, p, None, users_at_once(len(q)))


@jax.jit
def _transposed_times(similarity, p, q, left, floor):
    """S' L, a block of users at a time; rows that fill up the last block count as zero."""
    at_once = min(users_at_once(len(q)), len(p))
    num_blocks = -(-len(p) // at_once)
    rows = jnp.arange(num_blocks * at_once).reshape(num_blocks, at_once)

    def add(total, rows):
        part = left.at[rows].get(mode="fill", fill_value=0.0)
        scores = centred(similarity.all_pairs(p.at[rows].get(mode="clip"), q), floor)
        return total + matrix_product(scores.T, part), None

    return jax.lax.scan(add, jnp.zeros((len(q), left.shape[1])), rows)[0]


@jax.jit
def _scores(similarity, p, q):
    return in_blocks(lambda p, _: similarity.all_pairs(p, q), p, None, users_at_once(len(q)))


def vectors_of(
    model: Recommender, users: Int[Array, " n"] | None
) -> tuple[Float[Array, "n dim"], Float[Array, "items dim"]]:
    """Of these users, or all, and of the items."""
    return model.user[...] if users is None else model.user[users], model.item[...]


def users_at_once(num_items: int) -> int:
    """Whose scores of so many items are held at once."""
    return max(1, min(256, BYTES_AT_ONCE // (4 * num_items)))


def _expect(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise ValueError(f"{name}: expected 1 to {most}, got {value}")
