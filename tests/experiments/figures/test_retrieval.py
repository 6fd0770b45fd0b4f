"""What the report says of retrieval: shares, ratios, words."""

import numpy as np
import pytest

from experiments.analysis.retrieval import catalogues
from experiments.entries import columns
from experiments.figures import retrieval, retrieval_scale
from experiments.figures.panels import render
from ncfjax.store import Store

MODEL = {
    "dataset": "ml-1m", "negatives": "file", "num_queries": 50, "training": "sampled", "seed": 0, "recall@10": 1.0,
    "share_scored": 1.0, "milliseconds_per_new_query": 9.0, "queries_per_second": 10.0, "build_seconds": 0.1,
    "memory_bytes": 1000, "hit_ratio@10": 0.7, "ndcg@10": 0.4, "full_hit_ratio@10": 0.1,
}  # fmt: skip


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path, columns()["retrieval"])


@pytest.fixture
def put(store, make_row):
    def put(method, milliseconds, multiplications=100.0, ranks=None, **cells):
        cost = {"method": method, "milliseconds_per_query": milliseconds, "multiplications": multiplications}
        arrays = {} if ranks is None else {"sampled": np.asarray(ranks), "full": np.asarray(ranks)}
        store.append(make_row("retrieval", **MODEL | cost | cells), [], arrays)

    return put


@pytest.fixture
def searched(store, put):
    """An MLP over 1,000 items: the first stage alone puts every held-out item last."""
    known = {"model": "mlp", "embedding_dim": 16, "layers": "32-16-8", "catalogue": "data", "num_items": 1000}
    for seed in (0, 1):
        put("exact", 4.0, 5000.0, [0] * 50, seed=seed, **known)
        put("pairs", 8.0, 20_000.0, seed=seed, **known | {"hit_ratio@10": np.nan})
        for candidates, recall in ((0, 0.5), (10, 0.97 + 0.01 * seed), (30, 0.995), (31, 1.0)):
            ranks = [40] * 50 if candidates == 0 else None
            put("svd", 0.5, ranks=ranks, seed=seed, rank=8, num_candidates=candidates, share_scored=candidates / 1000,
                **known | {"recall@10": recall})  # fmt: skip
        put("clusters", 1.0, seed=seed, num_clusters=9, probes=1, **known | {"recall@10": 0.3, "share_scored": 0.1})
    return retrieval.retrieval(catalogues(store))


def test_the_tables_and_the_answer_say_what_one_and_three_percent_find(searched):
    text = retrieval.tables(searched)
    assert "| MLP | 16 | 32-16-8 | 2 | 0.7000 | 0.4000 | 20,000 | 5,000 | 8.00 | 4.00 | 10 |" in text
    assert "| model, model | 0.9750 | 0.9950 | 0.9950 | 0.50 | 9.00 | 8.0 |" in text
    assert "| MLP | 16 | clusters: 1 list | 0.300 | 0.100 | 0.1000 | 1.00 | 4.0 | 0.1 | 0.0 |" in text
    answer = retrieval.answer(searched)
    assert (
        "3% of the items re-ranked, at least 0.995" in answer and "1% of the items re-ranked, at least 0.970" in answer
    )
    assert "not told apart from its model in 0 of 1 cases, worse in 1 and better in 0" in answer


def test_its_figure_is_drawn(searched):
    assert set(render(lambda: retrieval.draw(searched))) == {".png", ".svg"}


@pytest.fixture
def sizes(store, put):
    for num_items in (10_000, 100_000):
        known = {"catalogue": "drawn", "num_items": num_items, "embedding_dim": 16}
        put("exact", num_items / 1e5, 16.0 * num_items, **known, model="dot")
        put("exact", num_items / 1e4, 80.0 * num_items, **known, model="mlp", layers="32-16-8")
        put("pairs", num_items / 5e3, 640.0 * num_items, **known, model="mlp", layers="32-16-8")
        put("cur", 0.5, **known | {"recall@10": 0.97}, model="mlp", layers="32-16-8", rank=8, num_candidates=100)
    report = {"catalogue": "drawn", "num_items": 1000, "embedding_dim": 100}
    put("exact", 1.0, 99_000.0, **report, model="dot")
    put("pairs", 2.0, 99_000.0, **report, model="dot")
    put("exact", 20.0, 2_575_000.0, **report, model="neumf", layers="100-100-25")
    put("pairs", 60.0, 12_625_000.0, **report, model="neumf", layers="100-100-25")
    return catalogues(store)


def test_cost_is_set_against_the_dot_product_of_the_same_size_over_as_many_items(sizes):
    text = retrieval_scale.tables(sizes)
    costs = "| MLP | 16 | 100,000 | 64,000,000 | 8,000,000 | 20 | 10 | 5.0 | 10.0 "
    assert costs + "| CUR, rank 8: 100 candidates | 0.970 | 0.5 |" in text
    assert "| MF | 16 | 100,000 |  | 1,600,000 |  | 1 |  |  | none finds 95% |" in text
    answer = retrieval_scale.answer(sizes)
    assert "at d=16 10 times the dot product's time, 5 counted (pair by pair 20, 40 counted)" in answer


def test_the_internship_reports_pair_is_counted_and_measured_by_score_and_by_query(sizes):
    text = retrieval_scale.tables(sizes)
    assert "| MF | 100 | 99 | 99,000 | 2000.0 | 1.00 |" in text
    assert "| NeuMF | 12,651 | 12,625 | 2,575,000 | 60000.0 | 20.00 |" in text
    assert "| times | 127 | 128 | 26 | 30 | 20 |" in text
    assert "measured are 30 times pair by pair, and 20 times where a query meets the whole catalogue" in (
        retrieval_scale.answer(sizes)
    )


def test_the_figure_of_sizes_is_drawn(sizes):
    assert set(render(lambda: retrieval_scale.draw(sizes))) == {".png", ".svg"}
