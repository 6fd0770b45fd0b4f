"""The one form that all methods for ratings share, simple means and factorizations alike.

    y(i, j) = b + b_j + b_i + theta_j' x_i         of user j and item i

theta_j and x_i have the same entries, none of them for means and biases alone. Where x_i are features with x_i0 = 1,
the weight theta_j0 of that entry is b_j.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot

PAIRS_AT_ONCE = 16_384  # whose vectors are gathered at once


class RatingModel(NamedTuple):
    """Predicts a rating of any pair; off its scale too, see `Scale.clip` and `Scale.rounded`."""

    bias: Float[Array, ""]  # b
    user_bias: Float[Array, " users"]
    item_bias: Float[Array, " items"]
    theta: Float[Array, "users dim"]
    x: Float[Array, "items dim"]

    def predict(self, users: Int[np.ndarray, " n"], items: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Ratings of pairs, float32. Ids are trusted here: they are checked where data enter (`ncfjax.data`)."""
        return np.asarray(predictions(self, jnp.asarray(users), jnp.asarray(items)))

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        """Ratings of every item by each of the given users."""
        return self.recommender().score_all(users)

    @property
    def num_parameters(self) -> int:
        return sum(array.size for array in self)

    def recommender(self) -> Recommender:
        """The same scores by the dot product with biases, which can be ranked, saved and served."""
        no_factor = ((0, 0), (0, int(self.theta.shape[1] == 0)))  # a vector has one beside its bias, here of zero
        user, item = (jnp.concatenate([jnp.pad(vectors, no_factor), biases[:, None]], axis=1) for vectors, biases in
                      ((self.theta, self.user_bias), (self.x, self.item_bias)))  # fmt: skip
        similarity = Dot(user.shape[1], biases=True)
        similarity.bias[...] = self.bias
        return Recommender.from_tables(user, item, similarity)


class CenteredRecommender(NamedTuple):
    """A recommender that was trained on ratings less their mean: y(u, i) = mean + s(p_u, q_i)."""

    mean: Float[Array, ""]
    recommender: Recommender

    def predict(self, users: Int[np.ndarray, " n"], items: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """As `RatingModel.predict`."""
        return np.asarray(_centered_predictions(self, jnp.asarray(users), jnp.asarray(items)))

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        """Ratings of every item by each of the given users."""
        return self.mean + self.recommender.score_all(users)


@jax.jit
def _centered_predictions(
    model: CenteredRecommender, users: Int[Array, " n"], items: Int[Array, " n"]
) -> Float[Array, " n"]:
    return model.mean + jax.lax.map(
        lambda pair: model.recommender.score(*pair), (users, items), batch_size=PAIRS_AT_ONCE
    )


@jax.jit
def predictions(model: RatingModel, users: Int[Array, " n"], items: Int[Array, " n"]) -> Float[Array, " n"]:
    """y(i, j) of pairs, some at a time."""

    def predict(pair):
        user, item = pair
        biases = model.bias + model.user_bias[user] + model.item_bias[item]
        return biases + jnp.sum(model.theta[user] * model.x[item])

    return jax.lax.map(predict, (users, items), batch_size=PAIRS_AT_ONCE)


def biases_alone(bias: float, user_bias: Float[np.ndarray, " users"], item_bias: Float[np.ndarray, " items"]):
    """A model without factors."""
    as_float = [jnp.asarray(array, jnp.float32) for array in (bias, user_bias, item_bias)]
    return RatingModel(*as_float, *(jnp.zeros((len(array), 0)) for array in (user_bias, item_bias)))


def added(first: RatingModel, second: RatingModel) -> RatingModel:
    """The model whose predictions are the sum of two."""
    biases = (a + b for a, b in zip(first[:3], second[:3], strict=True))
    factors = (jnp.concatenate([a, b], axis=1) for a, b in zip(first[3:], second[3:], strict=True))
    return RatingModel(*biases, *factors)
