"""Rows against a dense NumPy solve; padding, chunks and weights change nothing that they should not."""

import jax.numpy as jnp
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from ncfjax.baselines import least_squares
from ncfjax.baselines.least_squares import make_side, single_threaded_lapack, solve_rows

RNG = np.random.default_rng(0)
IS_PAIR = RNG.random((12, 9)) < np.linspace(0.05, 1.0, 12)[:, None]
IS_PAIR[0] = False
ROWS, COLUMNS = (ids.astype(np.int32) for ids in np.nonzero(IS_PAIR))
VALUES, WEIGHTS = (np.float32(x) for x in (RNG.standard_normal(len(ROWS)), RNG.uniform(0.5, 3.0, len(ROWS))))
VECTORS, OFFSETS = (np.float32(x) for x in (RNG.standard_normal((9, 4)), RNG.standard_normal(9)))
PENALTY, PRIOR = (np.float32(x) for x in (RNG.uniform(0.1, 1.0, (12, 4)), RNG.standard_normal((12, 4))))


def solved(weights, prior):
    """Each row's normal equations in double precision."""
    rows = []
    for row in range(12):
        pairs = ROWS == row
        q, c = VECTORS[COLUMNS[pairs]].astype(np.float64), weights[pairs, None]
        target = VALUES[pairs] - OFFSETS[COLUMNS[pairs]]
        right = (c * q).T @ target + PENALTY[row] * prior[row]
        rows.append(np.linalg.solve((c * q).T @ q + np.diag(PENALTY[row]), right))
    return np.stack(rows)


@pytest.mark.parametrize("floats_at_once", [10**6, 200])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_rows_are_the_dense_solutions_of_their_normal_equations(monkeypatch, floats_at_once, is_weighted):
    monkeypatch.setattr(least_squares, "FLOATS_AT_ONCE", floats_at_once)
    weights = WEIGHTS if is_weighted else None
    side = make_side(ROWS, COLUMNS, 12, 9, 4, VALUES, weights)
    got = solve_rows(side, *map(jnp.asarray, (VECTORS, OFFSETS, PENALTY, PRIOR)))
    expected = solved(WEIGHTS if is_weighted else np.ones(len(ROWS)), PRIOR)
    expected[0] = PRIOR[0]
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def test_a_weight_is_so_many_copies_of_a_pair():
    twice = make_side(np.repeat(ROWS, 2), np.repeat(COLUMNS, 2), 12, 9, 4, np.repeat(VALUES, 2))
    weighted = make_side(ROWS, COLUMNS, 12, 9, 4, VALUES, np.full(len(ROWS), 2.0, np.float32))
    expected = solve_rows(twice, *map(jnp.asarray, (VECTORS, OFFSETS, PENALTY)))
    np.testing.assert_allclose(
        solve_rows(weighted, *map(jnp.asarray, (VECTORS, OFFSETS, PENALTY))), expected, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(weighted.counts, twice.counts)


def test_every_pair_is_in_its_row_once_and_padding_is_out_of_range():
    side = make_side(ROWS, COLUMNS, 12, 9, 4, VALUES, WEIGHTS)
    seen = set()
    for batch in side.batches:
        for row, columns, values, weights in zip(*(x.reshape(-1, *x.shape[2:]) for x in batch), strict=True):
            is_pair = columns < 9
            assert not values[~is_pair].any() and not weights[~is_pair].any() and (row < 12 or not is_pair.any())
            seen |= {
                (int(row), *pair) for pair in zip(columns[is_pair], values[is_pair], weights[is_pair], strict=True)
            }
    assert seen == set(zip(ROWS, COLUMNS, VALUES, WEIGHTS, strict=True))


def test_a_row_without_pairs_is_at_zero_exactly_though_it_pays_no_penalty():
    side = make_side(ROWS, COLUMNS, 12, 9, 4, VALUES)
    penalty = PENALTY * np.array([1, 1, 1, 0], np.float32)
    got = np.asarray(solve_rows(side, *map(jnp.asarray, (VECTORS, OFFSETS, penalty))))
    assert not got[0].any() and np.isfinite(got).all()


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_lapack_has_one_thread_while_rows_are_solved_and_as_many_as_before_after_it():
    with single_threaded_lapack(), threadpool_limits(2, "blas"):  # its libraries are loaded by now
        before = blas_threads()
        with single_threaded_lapack():
            assert blas_threads() == {1}
        assert blas_threads() == before == {2}
