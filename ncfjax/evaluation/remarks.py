"""What a reader must know of an evaluation before its metrics: where they say nothing, or little.

few candidates   k of them or less: every held-out item is among the first k
ties             many held-out items have the score of a candidate, so that the rule of ties decides
dead             no held-out item is among the first k, where a random order puts some
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int, Integer

from ncfjax.evaluation.columns import TIE_COLUMNS, K

MOST_TIED = 0.01  # share of held-out items beyond which ties are told of
_NO_ACCIDENT = 0.01  # probability of so few hits in a random order


def few_candidates(num_negatives: int, num_others: Int[np.ndarray, " users"], k: int = K) -> list[str]:
    """Of what is ranked beside the held-out items: sampled, and for each user in the full catalogue."""
    remarks, num_few = [], int(np.sum(num_others < k))
    if num_negatives < k:
        remarks.append(f"HR@{k} is 1 for every model, among {num_negatives + 1} candidates")
    if num_few:
        users = f"{num_few} of {len(num_others)} users"
        remarks.append(f"full HR@{k} is 1 for every model of {users}, who have at most {k} candidates")
    return remarks


def shares_tied(ties: Mapping[str, Integer[np.ndarray, " users"]]) -> dict[str, float]:
    """Column -> the share of held-out items that tie with a candidate; `ties` are how many do, by protocol."""
    return {column: float(np.mean(np.asarray(ties[protocol]) > 0)) for column, protocol in TIE_COLUMNS.items()}


def of_ties(shares: Mapping[str, Any]) -> list[str]:
    """Of cells with `shares_tied`; none where few tie."""
    if max(shares[column] for column in TIE_COLUMNS) <= MOST_TIED:
        return []
    tied, full_tied = (f"{100 * shares[column]:.1f} %" for column in TIE_COLUMNS)
    return [f"{tied} of the held-out items tie with a candidate, {full_tied} in the full catalogue"]


def of_too_few_hits(hit_ratio: float, num_users: int, num_negatives: int, k: int = K) -> list[str]:
    """Of HR@k among the sampled candidates; none where a random order could have as few hits."""
    from scipy.special import bdtr  # here, because a configuration that is only read needs none

    by_chance = min(1.0, k / (num_negatives + 1))
    if bdtr(round(hit_ratio * num_users), num_users, by_chance) >= _NO_ACCIDENT:
        return []
    what = "worse than a random order" if hit_ratio else "dead, though finite"
    return [f"{what}: HR@{k} is {hit_ratio:.2g}, by chance it is {by_chance:.2g}"]
