"""save_models=true of the three commands: every method's model, loaded, gives the numbers of its row."""

import gzip
import json
from dataclasses import asdict
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import baselines, imitate, ratings, sweep
from experiments.tasks.rating.config import FACTORIZATIONS, METHOD
from ncfjax.baselines.methods import METHODS
from ncfjax.data.catalog import load
from ncfjax.data.rating_splits import random_fold
from ncfjax.data.synthetic import SyntheticOptions
from ncfjax.data.synthetic_ratings import make_synthetic_ratings
from ncfjax.evaluation.ranking import ranks_of
from ncfjax.evaluation.regression import rmse
from ncfjax.ratings.worked_example import MOVIES, USERS
from ncfjax.recommend.recommenders import Recommenders
from ncfjax.recommend.request import Request
from ncfjax.saved import load_model

pytestmark = pytest.mark.slow  # XLA compiles

SIZES = {"num_users": 30, "num_items": 60, "interactions_per_user": 5}
SMALL = ("dataset.num_users=60", "dataset.num_items=40", "dataset.ratings_per_user=15")


def models(store):
    """row -> its saved model, of all rows."""
    return [(row, load_model(store.folder / "models" / row["run_id"])) for row in store.runs().to_dict("records")]


@pytest.fixture(scope="module")
def data():
    return load("synthetic", num_negatives=20, synthetic=SyntheticOptions(**asdict(SyntheticOptions()) | SIZES))


def check_ranked(store, row, saved, data):
    for protocol, ranks in ranks_of(saved.model, data)._asdict().items():
        np.testing.assert_array_equal(ranks, store.ranks(row["run_id"])[protocol])
    assert (
        saved.method == row["model"] and saved.run["ndcg@10"] == row["ndcg@10"] and saved.run["run_id"] == row["run_id"]
    )
    for user in range(data.train.num_users):
        assert set(saved.data.history(user)) == set(data.train.items[data.train.users == user])


def test_each_seed_of_a_similarity_ranks_as_its_row_says(finish, tiny, data):
    """Every similarity comes back to the bit in tests/saved."""
    names = "dot,neumf"
    finished = finish(
        sweep, *tiny, f"model={names}", "model.embedding_dim=12", "grid.seed=[0,1]", "save_models=true"
    )  # fmt: skip
    trained = finished.store.runs()["run_id"][finished.store.runs()["model"].isin(names.split(","))]
    assert {path.name for path in (finished.store.folder / "models").glob("[!.]*")} == set(trained)
    assert len(trained) == 4
    for row in finished.store.runs().to_dict("records"):
        if row["run_id"] in set(trained):
            saved = load_model(finished.store.folder / "models" / row["run_id"])
            assert saved.kind == "recommender"
            check_ranked(finished.store, row, saved, data)


def test_a_pretrained_neumf_is_saved(finish, tiny, data):
    finished = finish(
        sweep, *tiny, "model=neumf", "model.embedding_dim=12", "pretraining=trained", "pretraining.num_epochs=2",
        "save_models=true",
    )  # fmt: skip
    (row,) = [row for row in finished.store.runs().to_dict("records") if row["model"] == "neumf"]
    check_ranked(finished.store, row, load_model(finished.store.folder / "models" / row["run_id"]), data)


def test_the_best_epoch_on_test_is_not_what_would_be_saved(run_sweep, tiny, results, capsys):
    assert run_sweep(*tiny, "select_epoch=test", "save_models=true", f"results_dir={results}") == 2
    assert "save_models: expected false, as select_epoch=test" in capsys.readouterr().err


def test_every_baseline_ranks_as_its_row_says(finish, tiny_data, data):
    others = [name for name in METHODS if name != "user_knn"]  # of 30 users, nobody has its 50 neighbours
    finished = finish(baselines, *tiny_data, f"baseline={','.join(others)}", "save_models=true")
    few = ("baseline=user_knn", "grid.num_neighbors=20", "save_models=true")
    finish(baselines, *tiny_data, *few, folder=finished.store.folder.parent)
    assert [row["model"] for row, _ in models(finished.store)] == [*others, "user_knn"]
    for row, saved in models(finished.store):
        assert saved.kind == "baseline"
        check_ranked(finished.store, row, saved, data)


@pytest.fixture(scope="module")
def rated(finish):
    by_turns = [name for name in FACTORIZATIONS if name != "hybrid"]
    simple = [name for name in METHOD.options if name not in (*FACTORIZATIONS, "gradient", "content_based")]
    few = ("method.num_epochs=3", "eval_every=3")
    finished = finish(ratings, *SMALL, f"method={','.join(simple)}", "save_models=true")
    for more in (
        (f"method={','.join(by_turns)}", "method.embedding_dim=4", *few),
        ("method=gradient", "model=dot,neumf", "model.embedding_dim=12", *few),
    ):
        finish(ratings, *SMALL, *more, "save_models=true", folder=finished.store.folder.parent)
    return finished.store


def test_every_method_for_ratings_predicts_as_its_row_says(rated):
    split = random_fold(make_synthetic_ratings(60, 40, 15, 4, seed=0), fold=1, num_folds=5, seed=0)
    names = {row["model"] for row, _ in models(rated)}
    assert names == {*METHOD.options, "dot", "neumf"} - {"gradient", "content_based", "hybrid"}
    for row, saved in models(rated):
        assert saved.kind == "rating" and saved.method == row["model"] and saved.data.scale == split.train.scale
        test, scale = split.test, split.test.scale
        assert rmse(scale.clip(saved.score(test.users, test.items)), test.values) == pytest.approx(
            row["rmse"], abs=1e-6
        )
        everything = saved.score_all(np.arange(60))
        np.testing.assert_allclose(everything[test.users, test.items], saved.score(test.users, test.items), atol=1e-4)


