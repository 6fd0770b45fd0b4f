"""What somebody gets of whom nothing is known.

models of ratings    the item's average rating, DAMPING ratings at the average of all beside its own
all others           the number of users in training
"""

import numpy as np
from jaxtyping import Float

from ncfjax.data.summary import Summary
from ncfjax.saved import SavedModel

DAMPING = 10.0


def popular(saved: SavedModel) -> Float[np.ndarray, " items"]:
    """A score of every item for somebody of whom nothing is known."""
    data = saved.data
    if saved.kind != "rating" or data.average_ratings is None:
        return data.counts.astype(np.float64)
    return damped_averages(data)


def damped_averages(data: Summary) -> Float[np.ndarray, " items"]:
    """The average ratings, DAMPING ratings at the average of all beside those of each item."""
    sums = np.where(data.counts > 0, data.counts * data.average_ratings.astype(np.float64), 0.0)
    mean = sums.sum() / max(1, data.counts.sum())
    return (sums + DAMPING * mean) / (data.counts + DAMPING)
