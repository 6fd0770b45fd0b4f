"""k-means by Lloyd's algorithm: every vector belongs to the nearest centre, which is the mean of its vectors.

    cluster of x = argmin over c of |x - m_c|        spherical, of directions alone: argmax over c of <x, m_c> / |m_c|

For the search of inner products, Euclidean clusters do better than directions, which mix long and short vectors: of
100,000 vectors of the distribution of iALS's on MovieLens-1M, d=64, 316 clusters, recall@10 is .886 where 3.5 % of the
items are scored, against .848 at 4.2 %; of its own 3,706 items, 61 clusters, .978 at 19 % against .948 at 16 %.
The first centres are vectors drawn without replacement. A cluster that loses all of its vectors keeps its centre.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ncfjax.models.products import inner

ROWS_AT_ONCE = 4096  # 4,096 x 1,000 products are 16 MB


@partial(jax.jit, static_argnames=("num_clusters", "num_steps", "spherical"))
def k_means(
    vectors: Float[Array, "n dim"], num_clusters: int, key: Array, num_steps: int = 10, spherical: bool = False
) -> Float[Array, "num_clusters dim"]:
    """Centres after so many steps of Lloyd's algorithm."""
    points = unit(vectors) if spherical else vectors
    first = points[jax.random.choice(key, len(points), (num_clusters,), replace=False)]

    def step(centres, _):
        clusters = nearest(points, centres, spherical)
        sums = jax.ops.segment_sum(points, clusters, num_clusters)
        counts = jnp.bincount(clusters, length=num_clusters)[:, None]
        new = unit(sums) if spherical else sums / jnp.maximum(counts, 1)
        return jnp.where(counts > 0, new, centres), None

    return jax.lax.scan(step, first, length=num_steps)[0]


@partial(jax.jit, static_argnames="spherical")
def nearest(
    vectors: Float[Array, "n dim"], centres: Float[Array, "clusters dim"], spherical: bool = False
) -> Int[Array, " n"]:
    """The cluster of each vector, the first one where several are as near."""
    penalty = 0.0 if spherical else jnp.sum(centres**2, axis=1)[None, :] / 2
    at_once = min(ROWS_AT_ONCE, len(vectors))
    rows = jnp.arange(-(-len(vectors) // at_once) * at_once).reshape(-1, at_once) % len(vectors)
    clusters = jax.lax.map(lambda rows: jnp.argmax(inner(vectors[rows], centres) - penalty, axis=1), rows)
    return clusters.reshape(-1)[: len(vectors)].astype(jnp.int32)


def unit(vectors: Float[Array, "n dim"]) -> Float[Array, "n dim"]:
    """Vectors of length one; zero stays zero."""
    lengths = jnp.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / jnp.where(lengths > 0, lengths, 1.0)
