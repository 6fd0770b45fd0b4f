"""Numbers of a model that were drawn once and are not trained, as in the internship report's two Keras models.

They are no parameters: the same for every seed, outside every table and every penalty.
"""

import jax
from jaxtyping import Array, Float


def drawn_once(*shape: int) -> Float[Array, "..."]:
    """Entries from N(0, 1), always the same ones."""
    return jax.random.normal(jax.random.key(0), shape)
