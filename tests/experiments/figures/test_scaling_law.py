"""The scaling law of Figure 3."""

import itertools

import numpy as np
import pandas as pd
import pytest

from experiments.analysis.published import figure3
from experiments.analysis.scaling_law import FittedLaw, cells_of, fitted_law, study_gaps
from experiments.figures.answers import scaling_law
from experiments.figures.scaling_law import draw, law_table
from ncfjax.evaluation.scaling_law import Law, predict

KEYS = list(itertools.product((1, 2, 4), (16, 32, 64), (4000, 8000, 16000)))
TRUE = np.array([0.05, 2.0, 0.4, 0.8])


def made() -> dict:
    """Gaps that follow a law, of two seeds."""
    gaps = predict(TRUE, cells_of(KEYS, [1.0] * len(KEYS)))
    return {key: np.full(2, gap) for key, gap in zip(KEYS, gaps, strict=True)}


def rows(**changed) -> pd.DataFrame:
    """A row per cell and seed, as in the table."""
    usual = figure3().setup | {"target": "dot", "status": "completed", "rmse_dot_fresh": 0.85}
    table = [
        usual | {"width_multiplier": m, "embedding_dim": dim, "num_users": users, "rmse_fresh": 0.85 + gap} | changed
        for (m, dim, users), gaps in made().items()
        for gap in gaps
    ]
    return pd.DataFrame(table)


def test_sizes_are_those_of_the_network_and_its_pairs():
    cells = cells_of([(2, 16, 4000)], [0.1])
    assert cells.parameters[0] == (32 * 64 + 64) + (64 * 32 + 32) + (32 * 16 + 16) + (16 + 1)
    assert cells.pairs[0] == 0.9 * 100 * 4000


def test_only_completed_runs_of_the_studys_setup_are_fitted():
    strange = [rows(activation="gelu"), rows(status="diverged"), rows(target="recommender"), rows(rmse_fresh=0.8)]
    gaps = study_gaps(pd.concat([rows(), *strange], ignore_index=True))
    assert gaps.keys() == made().keys() and {len(gaps) for gaps in gaps.values()} == {2}
    with pytest.raises(ValueError, match="expected at least 8 cells of the study's setup, got 3"):
        study_gaps(rows()[:6])


def test_the_papers_cells_are_those_fitted_and_those_predicted():
    fitted = fitted_law(rows())
    assert (len(fitted.repeated.gap), len(fitted.predicted.gap)) == (23, 35)
    said = law_table(fitted)
    assert said.count("\n| also ours | 23 |") == said.count("\n| not ours | 35 |") == 1
    assert "| alpha | 2.000 |" in said
    assert "a = 0.050 [0.050, 0.050] and alpha = 2.000 [2.000, 2.000]" in scaling_law(fitted)


def test_the_figure_shows_what_was_fitted_and_what_was_not():
    law = Law(TRUE, TRUE, TRUE, 0.0, len(KEYS))
    ours = cells_of(KEYS, [gaps.mean() for gaps in made().values()])
    left, right = draw(FittedLaw(law, ours, ours, ours)).axes
    fitted = next(line for line in left.get_lines() if line.get_label() == "m = 1, ours, fitted")
    np.testing.assert_allclose(fitted.get_xdata(), fitted.get_ydata())
    assert len(fitted.get_xdata()) == 9 and right.get_yscale() == "log"
