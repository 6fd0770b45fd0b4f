"""iALS against a dense NumPy solve of its normal equations, and its objective."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from ncfjax.baselines import least_squares
from ncfjax.baselines.ials import IalsWeights, fit_ials, ials_epochs, solve_side
from ncfjax.baselines.least_squares import make_side
from ncfjax.data.interactions import Interactions

OPTIONS = {
    "embedding_dim": 6, "block_size": 6, "regularization": 0.02, "unobserved_weight": 0.3, "nu": 1.0, "stddev": 0.1,
    "num_epochs": 3, "seed": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def train():
    """Histories of 0 to 20 items: several lengths, a user without any, an item without any."""
    rng = np.random.default_rng(1)
    table = rng.random((30, 24)) < np.linspace(0.02, 0.9, 30)[:, None]
    table[0], table[:, 0] = False, False
    return Interactions(*map(np.asarray, np.nonzero(table)), 30, 24)


def solved(table, fixed, regularization, unobserved_weight, nu):
    """Every row by its dense normal equations, in double precision."""
    rows = []
    for row in table:
        weight = row + unobserved_weight
        penalty = regularization * (row.sum() + unobserved_weight * table.shape[1]) ** nu
        left = (fixed * weight[:, None]).T @ fixed + penalty * np.eye(fixed.shape[1])
        rows.append(np.linalg.solve(left, fixed.T @ row))
    return np.stack(rows)


def objective(table, p, q, regularization, unobserved_weight, nu):
    scores = p @ q.T
    loss = np.sum(table * (scores - 1.0) ** 2) + unobserved_weight * np.sum(scores**2)
    for side, vectors in ((table, p), (table.T, q)):
        penalty = regularization * (side.sum(axis=1) + unobserved_weight * side.shape[1]) ** nu
        loss += np.sum(penalty[:, None] * vectors**2)
    return loss


def sides(train, floats=6):
    return (
        make_side(train.users, train.items, train.num_users, train.num_items, floats),
        make_side(train.items, train.users, train.num_items, train.num_users, floats),
    )


WEIGHTS = {"regularization": 0.02, "unobserved_weight": 0.3, "nu": 0.7}


@pytest.mark.parametrize("floats_at_once", [10**6, 300])
def test_a_side_is_the_dense_solution_of_its_normal_equations(train, table, monkeypatch, floats_at_once):
    monkeypatch.setattr(least_squares, "FLOATS_AT_ONCE", floats_at_once)
    fixed = np.random.default_rng(2).standard_normal((24, 6))
    users, _ = sides(train)
    got = solve_side(jnp.ones((30, 6)), jnp.asarray(fixed, jnp.float32), users, IalsWeights(**WEIGHTS), 6, 24)
    np.testing.assert_allclose(got, solved(table, fixed, **WEIGHTS), rtol=2e-3, atol=2e-4)
    assert not np.asarray(got)[0].any(), "a user without history is at zero"


def test_every_row_is_in_one_batch_with_its_own_history(train):
    for side, rows, columns in zip(sides(train), (train.users, train.items), (train.items, train.users), strict=True):
        seen = {}
        for batch in side.batches:
            rows_of_batch = batch.rows.reshape(-1)
            for row, history in zip(rows_of_batch, batch.columns.reshape(len(rows_of_batch), -1), strict=True):
                if row < len(side.counts):
                    assert row not in seen
                    seen[int(row)] = {int(column) for column in history if column <= columns.max()}
        assert seen == {row: set(columns[rows == row].tolist()) for row in range(len(side.counts))}


@pytest.mark.parametrize("block_size", [1, 2, 3])
def test_newton_steps_on_blocks_lead_to_the_exact_solution(train, table, block_size):
    fixed = jnp.asarray(np.random.default_rng(2).standard_normal((24, 6)), jnp.float32)
    users, _ = sides(train)
    got = jnp.zeros((30, 6))
    for _ in range(60):
        got = solve_side(got, fixed, users, IalsWeights(**WEIGHTS), block_size, 24)
    np.testing.assert_allclose(got, solved(table, np.asarray(fixed, float), **WEIGHTS), rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("block_size", [6, 2])
def test_a_weight_of_one_is_no_weight_and_others_count_their_pairs_so_often(train, table, block_size):
    fixed = jnp.asarray(np.random.default_rng(2).standard_normal((24, 6)), jnp.float32)
    strength = np.random.default_rng(3).integers(1, 6, len(train)).astype(np.float32)

    def solve(weights, start=None):
        users = make_side(train.users, train.items, 30, 24, 6, weights=weights)
        start = jnp.zeros((30, 6)) if start is None else start
        return solve_side(start, fixed, users, IalsWeights(**WEIGHTS), block_size, 24)

    np.testing.assert_array_equal(solve(np.ones(len(train), np.float32)), solve(None))
    weighted = np.zeros((30, 24))
    weighted[train.users, train.items] = strength
    got = solve(strength)
    for _ in range(60 if block_size < 6 else 0):
        got = solve(strength, got)
    np.testing.assert_allclose(got, solved(weighted, np.asarray(fixed, float), **WEIGHTS), rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("block_size", [6, 2])
def test_the_objective_falls_with_every_epoch(train, table, block_size):
    losses = []
    for model in ials_epochs(train, **OPTIONS | {"num_epochs": 8, "block_size": block_size}):
        tables = (np.asarray(model.user[...], float), np.asarray(model.item[...], float))
        losses.append(objective(table, *tables, 0.02, 0.3, 1.0))
    assert (np.diff(losses) < 1e-3).all() and losses[-1] < losses[0]


def test_the_seed_decides_and_nothing_else(train):
    one, same, other = (np.asarray(fit_ials(train, **OPTIONS | {"seed": s}).user[...]) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


def test_the_model_after_every_epoch_is_that_of_a_fit_of_so_many(train):
    for num_epochs, model in enumerate(ials_epochs(train, **OPTIONS), start=1):
        fitted = fit_ials(train, **OPTIONS | {"num_epochs": num_epochs})
        np.testing.assert_array_equal(model.user[...], fitted.user[...])
        np.testing.assert_array_equal(model.item[...], fitted.item[...])
    assert num_epochs == 3


def test_an_epoch_is_that_of_implicit(train, table):
    """Its loss is sum of c (x - score)^2 + regularization (|X|^2 + |Y|^2), with c = 1 where x = 0.

    With w the unobserved weight, c = 1 + 1/w, a regularization divided by w and nu = 0 its normal equations are ours
    divided by w, but for the right side, which is 1 + w times as large.
    """
    als = pytest.importorskip("implicit.cpu.als", reason="implicit is not installed: pip install -e '.[bench]'")
    weight, regularization = 0.3, 0.02
    start = np.random.default_rng(2).standard_normal((24, 6)).astype(np.float32)
    with threadpool_limits(1, "blas"):  # it warns of more
        model = als.AlternatingLeastSquares(
            factors=6, regularization=regularization / weight, use_cg=False, iterations=1, num_threads=1
        )
        model.user_factors, model.item_factors = np.zeros((30, 6), np.float32), start.copy()
        model.fit(csr_matrix((1.0 + 1.0 / weight) * table, dtype=np.float32), show_progress=False)
    weights = IalsWeights(regularization, weight, nu=0.0)
    users, items = sides(train)
    p = solve_side(jnp.zeros((30, 6)), jnp.asarray(start), users, weights, 6, 24)
    np.testing.assert_allclose(model.user_factors, (1.0 + weight) * p, rtol=1e-3, atol=1e-4)
    q = solve_side(jnp.zeros((24, 6)), jnp.asarray(model.user_factors), items, weights, 6, 30)
    np.testing.assert_allclose(model.item_factors, (1.0 + weight) * q, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"block_size": 4}, "block_size: expected a divisor of embedding_dim=6, got 4"),
        ({"block_size": 0}, "block_size: expected a divisor"),
        ({"num_epochs": 0}, "num_epochs: expected at least 1, got 0"),
        ({"regularization": 0.0}, "regularization: expected a number > 0, got 0"),
        ({"unobserved_weight": -1.0}, "unobserved_weight: expected a number > 0, got -1"),
    ],
)
def test_what_cannot_be_fitted_is_refused_at_the_call(train, changed, message):
    with pytest.raises(ValueError, match=message):
        ials_epochs(train, **OPTIONS | changed)
