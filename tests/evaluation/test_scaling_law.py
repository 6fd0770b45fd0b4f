"""The scaling law of gaps that follow one."""

import itertools

import numpy as np
import pytest

from ncfjax.evaluation.scaling_law import Cells, fit, predict

TRUE = np.array([0.05, 2.0, 0.4, 0.8])


def made(noise: float = 0.0) -> Cells:
    """27 cells whose gaps follow the law, each a little off."""
    sizes = np.array(list(itertools.product((1, 2, 4), (1e3, 1e4, 1e5), (1e5, 1e6, 1e7)))).T
    cells = Cells(*sizes, np.empty(27))
    off = np.exp(noise * np.random.default_rng(0).standard_normal(27))
    return cells._replace(gap=predict(TRUE, cells) * off)


def test_gaps_that_follow_a_law_give_its_numbers_back():
    law = fit(made())
    np.testing.assert_allclose(law.values, TRUE, rtol=1e-4)
    assert law.residual < 1e-4 and law.num_cells == 27
    np.testing.assert_allclose(law.high - law.low, 0.0, atol=1e-2)


@pytest.mark.slow
def test_the_intervals_widen_with_the_noise_and_hold_the_truth():
    noisy = fit(made(noise=0.1))
    assert (noisy.low < TRUE).all() and (noisy.high > TRUE).all() and noisy.residual > 0.02
    np.testing.assert_array_equal(fit(made(noise=0.1)).low, noisy.low)


def test_the_misfit_is_the_logarithm_of_predicted_over_measured():
    """By hand: 0.05 + 0.4 of one parameter per pair; measured is half of it."""
    law = fit(made())._replace(values=TRUE)
    cells = Cells(*(np.array([value]) for value in (1.0, 10.0, 10.0, 0.225)))
    np.testing.assert_allclose(law.misfit(cells), np.log(2.0))