def test_ratings_by_features_are_saved_with_the_names_of_the_example(finish, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ratings, "ENTRY", ratings.ENTRY._replace(draw=None))
    table = ("dataset=worked-example", "folds=share", "folds.share=0.1", "method.features=genres", "save_models=true")
    finished = finish(ratings, *table, "method=content_based")
    small = ("method=hybrid", "method.embedding_dim=2", "method.num_epochs=1")
    finish(ratings, *table, *small, folder=finished.store.folder.parent)
    for row, saved in models(finished.store):
        assert saved.method == row["model"] and tuple(saved.data.user_ids) == USERS
        assert tuple(saved.data.item_ids) == MOVIES
    assert len(finished.store.runs()) == 2


def test_titles_are_saved_where_a_file_has_them(finish, tmp_path: Path, tiny):
    rng, lines = np.random.default_rng(0), []
    for user in range(30):
        for time, item in enumerate(rng.permutation(60)[:6]):
            lines.append(f"{user + 1}::{100 + item}::{1 + item % 5}::{time}")
    (tmp_path / "ratings.dat").write_text("\n".join(lines))
    movies = "\n".join(f"{100 + item}::Title {item} (1999)::Comedy|Drama" for item in range(60))
    (tmp_path / "movies.dat.gz").write_bytes(gzip.compress(movies.encode()))
    own = [argument for argument in tiny if not argument.startswith("dataset.")]
    finished = finish(
        sweep, *own, "dataset=ml-1m-ratings", "dataset.num_negatives=20", f"data_dir={tmp_path}", "save_models=true"
    )
    (row,) = [row for row in finished.store.runs().to_dict("records") if row["model"] == "dot"]
    folder = finished.store.folder / "models" / row["run_id"]
    for path in tmp_path.iterdir():
        if path.is_file():
            path.unlink()  # what was trained on is not needed any more
    data = load_model(folder).data
    assert data.user_ids.tolist() == list(range(1, 31))
    expected = [f"Title {item - 100} (1999)" for item in data.item_ids]
    assert list(data.movies.titles) == expected and set(data.movies.genres) == {"Comedy", "Drama"}
    assert json.loads((folder / "model.json").read_text())["data"]["movies"] == "movies.dat.gz"


def test_a_bad_file_of_titles_ends_the_command_before_anything_is_trained(run_sweep, tmp_path, tiny, results, capsys):
    lines = [f"{user}::{item}::5::{time}" for user in range(9) for time, item in enumerate((user, user + 1, user + 2))]
    (tmp_path / "ratings.dat").write_text("\n".join(lines))
    (tmp_path / "movies.dat").write_text("1::Heat\n")
    own = [argument for argument in tiny if not argument.startswith("dataset.")]
    arguments = ("dataset=ml-1m-ratings", "dataset.num_negatives=2", f"data_dir={tmp_path}", f"results_dir={results}")
    assert run_sweep(*own, *arguments, "save_models=true") == 2
    assert "movies.dat:1: expected 3 fields" in capsys.readouterr().err and not results.exists()


def test_networks_that_imitate_are_not_saved(run_entry, results, capsys):
    assert run_entry(imitate, "save_models=true", f"results_dir={results}") == 2
    assert "save_models: no such key" in capsys.readouterr().err


def test_a_member_of_a_grid_is_its_own_model(finish, tiny, data):
    """Padded groups, several devices: each folder holds the model of its own seed and rate."""
    arguments = (*tiny, "grid.seed=[0,1,2]", "grid.learning_rate=[0.01,0.02]", "save_models=true")
    finished = finish(sweep, *arguments)
    rows = [row for row in finished.store.runs().to_dict("records") if row["model"] == "dot"]
    assert len(rows) == 6
    tables = []
    for row in rows:
        saved = load_model(finished.store.folder / "models" / row["run_id"])
        check_ranked(finished.store, row, saved, data)
        tables.append(np.asarray(saved.model.user[...]))
    assert all(not np.array_equal(a, b) for i, a in enumerate(tables) for b in tables[:i])
    assert jax.device_count() >= 1


def test_a_model_of_ids_with_gaps_has_rows_for_those_that_occur_and_keeps_their_names(finish, tmp_path):
    """Among them one of 200,000,000."""
    (tmp_path / "gaps.train.rating").write_text("5\t10\t1\n5\t200000000\t1\n15\t10\t1\n15\t30\t1\n")
    (tmp_path / "gaps.test.rating").write_text("5\t30\t1\n15\t20\t1\n")
    arguments = ("dataset=ncf", f"dataset.prefix={tmp_path / 'gaps'}", "dataset.num_negatives=1")
    ((row, saved),) = models(finish(baselines, *arguments, "baseline=popularity", "save_models=true").store)
    assert row["parameters"] == 4 and saved.data.user_ids.tolist() == [5, 15]
    assert saved.data.item_ids.tolist() == [10, 20, 30, 200_000_000]
    answer = Recommenders([saved]).recommend(Request.of({"users": [15], "k": 2}))
    assert [item.item for item in answer.users[0].recommendations] == [200_000_000, 20]
    assert "199999997 of the item ids 0 to 200000000 never occur" in row["note"]
