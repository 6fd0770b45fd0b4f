"""Estimates follow what is really held: one large array of EASE, what co-occurs of the others, a table per device."""

import jax
import numpy as np
import pytest

from ncfjax.baselines import least_squares
from ncfjax.baselines.cost import fit_bytes, fit_work, is_finite, num_parameters, sides_bytes
from ncfjax.baselines.item_based import ItemBased, sparse_item_based
from ncfjax.baselines.slim import candidates, most_candidates, sparse_slim_weights
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


def test_only_the_users_that_are_ranked_have_a_history_for_it_and_take_time(catalogue):
    few = Interactions(catalogue.users[:9] % 10, np.arange(9), 10, 34_000)
    bytes_of = {
        name: fit_bytes("popularity", catalogue, ranked=ranked) for name, ranked in (("all", None), ("few", few))
    }
    assert bytes_of["all"] - bytes_of["few"] == (3_000 - 10) * 34_000 / 8
    assert fit_work("popularity", catalogue) == 300 * fit_work("popularity", catalogue, ranked=few)
    sizes = {"embedding_dim": 8, "block_size": 8, "num_epochs": 2}
    folding = len(few) * 8 * (8 + 3) + few.num_users * 8**3  # an exact solution for each of them, after every epoch
    without = (
        fit_work("ials", catalogue, **sizes) - 2 * (catalogue.num_users - few.num_users) * catalogue.num_items * 108
    )
    assert fit_work("ials", catalogue, ranked=few, **sizes) == without + 2 * folding


def test_every_device_has_tables_of_ials_and_systems_of_its_own(catalogue, monkeypatch):
    one = fit_bytes("ials", catalogue, embedding_dim=64)
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    tables = 4 * 3 * (3_000 + 34_000) * 64
    assert fit_bytes("ials", catalogue, embedding_dim=64) >= one + tables


def test_an_accelerator_solves_more_rows_at_a_time_than_fit_a_cpu_s_cache(catalogue, monkeypatch):
    def num_chunks() -> int:
        users, items, *sizes = catalogue.users, catalogue.items, catalogue.num_users, catalogue.num_items
        return sum(len(batch.rows) for batch in least_squares.make_side(users, items, *sizes, 192).batches)

    on_cpu, num_bytes = num_chunks(), sides_bytes(catalogue, 192)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert on_cpu > 200 and num_chunks() < 20
    assert 100_000_000 < sides_bytes(catalogue, 192) - num_bytes < 2 * 4 * jax.device_count() * 50_000_000


def test_the_vectors_of_the_longest_history_count_on_every_device():
    """Of an item that all of 100,000 users have."""
    users = np.arange(100_000)
    train = Interactions(users, np.zeros_like(users), 100_000, 10)
    assert fit_bytes("ials", train, embedding_dim=128) > jax.device_count() * 2 * 4 * 128 * 100_000


def test_histories_count_as_the_ranking_has_them():
    users, items = np.arange(2_000), np.arange(2_000) * 50
    train = Interactions(users, items, 2_000, 100_000)
    bits, lists = (fit_bytes("popularity", train, as_bits=as_bits) for as_bits in (True, False))
    assert bits - lists == 2_000 * 12_500 - 4 * (2_000 + 2_001)


@pytest.mark.parametrize("l1", [0.0, 0.5, 1.0, 2.0, 7.5, 1e9])
def test_no_more_pairs_of_items_are_candidates_of_slim_than_memory_is_planned_for(l1):
    rng = np.random.default_rng(0)
    table = rng.random((60, 40)) < rng.random(60)[:, None] ** 4
    train = Interactions(*np.nonzero(table), *table.shape)
    assert candidates(train, l1).nnz <= most_candidates(train, l1) <= 40**2


def test_one_user_who_has_every_item_makes_no_pair_a_candidate_of_slim_by_himself():
    items = np.arange(30_000)
    train = Interactions(np.zeros_like(items), items, 100, 30_000)
    assert most_candidates(train, 1.0) == 0 and fit_bytes("slim", train, l1=1.0) < 5e8 < fit_bytes("slim", train)


def test_neighbours_that_are_not_there_take_no_memory(catalogue):
    few, many = (fit_bytes("item_knn", catalogue, num_neighbors=n) for n in (1_000, 33_000))
    assert few == many < 1e9


def test_parameters_of_sparse_weights_are_those_that_are_not_zero():
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((20, 9)) < 0.4)
    train = Interactions(users, items, 20, 9)
    weights = sparse_slim_weights(train, 0.5, 1.0, 3)
    scorer = sparse_item_based(train, weights)
    assert num_parameters(scorer) == np.count_nonzero(weights.toarray()) > 0 and is_finite(scorer)
    assert not is_finite(scorer._replace(weights=scorer.weights * np.nan))
    assert not is_finite(ItemBased(np.full((9, 9), np.inf, np.float32), np.zeros((20, 2), np.uint8)))
