"""python -m experiments.sweep end to end, on synthetic data that trains in a moment."""

import numpy as np
import pandas as pd
import pytest

from experiments import sweep
from experiments.analysis.lines import completed, lines, runs_on_test
from ncfjax.evaluation.metrics import hit_ratio, ndcg

pytestmark = pytest.mark.slow  # XLA compiles

METRICS = ["hit_ratio@10", "ndcg@10", "mrr", "full_hit_ratio@10", "full_ndcg@10", "full_mrr"]
GRID = ("grid.seed=0,1", "grid.learning_rate=0.01,0.1,1e30", "model.embedding_dim=3,4")


@pytest.fixture(scope="module")
def run_tiny(finish, tiny):
    """A tiny sweep with further arguments."""
    return lambda *arguments, folder=None: finish(sweep, *tiny, *arguments, folder=folder)


@pytest.fixture(scope="module")
def finished(run_tiny):
    return run_tiny(*GRID)


def trained(store) -> pd.DataFrame:
    runs = store.runs()
    return runs[runs["model"] == "dot"]


def test_a_sweep_ends_in_a_row_per_run_and_compiles_once_per_job(finished):
    runs = trained(finished.store)
    assert finished.num_compiles == 2 * 3, "draw, train, evaluate"
    assert set(zip(runs["embedding_dim"], runs["learning_rate"], runs["seed"], strict=True)) == {
        (dim, rate, seed) for dim in (3, 4) for rate in (0.01, 0.1, 1e30) for seed in (0, 1)
    }
    assert (runs["train_seconds"] > 0).all() and set(runs["num_epochs"]) == {3} and set(runs["split"]) == {"test"}
    assert sorted(finished.store.runs()["model"].unique()) == ["dot", "oracle", "popularity"]
    assert set(runs["parameters"]) == {(30 + 60) * 3 + 1, (30 + 60) * 4 + 1}


def test_the_curves_end_in_the_metrics_of_the_rows_and_the_ranks_give_these(finished):
    store, runs = finished.store, finished.store.runs()
    sound = runs[(runs["model"] == "dot") & (runs["status"] == "completed")]
    curves = store.curves()
    assert len(curves) == 8 * 2 * len(METRICS) and set(curves["epoch"]) == {2, 3}
    last = curves[curves["epoch"] == 3].pivot(index="run_id", columns="metric", values="value")
    pd.testing.assert_frame_equal(last[METRICS], sound.set_index("run_id")[METRICS].sort_index(), check_names=False)
    for row in runs[runs["status"] == "completed"].to_dict("records"):
        ranks = {name: users.astype(int) for name, users in store.ranks(row["run_id"]).items()}
        assert set(ranks) == {"sampled", "full"} and len(ranks["sampled"]) == len(ranks["full"]) == 30
        assert hit_ratio(ranks["sampled"], 10) == row["hit_ratio@10"] and ndcg(ranks["full"], 10) == row["full_ndcg@10"]


def test_a_sweep_says_what_it_does_and_ends_with_a_table_and_a_figure(finished):
    lines, folder = finished.said.splitlines(), finished.store.folder
    assert lines[0] == f"ncfjax: 2 jobs, 12 runs: 12 to train, 0 done before -> {folder}/"
    head = lines[1].split()
    assert head[:3] == ["model", "embedding_dim", "learning_rate"] and head[-2:] == ["seeds", "diverged"]
    assert lines[2].split()[0] == "oracle" and any(line.split()[:1] == ["popularity"] for line in lines)
    assert lines[-1] == f"ncfjax: results in {folder}/: runs.csv (14 rows, 4 diverged), curves.csv, ranks/"
    assert (folder / "figures" / "figure2.png").stat().st_size > 0
    assert f"ncfjax: figure {folder / 'figures' / 'figure2.png'}" in lines


def test_a_second_time_there_is_nothing_to_do(finished, run_tiny):
    table = (finished.store.folder / "runs.csv").read_bytes()
    again = run_tiny(*GRID, folder=finished.store.folder.parent)
    assert again.said.startswith("ncfjax: 2 jobs, 12 runs: all done before -> ")
    assert again.said.splitlines()[1:] == finished.said.splitlines()[1:]
    assert (finished.store.folder / "runs.csv").read_bytes() == table and again.num_compiles == 0


def test_a_diverging_run_is_a_row_and_its_neighbour_does_not_notice(finished, run_tiny):
    rows = trained(finished.store)
    assert rows["status"].eq("diverged").eq(rows["learning_rate"] == 1e30).all()
    assert rows.loc[rows["status"] == "diverged", METRICS].isna().all(axis=None)
    (alone,) = trained(run_tiny().store).to_dict("records")
    (beside,) = rows[rows["run_id"] == alone["run_id"]].to_dict("records")
    np.testing.assert_allclose([beside[name] for name in METRICS], [alone[name] for name in METRICS])


