"""A user's vector from a history, the items' vectors fixed: what training would have learned of such a user.

    squared     1/2 sum over h in H of (s_h - y_h)^2   + 1/2 sum over items i of v_i s_i^2  + 1/2 sum_k penalty_k p_k^2
    logistic        sum over h in H of l(s_h)          + sum over items i of v_i l(-s_i)    + 1/2 sum_k penalty_k p_k^2

    l(s) = log(1 + exp(-s)), s_i = s(p, q_i), H the history, n its length. It is the objective that the model was
    trained on, of one user:

    model                       loss       y              v_i                  penalty_k                     solved by
    ials                        squared    1              unobserved_weight    regularization f^nu           ridge
    ratings, dot products       squared    rating         0                    n^nu regularization, or mu    ridge
    ratings, other similarities squared    rating - mean  0                    n regularization, or mu       L-BFGS
    recommenders, any           logistic                  w m n / |I|          n (1 + w m) regularization    L-BFGS
    item_knn, ease, slim        s_i = sum over h in H of W_hi: the items' weights, nothing to solve
    user_knn                    the same, W_hi from the users that are most similar to one with this history
    popularity                  the same for all

Where a similarity is linear in p, s_i = o_i + <J_i, p>, a squared loss has its minimum at the solution of one system:

    (J' diag(c) J + diag(penalty)) p = J' (has * (y - o) - v * o)             c_i = has_i + v_i, has_i = [i in H]

Any other minimum is sought by L-BFGS from the mean of the trained users' vectors; for a dot product the problem is
convex, so that it ends where Newton's method would. What a model was trained with is in the row of its run, which is
saved with it; f = n + unobserved_weight |I|; mu is the penalty of a bias.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import minimize

from ncfjax.baselines.item_based import ItemBased, SparseItemBased
from ncfjax.baselines.popularity import Popularity
from ncfjax.baselines.user_knn import UserBased
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import Similarity
from ncfjax.ratings.model import CenteredRecommender, RatingModel
from ncfjax.saved import SavedModel

MOST_STEPS = 200  # of L-BFGS; small models took 6 to 33, a trained MLP of d=64 often takes all
RELATIVE_CHANGE = 1e-7  # of the loss, at which it ends: what float32 resolves
NO_BIAS = 1e9  # the penalty of a user's bias in a model that has none
# What a model was trained with, where the row of its run does not say; those of conf/baseline/ials.yaml and grid/study.
DEFAULTS = {
    "ials": {"regularization": 0.007, "unobserved_weight": 0.3, "nu": 1.0},
    "recommender": {"regularization": 0.005, "num_negatives": 8, "negative_weight": 1.0, "reject_positives": False},
    "rating": {"regularization": 3.0, "bias_regularization": 1.0, "nu": 0.3, "user_damping": 5.0},
}


class Problem(NamedTuple):
    """What is minimised over p; the letters are those above."""

    loss: str  # "squared" | "logistic"
    has: Float[np.ndarray, " items"]
    target: Float[np.ndarray, " items"]  # y, zero of items that are not in the history
    everywhere: Float[np.ndarray, " items"]  # v
    penalty: Float[np.ndarray, " dim"]


class Folded(NamedTuple):
    """A user that was no part of training."""

    scores: Float[np.ndarray, " items"]
    how: str  # in words
    vector: Float[np.ndarray, " dim"] | None = None  # p; None where the model has no vectors


def vectors_of(saved: SavedModel) -> Recommender | None:
    """The tables and the similarity of a model, whatever form it has; None of one without vectors."""
    match saved.model:
        case Recommender():
            return saved.model
        case CenteredRecommender():
            return saved.model.recommender
        case RatingModel():
            return saved.model.recommender()
    return None


def fold_in(saved: SavedModel, items: Int[np.ndarray, " n"], ratings: Float[np.ndarray, " n"] | None = None) -> Folded:
    """Scores of all items for a user with this history; without ratings every item of it counts as liked."""
    match saved.model:
        case ItemBased() | SparseItemBased():
            return Folded(saved.model.votes(items).sum(axis=0), "the items' weights, added up")
        case UserBased():
            return Folded(saved.model.votes(items).sum(axis=0), "what the most similar users have, added up")
        case Popularity():
            return Folded(np.asarray(saved.model.counts, np.float32), "popularity, the same for every history")
    recommender, problem = vectors_of(saved), problem_of(saved, items, ratings)
    is_ridge = problem.loss == "squared" and recommender.similarity.as_dot() is not None
    vector = ridge_vector(problem, recommender) if is_ridge else descent_vector(problem, recommender)
    how = "a ridge solve for the user's vector" if is_ridge else "a gradient solve for the user's vector"
    mean = float(saved.model.mean) if isinstance(saved.model, CenteredRecommender) else 0.0
    return Folded(mean + np.array(scores_of(recommender, vector)), f"{how}, items fixed", vector)


def scores_of(recommender: Recommender, vector: Float[np.ndarray, " dim"]) -> Float[Array, " items"]:
    """Of every item for a user of this vector."""
    return _scores(recommender.similarity, jnp.asarray(vector, jnp.float32), recommender.item[...])


def problem_of(
    saved: SavedModel, items: Int[np.ndarray, " n"], ratings: Float[np.ndarray, " n"] | None = None
) -> Problem:
    """What the model's training minimised, of a user with this history.

    Where ratings were learned and none are given, every item is at the scale's maximum.
    """
    dim, num_items, count = vectors_of(saved).item.shape[1], saved.data.num_items, max(1, len(items))
    has, target, none = np.zeros(num_items), np.zeros(num_items), np.zeros(num_items)
    has[items] = 1.0
    if saved.kind == "rating":
        target[items] = _ratings(saved, ratings, len(items)) - _mean(saved)
        return Problem("squared", has, target, none, _rating_penalty(saved, dim, count))
    if saved.method == "ials":
        row = DEFAULTS["ials"] | _known(saved, "ials")
        everywhere = np.full(num_items, row["unobserved_weight"], np.float64)
        frequency = (len(items) + row["unobserved_weight"] * num_items) ** row["nu"]
        return Problem("squared", has, has.copy(), everywhere, np.full(dim, row["regularization"] * frequency))
    row = DEFAULTS["recommender"] | _known(saved, "recommender")
    per_positive = row["num_negatives"] * row["negative_weight"]
    rejects = str(row["reject_positives"]).lower() == "true"
    candidates = 1.0 - has if rejects else np.ones(num_items)
    everywhere = per_positive * len(items) / max(1.0, candidates.sum()) * candidates
    return Problem(
        "logistic", has, target, everywhere, np.full(dim, row["regularization"] * (1 + per_positive) * count)
    )


def _known(saved: SavedModel, kind: str) -> dict[str, float]:
    return {name: saved.run[name] for name in DEFAULTS[kind] if name in saved.run}


def _ratings(saved: SavedModel, ratings: Float[np.ndarray, " n"] | None, count: int) -> Float[np.ndarray, " n"]:
    if ratings is not None:
        return np.asarray(ratings, np.float64)
    return np.full(count, 0.0 if saved.data.scale is None else saved.data.scale.maximum)


def _mean(saved: SavedModel) -> float:
    return float(saved.model.mean) if isinstance(saved.model, CenteredRecommender) else 0.0


def _rating_penalty(saved: SavedModel, dim: int, count: int) -> Float[np.ndarray, " dim"]:
    """Of the user's factors, and of the bias that is the last entry; a hybrid's features share that of its factors."""
    row = DEFAULTS["rating"] | _known(saved, "rating")
    if isinstance(saved.model, CenteredRecommender):  # a penalty for each example
        penalty = np.full(dim, row["regularization"] * count, np.float64)
        if saved.model.recommender.similarity.holds_biases:
            penalty[-1] = row["bias_regularization"] * count
        return penalty
    share = count ** row["nu"]
    penalty = np.full(dim, max(row["regularization"] * share, 1e-9), np.float64)
    of_bias = {"biases": row["user_damping"], "user_mean": 0.0, "content_based": 0.0}
    of_bias |= {"global_mean": NO_BIAS, "item_mean": NO_BIAS}
    without = not np.any(np.asarray(saved.model.user_bias))  # the report's form has no bias
    usual = NO_BIAS if without else row["bias_regularization"] * share
    penalty[-1] = of_bias.get(saved.method, usual)
    return penalty


# ---- the two solvers


def ridge_vector(problem: Problem, recommender: Recommender) -> Float[np.ndarray, " dim"]:
    """The minimum of a squared loss, for a similarity that is linear in p, in double precision."""
    zero = jnp.zeros(recommender.item.shape[1])
    gradients, offsets = (np.asarray(a, np.float64) for a in item_gradients(recommender, zero))
    hessian = curvature(problem, gradients, problem.has + problem.everywhere)
    right = gradients.T @ (problem.has * (problem.target - offsets) - problem.everywhere * offsets)
    return np.linalg.solve(hessian, right)


def descent_vector(problem: Problem, recommender: Recommender) -> Float[np.ndarray, " dim"]:
    """A minimum of either loss for any similarity, by L-BFGS from the mean of the trained users' vectors."""
    arrays = [jnp.asarray(array, jnp.float32) for array in problem[1:]]

    def value(vector):
        p = jnp.asarray(vector, jnp.float32)
        loss, gradient = _loss(problem.loss, recommender.similarity, p, recommender.item[...], *arrays)
        return float(loss), np.asarray(gradient, np.float64)

    start = np.asarray(jnp.mean(recommender.user[...], axis=0), np.float64)
    options = {"maxiter": MOST_STEPS, "ftol": RELATIVE_CHANGE}
    return minimize(value, start, jac=True, method="L-BFGS-B", options=options).x


