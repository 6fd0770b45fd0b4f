"""Bagging of random starts: the mean of models that were fitted alike, each from a start of its own.

    y(i, j) = 1/K sum over k of y_k(i, j)

A mean of factorizations is one: theta_j is the vectors of user j one after the other, x_i those of item i over K.
"""

from collections.abc import Iterator, Sequence

import jax.numpy as jnp

from ncfjax.ratings.model import RatingModel


def mean_model(models: Sequence[RatingModel]) -> RatingModel:
    """The model whose predictions are the mean of those of some models of the same users and items."""
    share = 1.0 / len(models)
    biases = (share * sum(arrays) for arrays in zip(*(model[:3] for model in models), strict=True))
    theta = jnp.concatenate([model.theta for model in models], axis=1)
    return RatingModel(*biases, theta, share * jnp.concatenate([model.x for model in models], axis=1))


def mean_iterations(fits: Sequence[Iterator[RatingModel]]) -> Iterator[RatingModel]:
    """The mean after every iteration of fits that go side by side."""
    return map(mean_model, zip(*fits, strict=True))
