"""Searches as they stand together: which runs are one line, which of them is enough, and first stages of their own."""

import numpy as np
import pytest

from experiments.analysis.pairwise import NO_DIFFERENCE
from experiments.analysis.retrieval import catalogues, own_rankings
from experiments.entries import columns
from ncfjax.store import Store

USUAL = {
    "dataset": "ml-1m", "negatives": "file", "catalogue": "data", "num_items": 1000, "num_queries": 50, "model": "mlp",
    "embedding_dim": 16, "layers": "32-16-8", "training": "sampled", "seed": 0, "method": "exact", "recall@10": 1.0,
    "milliseconds_per_query": 4.0, "share_scored": 1.0,
}  # fmt: skip
CLUSTERS = {"method": "clusters", "num_clusters": 30}
SVD = {"method": "svd", "rank": 8}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path, columns()["retrieval"])


@pytest.fixture
def put(store, make_row):
    def put(ranks=None, **cells):
        arrays = {} if ranks is None else {"sampled": np.asarray(ranks), "full": np.asarray(ranks)}
        store.append(make_row("retrieval", **USUAL | cells), [], arrays)

    return put


def test_seeds_stand_together_and_models_of_another_training_do_not(store, put):
    for seed, recall in ((0, 0.9), (1, 0.96)):
        put(seed=seed)
        put(seed=seed, **CLUSTERS, probes=4, **{"recall@10": recall})
    (before,) = catalogues(store)
    (clusters,) = before.of("clusters")
    assert len(clusters) == 2 and clusters.value("recall@10") == pytest.approx(0.93) and clusters.least_recall == 0.9
    for other in ({"training": "expected"}, {"pretrained": "true"}, {"num_items": 2000}, {"embedding_dim": 64}):
        put(**other)
        put(**other, **CLUSTERS, probes=4, **{"recall@10": 0.1})
    put(status="diverged", seed=2, **CLUSTERS, probes=4)
    same = [one for one in catalogues(store) if (one.training, one.kind) == ("sampled", "")]
    (after,) = [one for one in same if (one.num_items, one.embedding_dim) == (1000, 16)]
    assert after.of("clusters")[0].value("recall@10") == clusters.value("recall@10") and len(catalogues(store)) == 5


def test_two_runs_of_one_seed_are_refused(store, put):
    put()
    put(milliseconds_per_query=5.0)
    with pytest.raises(ValueError, match="MLP, d=16, exact: expected one run per seed in .*, got 2"):
        catalogues(store)


def test_the_least_effort_is_the_fastest_that_finds_enough_with_every_seed(store, put):
    for seed in (0, 1):
        put(seed=seed)
        tried = (1, 0.5, 0.1), (4, 0.94 + 0.04 * seed, 0.5), (8, 0.96, 1.0), (16, 0.99, 2.0)
        for probes, recall, milliseconds in tried:
            put(seed=seed, **CLUSTERS, probes=probes, **{"recall@10": recall}, milliseconds_per_query=milliseconds)
    (one,) = catalogues(store)
    search = one.least_effort("clusters")
    assert (search.probes, search.effort, one.speed_up(search)) == (8, "8 lists", 4.0)
    assert one.least_effort("clusters", recall=0.999) is None and one.least_effort("svd") is None


def test_a_catalogue_that_was_not_searched_exactly_is_left_out(store, put):
    put(**CLUSTERS, probes=4)
    with pytest.raises(ValueError, match="expected runs of search=exact, which the others are measured against, got"):
        catalogues(store)
    put(embedding_dim=64)
    assert [one.embedding_dim for one in catalogues(store)] == [64]


def test_another_index_and_another_machine_are_lines_of_their_own(store, put):
    for device in ("one", "another"):
        put(device=device)
        for cells in ({}, {"num_anchors": 99}, {"num_users": 9}) if device == "one" else ({},):
            put(device=device, **SVD, **cells, num_candidates=10)
    assert sorted(len(one.of("svd")) for one in catalogues(store)) == [1, 3]


def test_two_trainings_of_one_model_are_not_compared_as_one(store, put):
    for training in ("sampled", "expected"):
        put([0] * 50, training=training)
        put([0] * 50, training=training, **SVD, num_candidates=0)
    with pytest.raises(ValueError, match="expected one training of each model, got several of MLP, d=16, svd, rank 8"):
        own_rankings(catalogues(store))


def test_a_first_stage_as_it_is_stands_against_its_own_model(store, put):
    """It puts every item first, where its model of that size puts it last; the other size ranks alike."""
    first, last = [0] * 50, [30] * 50
    for seed in (0, 1):
        put(last, seed=seed)
        put(first, seed=seed, embedding_dim=64)
        for candidates in (0, 10):
            put(first if candidates == 0 else None, seed=seed, **SVD, num_candidates=candidates)
            put(first if candidates == 0 else None, seed=seed, embedding_dim=64, **SVD, num_candidates=candidates)
        put(first, seed=seed, catalogue="drawn", num_items=5000)
        put(first, seed=seed, catalogue="drawn", num_items=5000, **SVD, num_candidates=0)
    tests = own_rankings(catalogues(store))["hit_ratio@10"]
    assert [test.comparison.difference for test in tests] == [1.0, 0.0]
    assert [test.winner for test in tests] == ["svd, rank 8", NO_DIFFERENCE]
