"""Collaborative filtering at once: theta and X are learned together, by the gradient of J(theta, X) (objective.py)."""

import optax
from jaxtyping import Array, Float

from ncfjax.data.ratings import Ratings
from ncfjax.ratings.descent import descend
from ncfjax.ratings.factorization import draw_model
from ncfjax.ratings.model import RatingModel
from ncfjax.ratings.objective import Penalty, RatedPairs


def fit_joint(
    train: Ratings,
    *,
    embedding_dim: int,
    biases: bool,
    regularization: float,
    bias_regularization: float,
    nu: float,
    stddev: float,
    seed: int,
    optimizer: optax.GradientTransformation,
    num_steps: int,
) -> tuple[RatingModel, Float[Array, " steps"]]:
    """The model, and J before every step; from the same start as `fit_alternating`."""
    start = draw_model(train, embedding_dim=embedding_dim, biases=biases, stddev=stddev, seed=seed)
    learned = ("theta", "x", *(("user_bias", "item_bias") if biases else ()))
    penalty = Penalty(regularization, bias_regularization, nu)
    return descend(start, learned, RatedPairs.of(train), penalty, optimizer=optimizer, num_steps=num_steps)
