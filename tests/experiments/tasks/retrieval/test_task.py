"""Retrieval end to end: models that are searched by every method, on small data."""

import numpy as np
import pandas as pd
import pytest

from experiments import retrieval, sweep
from experiments.analysis.runs import Runs
from ncfjax.evaluation.metrics import hit_ratio
from ncfjax.retrieval import distillation

pytestmark = pytest.mark.slow  # XLA compiles

TINY = ("source.embedding_dim=4", "source.num_epochs=10", "source.learning_rate=0.05")
SEARCHES = {
    "exact": (),
    "pairs": (),
    "clusters": ("search.num_clusters=6", "grid.probes=[1,6]"),
    "svd": ("search.rank=4", "grid.num_candidates=[0,12,60]"),
    "cur": ("search.rank=4", "search.num_users=8", "search.num_anchors=20", "grid.num_candidates=60"),
    "distill_ranking": ("search.rank=4", "search.num_rounds=2", "grid.num_candidates=60"),
}
TIMES = ["milliseconds_per_query", "milliseconds_per_new_query", "queries_per_second", "build_seconds"]


@pytest.fixture(scope="module")
def run(finish, tiny_data):
    return lambda *arguments, source=TINY, folder=None: finish(
        retrieval, *tiny_data, *source, *arguments, folder=folder
    )


@pytest.fixture(scope="module")
def rows(run, tmp_path_factory) -> pd.DataFrame:
    """Of an MLP, by every method for any similarity."""
    folder = tmp_path_factory.mktemp("retrieval") / "results"
    with pytest.MonkeyPatch.context() as patch:
        for name, size in {"WIDTH": 32, "USERS": 64, "STEPS": 4}.items():  # of a network that takes a moment
            patch.setattr(distillation, name, size)
        for name, given in SEARCHES.items():
            finished = run(f"search={name}", "source.model=mlp", *given, folder=folder)
    return finished.store.runs().assign(store=finished.store)


def of(rows: pd.DataFrame, **cells) -> pd.Series:
    for column, value in cells.items():
        rows = rows[rows[column] == value]
    (row,) = rows.to_dict("records")
    return row


def test_what_scores_everything_finds_everything(rows):
    whole = rows[(rows["method"] == "exact") | (rows["method"] == "pairs") | (rows["probes"] == 6)]
    assert len(whole) == 3 and whole["recall@10"].eq(1.0).all()
    assert rows[rows["num_candidates"] == 60]["recall@10"].eq(1.0).all() and (rows["num_candidates"] == 60).sum() == 3


def test_a_catalogue_that_is_cut_for_devices_is_searched_as_a_whole_one(rows, run):
    (spread,) = run("search=exact", "search.num_devices=1", "source.model=mlp").store.runs().to_dict("records")
    whole = of(rows, method="exact")
    same = ["recall@10", "full_hit_ratio@10", "full_ndcg@10", "hit_ratio@10", "share_scored"]
    assert [spread[name] for name in same] == [whole[name] for name in same]
    assert spread["num_devices"] == 1 and spread["multiplications"] >= whole["multiplications"]


def test_what_scores_less_finds_less_and_says_how_much_it_scores(rows):
    some, all_lists = of(rows, probes=1), of(rows, probes=6)
    assert 0.0 < some["recall@10"] < 1.0 and some["share_scored"] < all_lists["share_scored"] == pytest.approx(66 / 60)
    counted = [of(rows, method="svd", num_candidates=n)["share_scored"] for n in (0, 12, 60)]
    assert counted == pytest.approx([0.0, 0.2, 1.0])


def test_multiplications_are_those_of_the_scores_and_of_the_first_stage(rows):
    """Layers [8, 4, 2]: a pair costs 8 * 4 + 4 * 2 + 2. Of its first layer, the user's half is computed once per query,
    and the item's half, where an index holds it, never.
    """
    assert of(rows, method="pairs")["multiplications"] == 60 * (8 * 4 + 4 * 2 + 2)
    assert of(rows, method="exact")["multiplications"] == 4 * 4 + 60 * (4 * 2 + 2)
    assert of(rows, method="svd", num_candidates=12)["multiplications"] == 60 * 4 + 4 * 4 + 12 * (4 * 4 + 4 * 2 + 2)


def test_the_model_and_a_first_stage_alone_rank_the_held_out_items(rows):
    store = rows["store"].iloc[0]
    with_ranks = rows[rows["hit_ratio@10"].notna()]
    assert set(zip(with_ranks["method"], with_ranks["num_candidates"].fillna(-1), strict=True)) == {
        ("exact", -1.0),
        ("svd", 0.0),
    }
    for row in with_ranks.to_dict("records"):
        ranks = store.ranks(row["run_id"])
        assert row["hit_ratio@10"] == pytest.approx(float(hit_ratio(ranks["sampled"], 10)))
        assert row["full_hit_ratio@10"] == pytest.approx(float(hit_ratio(ranks["full"], 10)))
    runs = Runs(store, with_ranks)
    assert runs.ranks("sampled").shape == (2, 30)


def test_every_row_says_what_it_took(rows):
    assert rows[TIMES].gt(0).all(axis=None) and rows["memory_bytes"].gt(60 * 4 * 4 - 1).all()
    assert set(rows["catalogue"]) == {"data"} and set(rows["num_items"]) == {60} and set(rows["layers"]) == {"8-4-2"}
    assert set(rows["training"]) == {"trained at once, 10 epochs, learning_rate=0.05"}


def test_a_dot_product_is_searched_by_faiss_too(run):
    pytest.importorskip("faiss")
    finished = run("source.model=gmf", "search=ivf", "search.num_clusters=6", "grid.probes=6", "grid.seed=0,1")
    rows = finished.store.runs()
    assert rows["recall@10"].eq(1.0).all() and len(rows) == 2
    assert rows["multiplications"].eq(66 * 4).all()  # 60 items and 6 means of 4 entries


def test_a_drawn_catalogue_has_no_held_out_items(run):
    row = of(run("source.model=mlp", "search=svd", "search.rank=4", "grid.num_candidates=0", "num_items=200",
                 "num_queries=7").store.runs())  # fmt: skip
    assert (row["catalogue"], row["num_items"], row["num_queries"]) == ("drawn", 200, 7)
    assert np.isnan(row["hit_ratio@10"]) and np.isnan(row["full_ndcg@10"]) and 0 < row["recall@10"] <= 1


def test_saved_models_are_searched_and_those_of_other_data_refused(run, finish, tiny, tmp_path, capsys):
    """And what was measured is not measured again."""
    trained = finish(sweep, *tiny, "save_models=true", "grid.seed=0,1", folder=tmp_path / "results").store
    study = ("source=study", f"source.folder={trained.folder}", "source.embedding_dim=4")
    first = run("grid.seed=0,1", source=study, folder=tmp_path / "searched")
    rows, models = first.store.runs(), trained.runs().set_index("run_id")
    for row in rows.to_dict("records"):
        model = models.loc[row["trained_run"]]
        assert row["ndcg@10"] == model["ndcg@10"] and row["seed"] == model["seed"]
        assert row["training"].startswith("objective=expected, num_negatives=8, negative_weight=1.0, optimizer=sgd")
    assert "2 runs: all done before" in run("grid.seed=0,1", source=study, folder=tmp_path / "searched").said
    with pytest.raises(SystemExit):
        run("dataset.synthetic.seed=9", source=study, folder=tmp_path / "other")
    assert "expected a model of synthetic, got one of other data" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
