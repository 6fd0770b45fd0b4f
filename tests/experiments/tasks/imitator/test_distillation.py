"""Distillation end to end: networks that learn the scores of a recommender, and rank in its place."""

import pytest

from experiments import imitate
from ncfjax.evaluation.metrics import hit_ratio

pytestmark = pytest.mark.slow  # XLA compiles

GRID = ("grid.seed=0,1", "pairs_per_user=5,20", "grid.learning_rate=0.01,1e30")


@pytest.fixture(scope="module")
def run_tiny(finish, distillation):
    return lambda *arguments, folder=None: finish(imitate, *distillation, *arguments, folder=folder)


@pytest.fixture(scope="module")
def finished(run_tiny):
    return run_tiny(*GRID)


@pytest.fixture(scope="module")
def sound(finished):
    runs = finished.store.runs()
    return runs[runs["status"] == "completed"]


def test_a_distillation_ends_in_rows_with_the_ranking_of_both(finished, sound):
    assert finished.said.splitlines()[-1].endswith("runs.csv (8 rows, 4 diverged), curves.csv, ranks/")
    assert set(sound["target"]) == {"recommender"} and set(sound["dataset"]) == {"synthetic"} and len(sound) == 4
    assert (set(sound["num_users"]), set(sound["num_items"]), set(sound["width_multiplier"])) == ({40}, {60}, {1})
    assert sound["rmse_dot_test"].eq(0.0).all() and sound["rmse_fresh"].isna().all() and sound["rmse_test"].gt(0).all()
    for row in sound.to_dict("records"):
        ranks = finished.store.ranks(row["run_id"])
        assert set(ranks) == {"sampled", "full", "dot_sampled", "dot_full"} and len(ranks["full"]) == 40
        for prefix in ("", "dot_"):
            assert row[f"{prefix}hit_ratio@10"] == pytest.approx(float(hit_ratio(ranks[prefix + "sampled"], 10)))


def test_a_seed_has_one_teacher_whatever_the_pairs_and_another_one_than_other_seeds(finished, sound):
    teachers = {
        row["run_id"]: (row["seed"], *finished.store.ranks(row["run_id"])["dot_full"].tolist())
        for row in sound.to_dict("records")
    }
    assert len(set(teachers.values())) == 2 and len({ranks[1:] for ranks in teachers.values()}) == 2


def test_a_row_says_how_its_teacher_was_fitted(sound):
    assert set(sound["teacher"]) == {
        "learning_rate=0.05, regularization=0.005, stddev=0.1, num_negatives=8, batch_size=8, num_epochs=12"
    }


def test_a_diverged_run_has_no_ranking(finished):
    rows = finished.store.runs()
    bad = rows[rows["status"] == "diverged"]
    assert bad["learning_rate"].eq(1e30).all() and len(bad) == 4
    assert bad[["rmse_test", "hit_ratio@10", "dot_hit_ratio@10"]].isna().all(axis=None)
    assert len(list((finished.store.folder / "ranks").glob("*.npz"))) == 4


def test_a_distillation_closes_with_what_is_lost(finished):
    from experiments.analysis.distillation import distilled_cells
    from experiments.figures.distillation import distilled_table

    for line in distilled_table(distilled_cells(finished.store)).splitlines():
        assert line in finished.said


def test_a_second_time_there_is_nothing_to_do(finished, run_tiny):
    again = run_tiny(*GRID, folder=finished.store.folder.parent)
    assert "8 runs: all done before" in again.said and again.num_compiles == 0


def test_a_dry_run_reads_the_data_set_and_fits_no_teacher(run_tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.tasks.imitator.target.teacher_of", None)
    said = run_tiny("dry_run=true", "grid.seed=7", folder=tmp_path / "results").said
    assert "job 1, synthetic d=4 8-4-2: 1 run to train" in said and not (tmp_path / "results").exists()
    assert said.splitlines()[-1].endswith("; not counted: the fits of the teachers and the rankings")


def test_an_imitator_that_holds_the_dot_product_ranks_as_its_recommender_does(run_tiny):
    """A form that is the identity, and the biases in a linear layer, are the recommender: nothing need be lost."""
    long = ("num_epochs=400", "grid.learning_rate=0.01", "batch_size=64", "schedule=cosine")
    network = ("pairs_per_user=60", "bilinear=true", "activation=gelu", "layers=[8]")
    (row,) = run_tiny(*network, *long).store.runs().to_dict("records")
    assert row["rmse_test"] < 0.01 * row["rmse_trivial_test"]
    assert row["hit_ratio@10"] == pytest.approx(row["dot_hit_ratio@10"], abs=0.051) and row["dot_hit_ratio@10"] > 0.6
