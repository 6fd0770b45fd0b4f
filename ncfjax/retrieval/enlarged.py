"""Catalogues larger than a data set's: items drawn from the distribution of trained vectors.

    q = q_i + B e        i drawn from the trained items, e standard normal, B B' = bandwidth^2 * covariance of the items

A kernel density estimate whose kernel has the shape of all items: new vectors lie where trained ones do, none of them
twice. Vectors without structure would make any index look worse than it is, and copies of items better.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ncfjax.models.products import matrix_product

BANDWIDTH = 0.5


def enlarged(items: Float[Array, "items dim"], num_items: int, key: Array) -> Float[Array, "num_items dim"]:
    """So many vectors of the distribution of trained ones."""
    which_key, normal_key = jax.random.split(key)
    centred = items - jnp.mean(items, axis=0, keepdims=True)
    # A Cholesky factor would need a covariance of full rank.
    values, vectors = jnp.linalg.eigh(matrix_product(centred.T, centred) / len(items))
    spread = BANDWIDTH * vectors * jnp.sqrt(jnp.maximum(values, 0.0))[None, :]
    drawn = items[jax.random.randint(which_key, (num_items,), 0, len(items))]
    return drawn + matrix_product(jax.random.normal(normal_key, drawn.shape), spread.T)