def test_what_is_missing_of_a_grid_is_trained_to_the_bits_of_the_whole_grid(run_tiny, tmp_path, without_clocks):
    """In blocks of another size too: each group is trained as it would have been."""
    grid = ("grid.learning_rate=0.01,0.02", "grid.seed=0,1", "objective.batch_size=8")
    run_tiny(*grid, "grid.seed=1", "memory_gb=0.00005", folder=tmp_path)
    rest = run_tiny(*grid, "memory_gb=0.00005", folder=tmp_path)
    assert "4 runs: 2 to train, 2 done before" in rest.said
    assert trained(rest.store)["train_seconds"].nunique() == 4, "a block for each run"
    whole = run_tiny(*grid)
    pd.testing.assert_frame_equal(without_clocks(rest.store), without_clocks(whole.store))


def test_a_dry_run_tries_what_it_would_train_and_writes_nothing(run_tiny, tmp_path):
    said = run_tiny("model.embedding_dim=3,4", "grid.seed=0,1", "dry_run=true", folder=tmp_path / "results").said
    assert "2 jobs, 4 runs: 4 to train" in said and "2 shapes to compile, about" in said
    assert "job 2, synthetic dot d=4 expected: 2 runs to train in " in said and said.count("B, about ") == 2
    assert not (tmp_path / "results").exists()


def test_an_epoch_chosen_on_test_is_the_best_of_the_curve_and_the_row_says_so(run_tiny):
    store = run_tiny("select_epoch=test", "num_epochs=12", "eval_every=1", "grid.learning_rate=0.3").store
    (row,) = trained(store).to_dict("records")
    curves = store.curves()
    curve = curves[curves["metric"] == "hit_ratio@10"].set_index("epoch")["value"]
    assert row["select_epoch"] == "test" and row["num_epochs"] == 12
    assert row["epoch"] == curve.idxmax() < 12 and row["hit_ratio@10"] == curve.max() > curve.iloc[-1]
    ranks = store.ranks(row["run_id"])["sampled"]
    assert np.mean(ranks < 10) == pytest.approx(row["hit_ratio@10"])


def test_a_tuning_chooses_rates_and_epoch_on_the_holdout_and_scores_the_winner_alone_on_test(run_tiny):
    command = ("tune=true", "select_epoch=holdout", "final_seeds=5,6", "grid.seed=0,1", "grid.learning_rate=0.003,0.1",
               "num_epochs=6")  # fmt: skip
    finished = run_tiny(*command)
    runs, points = trained(finished.store), finished.store.curves()
    final, tune = runs[runs["phase"] == "final"], runs[runs["phase"] == "tune"]
    assert len(tune) == 4 and set(tune["split"]) == {"holdout"} and set(final["split"]) == {"test"}
    on_holdout = points[points["run_id"].isin(tune["run_id"]) & (points["metric"] == "ndcg@10")]
    means = on_holdout.merge(tune[["run_id", "learning_rate"]]).groupby(["learning_rate", "epoch"])["value"].mean()
    rate, epoch = means.idxmax()
    assert final[["learning_rate", "epoch", "num_epochs", "seed"]].to_numpy().tolist() == [
        [rate, epoch, epoch, 5], [rate, epoch, epoch, 6]
    ]  # fmt: skip
    assert set(final["select_epoch"]) == {"holdout"} and f"learning_rate={rate:g}" in finished.said
    assert f", num_epochs={epoch} (validation ndcg@10 " in finished.said


def test_a_finite_but_dead_run_says_so_and_stays_a_seed_of_its_setting(run_tiny):
    """At a learning rate far too high one seed of two ends in scores that are all alike."""
    finished = run_tiny("model=mlp", "model.embedding_dim=4", "grid.learning_rate=1", "grid.seed=0,1")
    runs = finished.store.runs()
    mlps = runs[runs["model"] == "mlp"].set_index("seed")
    assert mlps["status"].eq("completed").all() and mlps["tied"].loc[1] == 1.0
    assert mlps["hit_ratio@10"].loc[0] > 0 == mlps["hit_ratio@10"].loc[1]
    assert mlps["note"].loc[1].endswith("; result: dead, though finite: HR@10 is 0, by chance it is 0.48")
    assert "dead" not in mlps["note"].loc[0] and mlps["note"].loc[0] != mlps["note"].loc[1]
    (row,) = [line.split() for line in finished.said.splitlines() if line.split()[:1] == ["mlp"]]
    assert row[-1] == "2", "one line of two seeds"
    (line,) = lines(completed(runs_on_test(runs)))
    assert len(line.rows) == 2
