"""python -m experiments.sweep end to end, on synthetic data that trains in a moment."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.config import CONF
from ncfjax.evaluation.metrics import hit_ratio, ndcg
from ncfjax.store import Store
from ncfjax.training.blocks import count_compiles

Run = Callable[..., int]
ROOT = CONF.parent
# What differs between two runs of the same command.
CLOCKS = ["train_seconds", "compile_seconds", "started_at", "command", "commit"]
METRICS = ["hit_ratio@10", "ndcg@10", "mrr", "full_hit_ratio@10", "full_ndcg@10", "full_mrr"]


def runs_of(results: Path, name: str = "sweep") -> pd.DataFrame:
    return Store(results / name).runs()


def without_clocks(results: Path) -> pd.DataFrame:
    return runs_of(results).drop(columns=CLOCKS).sort_values("run_id", ignore_index=True)


def trained(results: Path) -> pd.DataFrame:
    runs = runs_of(results)
    return runs[runs["model"] == "dot"]


def test_a_sweep_ends_in_tables_a_figure_and_a_summary(run_sweep: Run, tiny: tuple[str, ...], results: Path, capfd):
    compiled = count_compiles()
    lists = ("grid.seed=0,1", "grid.learning_rate=0.01,0.1", "model.embedding_dim=3,4")
    assert run_sweep(*tiny, f"results_dir={results}", *lists) == 0
    said = capfd.readouterr().out

    runs = trained(results)
    assert len(runs) == 8 and set(runs["status"]) == {"completed"}
    assert count_compiles() - compiled == 2 * 3  # draw, train, rank: once per job, not per run
    assert set(zip(runs["embedding_dim"], runs["learning_rate"], runs["seed"], strict=True)) == {
        (dim, rate, seed) for dim in (3, 4) for rate in (0.01, 0.1) for seed in (0, 1)
    }
    assert (runs["train_seconds"] > 0).all() and set(runs["num_epochs"]) == {3} and set(runs["split"]) == {"test"}
    assert sorted(runs_of(results)["model"].unique()) == ["dot", "oracle", "popularity"]

    curves = Store(results / "sweep").curves()
    assert len(curves) == 8 * 2 * len(METRICS) and set(curves["epoch"]) == {2, 3}
    last = curves[curves["epoch"] == 3].pivot(index="run_id", columns="metric", values="value")
    pd.testing.assert_frame_equal(last[METRICS], runs.set_index("run_id")[METRICS].sort_index(), check_names=False)

    for row in runs_of(results).to_dict("records"):
        sampled, full = (
            Store(results / "sweep").ranks(row["run_id"])[name].astype(int) for name in ("sampled", "full")
        )
        assert len(sampled) == len(full) == 30
        assert hit_ratio(sampled, 10) == row["hit_ratio@10"] and ndcg(full, 10) == row["full_ndcg@10"]

    lines = said.splitlines()
    assert lines[0].startswith("ncfjax: 2 jobs, 8 runs: 8 to train")
    assert "oracle" in said and "popularity" in said and str(results / "sweep") in lines[-1]
    assert (results / "sweep" / "figures" / "figure2.png").stat().st_size > 0


def test_a_second_time_there_is_nothing_to_do(run_tiny: Run, results: Path, capfd):
    run_tiny(results)
    first, table = capfd.readouterr().out, (results / "sweep" / "runs.csv").read_bytes()
    compiled = count_compiles()
    assert run_tiny(results) == 0
    second = capfd.readouterr().out
    assert second.splitlines()[0].startswith("ncfjax: 1 job, 1 run: all done before")
    assert second.splitlines()[1:] == first.splitlines()[1:]
    assert (results / "sweep" / "runs.csv").read_bytes() == table and count_compiles() == compiled


def test_only_what_is_missing_is_trained(run_tiny: Run, results: Path, capfd):
    run_tiny(results, "grid.seed=1")
    before = trained(results)
    assert run_tiny(results, "grid.seed=0,1") == 0
    assert "2 runs: 1 to train, 1 done before" in capfd.readouterr().out
    after = trained(results)
    assert sorted(after["seed"]) == [0, 1]
    pd.testing.assert_frame_equal(after.iloc[:1], before)


def test_a_diverging_run_is_a_row_and_its_neighbour_does_not_notice(
    run_tiny: Run, results: Path, tmp_path: Path, capfd
):
    assert run_tiny(results, "grid.learning_rate=0.01,1e30") == 0
    assert "diverged" in capfd.readouterr().out
    rows = trained(results).set_index("learning_rate")
    assert rows.loc[1e30, "status"] == "diverged" and rows.loc[1e30, METRICS].isna().all()
    assert rows.loc[0.01, "status"] == "completed"
    run_tiny(tmp_path / "alone")
    alone = trained(tmp_path / "alone").iloc[0]
    assert alone["run_id"] == rows.loc[0.01, "run_id"]
    np.testing.assert_allclose(rows.loc[0.01, METRICS].astype(float), alone[METRICS].astype(float))


def test_the_oracle_is_ahead_of_popularity(run_tiny: Run, results: Path):
    run_tiny(results, "dataset.synthetic.num_users=400")
    scores = runs_of(results).set_index("model")["ndcg@10"]
    assert scores["oracle"] > 1.2 * scores["popularity"]


def test_blocks_that_fit_a_small_memory_give_the_same_table(run_tiny: Run, results: Path, tmp_path: Path):
    run_tiny(results, "grid.learning_rate=0.01,0.02")
    assert run_tiny(tmp_path / "small", "grid.learning_rate=0.01,0.02", "memory_gb=0.00004") == 0
    assert trained(results)["train_seconds"].nunique() == 1 < trained(tmp_path / "small")["train_seconds"].nunique()
    pd.testing.assert_frame_equal(without_clocks(tmp_path / "small"), without_clocks(results))


def test_jobs_run_by_joblib_give_the_same_table(run_tiny: Run, results: Path, tmp_path: Path):
    run_tiny(results, "model.embedding_dim=3,4")
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert run_tiny(tmp_path / "joblib", "model.embedding_dim=3,4", *joblib) == 0
    pd.testing.assert_frame_equal(without_clocks(tmp_path / "joblib"), without_clocks(results))
    (command,) = trained(tmp_path / "joblib")["command"].unique()
    assert command.startswith("python -m experiments.sweep ") and command.endswith(" ".join(joblib))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.embeding_dim=16"], "model.embeding_dim: no such key, did you mean model.embedding_dim?"),
        (["+model.depth=3"], "model.depth: no such key"),
        (["foo=1", "model.embedding_dim=8,16"], "foo: no such key"),
        (["model=dott"], "model=dott: no such model, did you mean dot?"),
        (["objective=expected,smapled"], "objective=smapled: no such objective, did you mean sampled?"),
        (["dataset=ml1m"], "did you mean ml-1m?"),
        (["+study=figure2"], "did you mean figure2_ml-1m?"),
        (["study=mine"], "study.name=NAME chooses the folder"),
        (["phase=final"], "phase: set by tune=true"),
        (["grid.learning_rate=-1"], "grid.learning_rate: expected numbers > 0, got -1"),
        (["grid.seed=a"], "grid.seed: expected integers"),
        (["grid.seed=0,0"], "grid.seed: expected each value once"),
        (["num_epochs=0"], "num_epochs: expected an integer >= 1"),
        (["num_epochs=many"], "'many'"),
        (["num_epochs=4,0"], "num_epochs: expected an integer >= 1"),
        (["model.embedding_dim=1"], "model.embedding_dim: expected an integer >= 2"),
        (["hydra/launcher=joblibb"], "joblib"),
        (["num_epochs"], "num_epochs"),
        (["dataset.synthetic.num_items=10"], "dataset=synthetic: synthetic.num_items"),
        (["memory_gb=1e-9"], "memory: expected at least"),
        (["memory_gb=1e-9", "dry_run=true"], "memory: expected at least"),
        (["dataset.synthetic.num_items=10", "dry_run=true"], "dataset=synthetic: synthetic.num_items"),
        (["hydra.mode=RUN", "tune=true"], "hydra.mode: expected MULTIRUN"),
    ],
)
def test_a_wrong_command_is_refused_in_one_message_and_nothing_is_written(
    arguments: list[str], message: str, run_tiny: Run, results: Path, capfd
):
    assert run_tiny(results, *arguments) == 2
    said = capfd.readouterr().err
    assert message in said and "Traceback" not in said and said.startswith("ncfjax: ")
    assert not results.exists()


def test_a_folder_that_cannot_be_written_ends_the_sweep_before_training(run_tiny: Run, results: Path, capfd):
    results.write_text("in the way")
    compiled = count_compiles()
    assert run_tiny(results) == 1
    said = capfd.readouterr().err
    assert str(results / "sweep") in said and "Traceback" not in said
    assert count_compiles() == compiled


def test_a_dry_run_tells_and_writes_nothing(run_tiny: Run, results: Path, capfd):
    assert run_tiny(results, "model.embedding_dim=3,4", "grid.seed=0,1", "dry_run=true") == 0
    said = capfd.readouterr().out
    assert "2 jobs, 4 runs: 4 to train" in said and "2 shapes to compile" in said and " GB" in said
    assert not results.exists()


def test_a_dry_run_counts_what_is_done(run_tiny: Run, results: Path, capfd):
    run_tiny(results)
    table = (results / "sweep" / "runs.csv").read_bytes()
    run_tiny(results, "grid.seed=0,1", "dry_run=true")
    assert "1 to train, 1 done before" in capfd.readouterr().out
    assert (results / "sweep" / "runs.csv").read_bytes() == table


def test_help_and_cfg_tell_what_can_be_set(run_sweep: Run, capfd):
    assert run_sweep("--help") == 0
    said = capfd.readouterr().out
    assert "embedding_dim: 16" in said and "figure2_ml-1m" in said and said.count("python -m experiments.sweep") >= 5
    assert run_sweep("--cfg", "job", "model.embedding_dim=48") == 0
    assert "embedding_dim: 48" in capfd.readouterr().out


def test_a_killed_sweep_goes_on_where_it_stopped(
    run_tiny: Run, results: Path, tmp_path: Path, tiny: tuple[str, ...], start, wait_for
):
    process = start("experiments.sweep", *tiny, f"results_dir={results}", "model.embedding_dim=4,5")
    wait_for(process, lambda: not trained(results).empty)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert run_tiny(results, "model.embedding_dim=4,5") == 0
    run_tiny(tmp_path / "whole", "model.embedding_dim=4,5")
    pd.testing.assert_frame_equal(without_clocks(results), without_clocks(tmp_path / "whole"))


def test_interrupting_says_how_to_continue(results: Path, tiny: tuple[str, ...], start, wait_for):
    process = start("experiments.sweep", *tiny, "num_epochs=1000000", f"results_dir={results}")
    wait_for(process, lambda: len(runs_of(results)) == 2)  # popularity and the oracle: training comes next
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and "the same command continues" in said and "Traceback" not in said
    assert said.startswith("ncfjax: 1 job, 1 run")
