import numpy as np
import pytest

from ncfjax.data.ratings import HALF_STARS, STARS
from ncfjax.evaluation.regression import errors_by_row, mae, rmse, star_accuracy

PREDICTIONS, VALUES = np.array([4.0, 2.4, 3.6, 6.0], np.float32), np.array([5.0, 2.0, 3.0, 5.0], np.float32)


def test_errors_are_those_on_paper():
    """Errors -1, .4, .6, 1."""
    assert rmse(PREDICTIONS, VALUES) == pytest.approx(np.sqrt((1 + 0.16 + 0.36 + 1) / 4))
    assert mae(PREDICTIONS, VALUES) == pytest.approx(0.75)


def test_a_star_is_exact_where_the_prediction_rounds_to_it():
    assert star_accuracy(PREDICTIONS, VALUES, STARS) == 0.5, "2.4 is 2, and 6 is clipped to 5"
    assert star_accuracy(np.array([2.5, 1.74]), np.array([3.0, 1.5]), STARS) == 0.5, "halves go upwards"
    assert star_accuracy(np.array([2.74, 1.76]), np.array([2.5, 1.5]), HALF_STARS) == 0.5


@pytest.mark.parametrize("metric", [rmse, mae, lambda p, y: star_accuracy(p, y, STARS)])
def test_a_prediction_that_is_no_number_is_not_overlooked(metric):
    assert np.isnan(metric(np.array([4.0, np.nan]), np.array([4.0, 3.0])))
    assert np.isnan(metric(np.zeros(0), np.zeros(0)))


def test_errors_of_users_add_up_to_those_of_all():
    users = np.array([2, 0, 2, 2])
    errors = errors_by_row(users, PREDICTIONS, VALUES, 4)
    np.testing.assert_allclose(errors.squared, [0.16, 0, 2.36, 0], rtol=1e-5)
    np.testing.assert_allclose(errors.absolute, [0.4, 0, 2.6, 0], rtol=1e-5)
    np.testing.assert_array_equal(errors.counts, [1, 0, 3, 0])
    assert np.sqrt(errors.squared.sum() / errors.counts.sum()) == pytest.approx(rmse(PREDICTIONS, VALUES))


def test_a_million_small_errors_do_not_drown():
    values = np.full(2_000_000, 3.0, np.float32)
    assert rmse(values + np.float32(1e-3), values) == pytest.approx(1e-3, rel=1e-3)