def curvature(
    problem: Problem, gradients: Float[np.ndarray, "items dim"], weights: Float[np.ndarray, " items"]
) -> Float[np.ndarray, "dim dim"]:
    """J' diag(weights) J + diag(penalty): the Gauss-Newton matrix, of a linear similarity the Hessian."""
    rows = gradients[weights > 0]  # of ratings those of the history alone
    return rows.T @ (weights[weights > 0][:, None] * rows) + np.diag(problem.penalty)


def item_gradients(
    recommender: Recommender, vector: Float[Array, " dim"]
) -> tuple[Float[Array, "items dim"], Float[Array, " items"]]:
    """J, the gradient along p of every item's score, and o = s - <J, p>, both at a vector p."""
    p, items = jnp.asarray(vector, jnp.float32), recommender.item[...]
    scores, gradients = _gradients(recommender.similarity, p, items)
    return gradients, scores - gradients @ p


@jax.jit
def _scores(
    similarity: Similarity, p: Float[Array, " dim"], items: Float[Array, "items dim"]
) -> Float[Array, " items"]:
    return similarity.all_pairs(p[None], items)[0]


@jax.jit
def _gradients(similarity: Similarity, p: Float[Array, " dim"], items: Float[Array, "items dim"]):
    return jax.vmap(jax.value_and_grad(lambda p, q: similarity(p, q)), (None, 0))(p, items)


def _loss_of(loss: str, similarity: Similarity, p, items, has, target, everywhere, penalty) -> Float[Array, ""]:
    scores = similarity.all_pairs(p[None], items)[0]
    if loss == "logistic":
        terms = has * jax.nn.softplus(-scores) + everywhere * jax.nn.softplus(scores)
    else:
        terms = 0.5 * (has * (scores - target) ** 2 + everywhere * scores**2)
    return jnp.sum(terms) + 0.5 * jnp.sum(penalty * p**2)


_loss = jax.jit(jax.value_and_grad(_loss_of, argnums=2), static_argnums=0)
