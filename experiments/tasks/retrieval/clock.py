"""How long a search takes: one query after the other, and all at once."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.engine.work import seconds_of

NUM_ALONE = 32  # queries, one after the other
_LONG = 3.0  # seconds: what takes so long is timed no more
_REPEATS = 3


def seconds_alone(search: Callable[[Any, Any], Any], encoded: Any, denied: Any) -> float:
    """The median time of one query, after one that compiles."""
    count = min(NUM_ALONE, len(jax.tree.leaves(encoded)[0]))
    one_by_one = [jax.tree.map(lambda x, n=n: x[n : n + 1], (encoded, denied)) for n in range(count)]
    jax.block_until_ready((one_by_one, search(*one_by_one[0])))
    times = []
    for asked in one_by_one:
        times.append(seconds_of(lambda asked=asked: search(*asked)))
        if sum(times) > _LONG and len(times) >= _REPEATS:
            break
    return float(np.median(times))


def seconds_at_once(action: Callable[[], Any]) -> float:
    """The median time of what has been run before."""
    first = seconds_of(action)
    return first if first > _LONG else float(np.median([first, *(seconds_of(action) for _ in range(_REPEATS - 1))]))
