"""Scores of several models as one, and preferences that add to a score. Candidates are what a user may be shown.

    blend         s_i = sum over models m of w_m r_m(i) / sum of w_m
    preference    s_i + stddev(s) * sum over labels l of x_l [i has l]

r_m(i) is the share of the other candidates that model m scores below i, equal ones counted half: 1 for its best, 0 for
its worst. So models of any unit are added up, a logit and a number of stars. stddev(s) is that of the user's
candidates: a preference of 1 outweighs a standard deviation of the user's taste, whatever the model's unit.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata


def shares_below(scores: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """r of every candidate; a lone one has 1. A NaN is below all numbers."""
    if len(scores) < 2:
        return np.ones(len(scores))
    ranks = rankdata(np.where(np.isnan(scores), -np.inf, scores), method="average")
    return (ranks - 1.0) / (len(scores) - 1.0)


def blended(
    scores: Sequence[Float[np.ndarray, " items"]],
    weights: Sequence[float | int],
    is_candidate: Bool[np.ndarray, " items"],
) -> Float[np.ndarray, " items"]:
    """One score of every item, NaN of those that are no candidates. One model's is left as it is."""
    if len(scores) == 1:
        return np.asarray(scores[0], np.float64)
    shares = [shares_below(of_model[is_candidate]) for of_model in scores]
    total = np.full(len(is_candidate), np.nan)
    total[is_candidate] = np.average(shares, axis=0, weights=weights)
    return total


def preferred(
    scores: Float[np.ndarray, " items"],
    is_candidate: Bool[np.ndarray, " items"],
    preferences: Mapping[str, float | int],
    labels: Mapping[str, Bool[np.ndarray, " items"]],
) -> Float[np.ndarray, " items"]:
    """Scores with what a user prefers, or would rather not have, added; `labels` says which items have each label."""
    usable = scores[is_candidate & np.isfinite(scores)]
    unit = np.std(usable, dtype=np.float64) if len(usable) else 0.0
    added = sum((strength * labels[label] for label, strength in preferences.items()), np.zeros(len(scores)))
    return scores + (unit or 1.0) * added  # a model that scores all alike has no unit: then preferences alone decide
