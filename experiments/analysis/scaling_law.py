"""The scaling law of Figure 3 (ncfjax/evaluation/scaling_law.py), fitted to our cells of the study's setup.

Cells of the paper that were not fitted are predicted, and say how far the law carries.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from experiments.analysis.figure3 import SIZE
from experiments.analysis.published import figure3
from ncfjax.evaluation.scaling_law import Cells, Law, fit
from ncfjax.models.imitator_keys import study_parameters

# (width_multiplier, embedding_dim, num_users) -> one gap per seed
Gaps = dict[tuple[int, int, int], Float[np.ndarray, " seeds"]]


class FittedLaw(NamedTuple):
    law: Law
    ours: Cells  # that it was fitted to
    repeated: Cells  # the paper's of the same sizes
    predicted: Cells  # the paper's of others


def fitted_law(runs: pd.DataFrame) -> FittedLaw:
    """Raises ValueError for too few cells."""
    gaps, paper = study_gaps(runs), figure3().points()
    ours = cells_of(list(gaps), [values.mean() for values in gaps.values()])
    repeated, predicted = (
        cells_of([key for key in paper if (key in gaps) == fitted], [paper[k] for k in paper if (k in gaps) == fitted])
        for fitted in (True, False)
    )
    return FittedLaw(fit(ours), ours, repeated, predicted)


def study_gaps(runs: pd.DataFrame) -> Gaps:
    """The gaps on fresh vectors of the study's setup; those below zero are left out.

    Raises:
        ValueError: fewer than 8 cells, which is too few to fit four numbers.
    """
    sound = runs[(runs["target"] == "dot") & (runs["status"] == "completed") & runs["width_multiplier"].notna()]
    for name, value in figure3().setup.items():
        sound = sound[sound[name] == value]
    gaps = sound["rmse_fresh"] - sound["rmse_dot_fresh"]
    groups = gaps[gaps > 0].groupby([sound[name] for name in SIZE])
    by_cell = {tuple(map(int, key)): values.to_numpy(float) for key, values in groups}
    if len(by_cell) < 8:
        raise ValueError(f"expected at least 8 cells of the study's setup, got {len(by_cell)}")
    return by_cell


def cells_of(keys: list[tuple[int, int, int]], gaps: list[float]) -> Cells:
    """A tenth of the study's pairs are for the test."""
    parameters = [study_parameters(dim, multiplier) for multiplier, dim, _ in keys]
    pairs = [users * figure3().setup["pairs_per_user"] * 9 // 10 for *_, users in keys]
    return Cells(*(np.asarray(values, float) for values in ([key[0] for key in keys], parameters, pairs, gaps)))
