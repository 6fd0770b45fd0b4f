"""The scaling law of Figure 3."""

import itertools

import numpy as np
import pandas as pd
import pytest

from experiments.analysis.figure3 import SETUP
from experiments.analysis.scaling_law import Law, cells_of, fit, paper_cells, predict, study_gaps
from experiments.figures.answers import scaling_law
from experiments.figures.scaling_law import FittedLaw, draw, law_table

KEYS = list(itertools.product((1, 2, 4), (16, 32, 64), (4000, 8000, 16000)))
TRUE = np.array([0.05, 2.0, 0.4, 0.8])


def made(noise: float = 0.0, seeds: int = 2) -> dict:
    """Gaps that follow a law, each seed a little off."""
    rng = np.random.default_rng(0)
    gaps = predict(TRUE, cells_of(KEYS, np.empty(len(KEYS))))
    return {key: gap * np.exp(noise * rng.standard_normal(seeds)) for key, gap in zip(KEYS, gaps, strict=True)}


def rows(**changed) -> pd.DataFrame:
    """A row per cell and seed, as in the table."""
    usual = SETUP | {"target": "dot", "status": "completed", "rmse_dot_fresh": 0.85}
    table = [
        usual | {"width_multiplier": m, "embedding_dim": dim, "num_users": users, "rmse_fresh": 0.85 + gap} | changed
        for (m, dim, users), gaps in made().items()
        for gap in gaps
    ]
    return pd.DataFrame(table)


def test_gaps_that_follow_a_law_give_its_numbers_back():
    law = fit(made())
    np.testing.assert_allclose(law.values, TRUE, rtol=1e-4)
    assert law.residual < 1e-4 and law.num_cells == len(KEYS)
    np.testing.assert_allclose(law.high - law.low, 0.0, atol=1e-2)


@pytest.mark.slow
def test_the_intervals_widen_with_the_noise_and_hold_the_truth():
    noisy = fit(made(noise=0.1))
    assert (noisy.low < TRUE).all() and (noisy.high > TRUE).all() and noisy.residual > 0.02
    np.testing.assert_array_equal(fit(made(noise=0.1)).low, noisy.low)


def test_sizes_are_those_of_the_network_and_its_pairs():
    cells = cells_of([(2, 16, 4000)], np.array([0.1]))
    assert cells.parameters[0] == (32 * 64 + 64) + (64 * 32 + 32) + (32 * 16 + 16) + (16 + 1)
    assert cells.pairs[0] == 0.9 * 100 * 4000


def test_only_completed_runs_of_the_studys_setup_are_fitted():
    strange = [rows(activation="gelu"), rows(status="diverged"), rows(target="recommender"), rows(rmse_fresh=0.8)]
    gaps = study_gaps(pd.concat([rows(), *strange], ignore_index=True))
    assert gaps.keys() == made().keys() and {len(gaps) for gaps in gaps.values()} == {2}
    with pytest.raises(ValueError, match="expected at least 8 cells of the study's setup, got 3"):
        study_gaps(rows()[:6])


def test_the_papers_cells_are_those_fitted_and_those_predicted():
    gaps = made()
    fitted, others = (len(paper_cells(gaps, fitted=fitted).gap) for fitted in (True, False))
    assert (fitted, fitted + others) == (23, 58)
    law = fit(gaps)
    said = law_table(FittedLaw(law, gaps))
    assert said.count("\n| also ours | 23 |") == said.count("\n| not ours | 35 |") == 1
    assert "| alpha | 2.000 |" in said
    assert "a = 0.050 [0.050, 0.050] and alpha = 2.000 [2.000, 2.000]" in scaling_law(law)


def test_the_figure_shows_what_was_fitted_and_what_was_not():
    law = Law(TRUE, TRUE, TRUE, 0.0, len(KEYS))
    left, right = draw(FittedLaw(law, made())).axes
    fitted = next(line for line in left.get_lines() if line.get_label() == "m = 1, ours, fitted")
    np.testing.assert_allclose(fitted.get_xdata(), fitted.get_ydata())
    assert len(fitted.get_xdata()) == 9 and right.get_yscale() == "log"
