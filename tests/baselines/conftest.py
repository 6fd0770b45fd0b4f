"""What the tests of baselines share; each has a `train` of its own."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def table(train):
    """X, the binary users x items matrix."""
    dense = np.zeros((train.num_users, train.num_items))
    dense[train.users, train.items] = 1.0
    return dense
