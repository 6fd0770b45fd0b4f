"""Who had what on the device: both forms give the same, in training and in ranking too."""

import tracemalloc
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.history import (
    HistoryLists,
    count_before,
    fits_as_bits,
    history_bytes,
    make_history,
    pack_history,
    unpack_history,
)
from ncfjax.data.interactions import Interactions
from ncfjax.data.splits import holdout
from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.evaluation.ranking import ranking_of
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot
from ncfjax.training.blocks import Block
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem

pytestmark = pytest.mark.slow  # XLA compiles

DATA = make_synthetic(SyntheticOptions(num_users=300, num_items=2000, interactions_per_user=8), num_negatives=20)
SMALL = 100_000  # bytes: two histories as bits take 150,000


@pytest.fixture
def interactions() -> Interactions:
    """Of 5 users and 150 items: nothing, one item, a piece of a list to its end, one more, everything."""
    sizes = [0, 1, 64, 65, 150]
    items = [np.random.default_rng(size).permutation(150)[:size] for size in sizes]
    users, items = np.repeat(np.arange(5), sizes), np.concatenate(items)
    order = np.random.default_rng(0).permutation(len(users))
    return Interactions(users[order], items[order], 5, 150)


@pytest.mark.parametrize("users", [[4, 0, 3, 1, 2, 0], [0], [5], [4, 5, 2]])
def test_lists_unpack_to_what_bits_do_padding_included(interactions, users):
    bits, lists = (make_history([interactions], as_bits) for as_bits in (True, False))
    assert isinstance(lists, HistoryLists) and lists.items.nbytes < history_bytes(interactions, as_bits=False)
    for function in (unpack_history, count_before):
        ours, packed = (function(history, jnp.asarray(users), 150) for history in (lists, bits))
        np.testing.assert_array_equal(ours, packed)
        assert ours.dtype == packed.dtype


def test_parts_are_one_history(interactions):
    parts = interactions.where(np.arange(100)), interactions.where(np.arange(100, len(interactions)))
    for as_bits in (True, False):
        history = make_history(parts, as_bits)
        np.testing.assert_array_equal(
            unpack_history(history, jnp.arange(5), 150),
            unpack_history(make_history([interactions]), jnp.arange(5), 150),
        )


def test_bits_are_packed_without_all_users_of_a_large_catalogue_side_by_side():
    """Of 100 users of a million items, a byte each would be 100 MB."""
    train = Interactions(np.arange(100), np.arange(100), 100, 1_000_000)
    tracemalloc.start()
    packed = pack_history(train)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert packed.nbytes == 12_500_000 and peak < packed.nbytes + 40_000_000


def test_bits_are_used_where_two_histories_on_every_device_fit_half_of_the_memory(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    train = DATA.train
    packed = 300 * 250
    assert history_bytes(train, as_bits=True) == packed > history_bytes(train, as_bits=False)
    assert fits_as_bits(train, None) and fits_as_bits(train, 8 * packed) and not fits_as_bits(train, 8 * packed - 1)
    dense = make_synthetic(SyntheticOptions(num_users=30, num_items=200, interactions_per_user=60)).train
    assert fits_as_bits(dense, 0), "lists are no smaller"


@pytest.mark.parametrize(
    "changed", [{}, {"reject_positives": True}, {"objective": "sampled", "reject_positives": True, "batch_size": 64}]
)
@pytest.mark.parametrize("kind", ["test", "holdout", "weighted"])
def test_training_and_ranking_give_the_same_bits_of_results_with_lists(kind, changed):
    data = holdout(DATA, num_negatives=20) if kind == "holdout" else DATA
    if kind == "weighted":
        weights = np.random.default_rng(0).integers(1, 6, len(data.train))
        data = replace(data, train=replace(data.train, weights=weights))
    spec = Spec(8, "expected", 16, 4)._replace(**changed)
    results = []
    for memory_bytes in (None, SMALL):
        problem = RecommenderProblem(data, spec, memory_bytes=memory_bytes)
        assert problem.as_bits == (memory_bytes is None)
        program = Program(problem, Block([[Member(0.03, 0.01, 0.1, 1.0, 0), Member(0.05, 0.01, 0.1, 1.0, 0)]], 2))
        state = program.advance(program.init(), 3)
        results.append((program.evaluate(state), program.models(state)[1].item[...]))
    jax.tree.map(np.testing.assert_array_equal, *results)


def test_a_scorer_is_ranked_alike_in_little_memory(key):
    model = Recommender(300, 2000, 8, Dot(8, biases=True), stddev=0.5, key=key)
    rankings = [ranking_of(model, DATA, memory_bytes=memory_bytes) for memory_bytes in (None, SMALL)]
    jax.tree.map(np.testing.assert_array_equal, *rankings)


def test_what_is_planned_for_lists_is_less_and_a_grid_fits_that_bits_do_not():
    spec = Spec(8, "expected", 16, 4)
    bits, lists = (RecommenderProblem(DATA, spec, memory_bytes=limit).memory for limit in (None, SMALL))
    assert bits.fixed - lists.fixed == 2 * (300 * 250 - 4 * (len(DATA.train) + 301)) and bits.each == lists.each
