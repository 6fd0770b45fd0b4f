"""Which items of a history a score comes from.

    dot products     c_hi = <J_i, A^-1 J_h> t_h         A = J' diag(c) J + diag(penalty)
    item-based       c_hi = W_hi, which add up to the score
    user-based       c_hi = sum over the neighbours v of u that have h and i of sim_uv / G_uv, which add up to the score
    popularity, and similarities that are no dot product: none

J_i is the gradient of item i's score along the user's vector p: the item's vector, with a one for the user's bias. A is
the curvature of what a fold-in minimises (fold_in.py), so that <J_i, A^-1 J_h> is how near h is to i in what this
user's other items leave open.

    squared        t_h = y_h - o_h: the c_hi add up to <J_i, p> of a ridge fold-in, the personal part of the score.
                   Where the ratings of a training user are not saved, t_h is what the model makes of them, <J_h, p>.
    logistic       t_h = 1 - sigmoid(s_h): by so much the score of i would fall, to first order, were h forgotten.

An MLP has no such reasons: its scores bend, and may have several minima. To first order a reason of an untrained one
had a correlation of 0.5 with what forgetting the item did, of a dot product one above 0.9.

A share is c_hi / sum over h of |c_hi|; those shown are the largest, and positive.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ncfjax.baselines.item_based import ItemBased, SparseItemBased
from ncfjax.baselines.user_knn import UserBased
from ncfjax.models.recommender import Recommender
from ncfjax.recommend.fold_in import Problem, curvature, item_gradients, problem_of, vectors_of
from ncfjax.saved import SavedModel


def contributions(
    saved: SavedModel,
    vector: Float[np.ndarray, " dim"] | None,
    history: Int[np.ndarray, " history"],
    items: Int[np.ndarray, " items"],
    ratings: Float[np.ndarray, " history"] | None = None,
    is_folded: bool = False,
) -> Float[np.ndarray, "history items"] | None:
    """c of a user with this vector and history; None where there are no such reasons.

    `is_folded` says that the vector comes from this history, so that its targets are known.
    """
    if isinstance(saved.model, ItemBased | SparseItemBased | UserBased):
        return saved.model.votes(history)[:, items]
    recommender = vectors_of(saved)
    if recommender is None or recommender.similarity.as_dot() is None or not len(history):
        return None
    problem = problem_of(saved, history, ratings)
    fitted = saved.kind == "rating" and not is_folded
    return vector_contributions(problem, recommender, vector, history, items, fitted)


def vector_contributions(
    problem: Problem,
    recommender: Recommender,
    vector: Float[np.ndarray, " dim"],
    history: Int[np.ndarray, " history"],
    items: Int[np.ndarray, " items"],
    fitted: bool = False,
) -> Float[np.ndarray, "history items"]:
    """c by vectors; `fitted` takes the model's values in the place of a squared loss's targets."""
    gradients, offsets = (np.asarray(a, np.float64) for a in item_gradients(recommender, jnp.asarray(vector)))
    personal = gradients @ np.asarray(vector, np.float64)
    if problem.loss == "logistic":
        chances = np.asarray(jax.nn.sigmoid(jnp.asarray(personal + offsets)), np.float64)
        weights = (problem.has + problem.everywhere) * chances * (1.0 - chances)
        pulls = 1.0 - chances
    else:
        weights, pulls = problem.has + problem.everywhere, personal if fitted else problem.target - offsets
    matrix = curvature(problem, gradients, weights)
    return pulls[history][:, None] * (gradients[history] @ np.linalg.solve(matrix, gradients[items].T))


def largest(parts: Float[np.ndarray, "history items"], count: int) -> list[list[tuple[int, float]]]:
    """For each item the rows of the history that contribute most, with their shares; only those that add to it."""
    total = np.abs(parts).sum(axis=0)
    shares = np.divide(parts, total[None, :], out=np.zeros(parts.shape), where=total[None, :] > 0)
    order = np.argsort(-shares, axis=0, kind="stable")[:count]
    return [
        [(int(row), float(share[row])) for row in rows if share[row] > 0]
        for rows, share in zip(order.T, shares.T, strict=True)
    ]
