"""A recommender: a table of user vectors, a table of item vectors and the similarity that scores a pair of them.

A Flax NNX module used as a plain pytree: `jax.vmap` over seeds gives a whole grid of recommenders,
`jax.tree.map(lambda x: x[i], grid)` one of them back.
"""

import jax
from flax import nnx
from jaxtyping import Array, Float, Int

from ncfjax.models.similarity import Similarity


class Recommender(nnx.Module):
    """Vectors drawn from N(0, stddev^2), biases at zero (not scaled by the dimension, as in the study).

    Ids are trusted here: JAX clamps an index that is out of range, so they are validated where data enters
    (`ncfjax.data`).
    """

    def __init__(self, num_users: int, num_items: int, embedding_dim: int, similarity: Similarity, *, stddev, key):
        user_key, item_key = jax.random.split(key)
        self.user = nnx.Param(similarity.clear_biases(stddev * jax.random.normal(user_key, (num_users, embedding_dim))))
        self.item = nnx.Param(similarity.clear_biases(stddev * jax.random.normal(item_key, (num_items, embedding_dim))))
        self.similarity = similarity

    @classmethod
    def from_tables(
        cls, user: Float[Array, "users dim"], item: Float[Array, "items dim"], similarity: Similarity
    ) -> "Recommender":
        """A recommender of given vectors: nothing is drawn."""
        model = cls(0, 0, user.shape[1], similarity, stddev=0.0, key=jax.random.key(0))
        model.user, model.item = nnx.Param(user), nnx.Param(item)
        return model

    def score(self, users: Int[Array, "*#batch"], items: Int[Array, "*#batch"]) -> Float[Array, "*#batch"]:
        """Scores of (user, item) pairs; the ids broadcast."""
        return self.similarity(self.user[users], self.item[items])

    def score_all(self, users: Int[Array, " users"]) -> Float[Array, "users items"]:
        """Scores of every item for each of the given users."""
        return self.similarity.all_pairs(self.user[users], self.item[...])
