"""python -m experiments.imitate end to end, on networks that learn a dot product in a moment."""

import numpy as np
import pandas as pd
import pytest

from experiments import imitate

pytestmark = pytest.mark.slow  # XLA compiles

TINY = ("num_users=30", "embedding_dim=4", "pairs_per_user=10", "num_fresh=50", "num_epochs=2", "eval_every=1")
GRID = ("grid.seed=0,1", "grid.learning_rate=0.01,1e30", "product=false,true")
ERRORS = ["rmse_test", "rmse_fresh", "rmse_dot_test", "rmse_dot_fresh"]


@pytest.fixture(scope="module")
def run_tiny(finish):
    return lambda *arguments, folder=None: finish(imitate, *TINY, *arguments, folder=folder)


@pytest.fixture(scope="module")
def finished(run_tiny):
    return run_tiny(*GRID)


def test_a_study_ends_in_a_row_per_run_with_its_errors_and_their_curves(finished):
    runs = finished.store.runs()
    assert finished.said.startswith("ncfjax: 2 jobs, 8 runs: 8 to train")
    assert finished.said.splitlines()[-1] == (
        f"ncfjax: results in {finished.store.folder}/: runs.csv (8 rows, 4 diverged), curves.csv"
    )
    assert set(runs["product"]) == {"", "true"} and set(runs["layers"]) == {"8-4-2"} and set(runs["seed"]) == {0, 1}
    sound = runs[runs["learning_rate"] < 1]
    assert sound["status"].eq("completed").all() and sound["train_seconds"].gt(0).all()
    assert sound["rmse_dot_fresh"].between(0.5, 1.2).all() and sound["rmse_trivial_test"].between(0.7, 1.6).all()
    assert set(sound["parameters"]) == {8 * 8 + 8 + 8 * 4 + 4 + 4 * 2 + 2 + 3, 12 * 8 + 8 + 8 * 4 + 4 + 4 * 2 + 2 + 3}
    curves = finished.store.curves()
    last = curves[curves["epoch"] == 2].pivot(index="run_id", columns="metric", values="value")
    pd.testing.assert_frame_equal(last[ERRORS], sound.set_index("run_id")[ERRORS].sort_index(), check_names=False)
    assert set(curves["epoch"]) == {1, 2} and not list(finished.store.folder.rglob("*.npz"))


def test_a_diverged_run_has_no_errors(finished):
    runs = finished.store.runs()
    assert runs[runs["learning_rate"] > 1]["status"].eq("diverged").all()
    assert runs[runs["learning_rate"] > 1][ERRORS].isna().all(axis=None)


def test_a_study_closes_with_the_cells_of_figure_3(finished):
    from experiments.analysis.figure3 import gap_cells
    from experiments.figures.figure3 import gap_table

    assert gap_table(gap_cells(finished.store.runs())) in finished.said


def test_a_second_time_there_is_nothing_to_do(finished, run_tiny):
    table = (finished.store.folder / "runs.csv").read_bytes()
    again = run_tiny(*GRID, folder=finished.store.folder.parent)
    assert again.said.startswith("ncfjax: 2 jobs, 8 runs: all done before")
    assert again.said.splitlines()[1:] == finished.said.splitlines()[1:]
    assert (finished.store.folder / "runs.csv").read_bytes() == table and again.num_compiles == 0


def test_what_is_missing_is_trained_to_what_is_trained_at_once(run_tiny, tmp_path, without_clocks):
    run_tiny("grid.seed=1", folder=tmp_path)
    rest = run_tiny("grid.seed=0,1", folder=tmp_path)
    assert "2 runs: 1 to train, 1 done before" in rest.said
    pd.testing.assert_frame_equal(without_clocks(rest.store), without_clocks(run_tiny("grid.seed=0,1").store))


def test_a_dry_run_tries_each_network_on_few_pairs_and_writes_nothing(run_tiny, tmp_path):
    said = run_tiny("num_users=30,40", "grid.seed=0,1", "dry_run=true", folder=tmp_path / "results").said
    assert "2 jobs, 4 runs: 4 to train" in said and "2 shapes to compile, about" in said
    assert said.count("B, about ") == 2
    assert not (tmp_path / "results").exists()


def test_layers_that_are_not_the_studys_have_no_width_multiplier(run_tiny):
    (row,) = run_tiny("layers=[6,3]", "num_epochs=1").store.runs().to_dict("records")
    assert pd.isna(row["width_multiplier"]) and row["layers"] == "6-3" and np.isfinite(row["rmse_fresh"])
