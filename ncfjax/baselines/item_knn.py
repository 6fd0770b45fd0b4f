"""ItemKNN: items vote for the items whose users they share (Sarwar et al., WWW 2001).

    sim_ij = G_ij / (sqrt(G_ii G_jj) + shrinkage)      s_ui = sum of sim_ij over the j in u's history that are among the
                                                       num_neighbors items most similar to i

With shrinkage 0 it is the cosine of two items' columns of users; shrinkage (Bell and Koren, 2007) trusts items less
that share few. An item is no neighbour of itself.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ncfjax.baselines.item_based import ItemBased, co_occurrences, item_based
from ncfjax.data.interactions import Interactions


def fit_item_knn(train: Interactions, num_neighbors: int, shrinkage: float) -> ItemBased:
    """The similarities of every item's nearest neighbours, all others zero.

    Raises:
        ValueError: no neighbour, more than there are, or a negative shrinkage.
    """
    if not 1 <= num_neighbors < train.num_items:
        raise ValueError(f"num_neighbors: expected 1 to {train.num_items - 1}, got {num_neighbors}")
    if not shrinkage >= 0:
        raise ValueError(f"shrinkage: expected a number >= 0, got {shrinkage}")
    return item_based(train, knn_weights(co_occurrences(train), jnp.float32(shrinkage), num_neighbors))


@partial(jax.jit, static_argnames="num_neighbors")
def knn_weights(
    gram: Float[Array, "items items"], shrinkage: Float[Array, ""], num_neighbors: int
) -> Float[Array, "items items"]:
    """Column i holds the similarities of i's neighbours; of equal ones those with the lower ids are kept."""
    norms = jnp.sqrt(jnp.diag(gram))
    scale = norms[:, None] * norms[None, :] + shrinkage
    similar = jnp.where(scale > 0, gram / jnp.where(scale > 0, scale, 1.0), 0.0)  # an item without users has none
    similar = similar * (1.0 - jnp.eye(len(gram)))
    values, neighbors = jax.lax.top_k(similar, num_neighbors)  # rows are columns: G is symmetric
    rows = jnp.broadcast_to(jnp.arange(len(gram))[:, None], neighbors.shape)
    return jnp.zeros_like(gram).at[neighbors, rows].set(values)
