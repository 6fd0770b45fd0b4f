"""Estimates follow what is really held: one large array of EASE, what co-occurs of the others, a table per device."""

import jax
import numpy as np
import pytest

from ncfjax.baselines import least_squares
from ncfjax.baselines.cost import fit_bytes, fit_work, ials_floats, is_finite, num_parameters
from ncfjax.baselines.item_based import ItemBased, sparse_item_based
from ncfjax.baselines.slim import sparse_slim_weights
from ncfjax.data.interactions import Interactions


@pytest.fixture(scope="module")
def catalogue() -> Interactions:
    """Of 3,000 users, 34,000 items and 85,000 interactions, popular ones more often."""
    rng = np.random.default_rng(0)
    items = (34_000 * rng.random(120_000) ** 3).astype(np.int64)
    keys = np.unique(rng.integers(3_000, size=len(items)) * 34_000 + items)
    keys = rng.permutation(keys)[:85_000]
    return Interactions(keys // 34_000, keys % 34_000, 3_000, 34_000)


def test_only_ease_needs_items_squared(catalogue):
    array = 4 * 34_000**2
    assert array < fit_bytes("ease", catalogue) < 1.3 * array
    assert fit_bytes("item_knn", catalogue, num_neighbors=50) < 1e9
    assert fit_bytes("user_knn", catalogue, num_neighbors=50) < 1e9
    assert fit_bytes("slim", catalogue) < 2e9


def test_only_ease_takes_work_of_items_squared(catalogue):
    work = {name: fit_work(name, catalogue, num_sweeps=5) for name in ("item_knn", "user_knn", "slim", "ease")}
    assert work["ease"] > 34_000**3 / 2 > 10 * max(work[name] for name in ("item_knn", "user_knn", "slim"))


def test_every_device_has_tables_of_ials_and_systems_of_its_own(catalogue, monkeypatch):
    one = fit_bytes("ials", catalogue, embedding_dim=64)
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    tables = 4 * 3 * (3_000 + 34_000) * 64
    assert fit_bytes("ials", catalogue, embedding_dim=64) >= one + tables


def test_an_accelerator_solves_more_rows_at_a_time_than_fit_a_cpu_s_cache(catalogue, monkeypatch):
    def num_chunks() -> int:
        users, items, *sizes = catalogue.users, catalogue.items, catalogue.num_users, catalogue.num_items
        return sum(len(batch.rows) for batch in least_squares.make_side(users, items, *sizes, 192).batches)

    on_cpu, floats = num_chunks(), ials_floats(catalogue, 192)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert on_cpu > 200 and num_chunks() < 20
    assert ials_floats(catalogue, 192) - floats == 49_500_000


def test_parameters_of_sparse_weights_are_those_that_are_not_zero():
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((20, 9)) < 0.4)
    train = Interactions(users, items, 20, 9)
    weights = sparse_slim_weights(train, 0.5, 1.0, 3)
    scorer = sparse_item_based(train, weights)
    assert num_parameters(scorer) == np.count_nonzero(weights.toarray()) > 0 and is_finite(scorer)
    assert not is_finite(scorer._replace(weights=scorer.weights * np.nan))
    assert not is_finite(ItemBased(np.full((9, 9), np.inf, np.float32), np.zeros((20, 2), np.uint8)))
