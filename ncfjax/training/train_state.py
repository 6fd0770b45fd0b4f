"""What training carries from step to step."""

from typing import NamedTuple

import optax
from flax import nnx


class TrainState(NamedTuple):
    """A model with its optimiser's state."""

    model: nnx.Module
    optimizer: optax.OptState  # of a recommender `OptimizerState`, see optimizers.py
