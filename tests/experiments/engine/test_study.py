"""A study from its jobs to its table, of a made-up task: whole, stopped, continued, refused."""

import pandas as pd
import pytest

from experiments.engine import device
from experiments.engine.checks import ConfigError
from ncfjax.store import Store
from ncfjax.table import StoreError

GRID = {"size": (1, 2), "grid.rate": [1, 2, 3], "grid.seed": [0, 1]}


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    """As many as `jax.device_count()` says decide how a grid is cut."""
    monkeypatch.setattr("jax.device_count", lambda: 1)


def test_a_study_ends_in_tables_and_a_summary(run, store, results, capfd):
    run(GRID)
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == f"ncfjax: 2 jobs, 12 runs: 12 to train, 0 done before -> {results / 'toy'}/"
    assert lines[1].split() == ["kind", "size", "rate", "Score", "seeds"]
    assert lines[2].split() == ["toy", "1", "3", "92.9950", "2"], "the best first, seeds averaged"
    assert lines[-2].split() == ["zero", "0.0000"], "what no training changes, beside the runs"
    assert lines[-1] == f"ncfjax: results in {results / 'toy'}/: runs.csv (13 rows), curves.csv, ranks/"
    runs, curves = store.runs(), store.curves()
    trained = runs[runs["kind"] == "toy"]
    assert set(zip(trained["size"], trained["rate"], trained["seed"], strict=True)) == {
        (size, rate, seed) for size in (1, 2) for rate in (1, 2, 3) for seed in (0, 1)
    }
    assert set(curves["epoch"]) == {2, 4, 6} and len(curves) == 12 * 3
    assert all(len(store.ranks(row["run_id"])["full"]) == row["size"] for row in trained.to_dict("records"))


def test_every_row_says_where_it_comes_from(run, store):
    run({"study.name": "toy"})
    row = store.runs().iloc[-1]
    assert row["command"] == f"python -m experiments.toy results_dir={store.folder.parent} study.name=toy"
    assert row["study"] == "toy" and row["phase"] == "run" and row["device"] == device.described() and row["started_at"]


def test_the_command_of_a_row_can_be_pasted_into_a_shell(run, store):
    run({"size": 1, "grid.rate": [1, 2]})
    assert store.runs()["command"].iloc[0].endswith(" 'grid.rate=[1, 2]'")


def test_a_second_time_there_is_nothing_to_do(run, store, task, capfd):
    run(GRID)
    first, table = capfd.readouterr().out, (store.folder / "runs.csv").read_bytes()
    task.trained.clear(), task.opened_data.clear()
    run(GRID)
    second = capfd.readouterr().out
    assert second.startswith("ncfjax: 2 jobs, 12 runs: all done before -> ")
    assert second.splitlines()[1:] == first.splitlines()[1:]
    assert (store.folder / "runs.csv").read_bytes() == table and not task.trained and not task.opened_data


def test_only_what_is_missing_is_trained(run, store, task, capfd):
    run({"grid.seed": [1]})
    before = store.runs()
    task.trained.clear()
    run({"grid.seed": [0, 1]})
    assert "2 runs: 1 to train, 1 done before" in capfd.readouterr().out
    assert [member.seed for block in task.trained for member in block.members] == [0]
    pd.testing.assert_frame_equal(store.runs()[: len(before)], before)


class Stopped(Exception):
    """As a kill would."""


@pytest.mark.parametrize("num_stored", [1, 2, 3, 4, 5])
def test_a_stopped_study_continues_to_the_table_of_one_that_was_not(
    num_stored, run, store, task, monkeypatch, tmp_path, without_clocks
):
    """Each run is trained beside the same runs as at first: a group that is partly done is trained whole."""
    grid, append, calls = {"grid.rate": [1, 2, 3], "grid.seed": [0, 1]}, Store.append, iter(range(100))

    def stop(self, *row):
        if next(calls) == num_stored:
            raise Stopped
        return append(self, *row)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "append", stop)
        with pytest.raises(Stopped):
            run(grid)
    run(grid)
    run(grid, folder=tmp_path / "whole")
    whole = Store(tmp_path / "whole" / "toy", task.all_columns)
    pd.testing.assert_frame_equal(without_clocks(store), without_clocks(whole))
    assert set(whole.runs()["beside"]) == {"", "1.0 2.0", "3.0"}


def test_a_diverged_run_is_a_row_without_metrics(run, store, capfd):
    run({"grid.rate": [1, 2000]})
    rows = store.runs().set_index("rate")
    assert rows.loc[2000.0, "status"] == "diverged" and pd.isna(rows.loc[2000.0, "score"])
    assert rows.loc[1.0, "status"] == "completed" and rows.loc[1.0, "score"] > 0
    said = capfd.readouterr().out
    assert "runs.csv (3 rows, 1 diverged)" in said and said.splitlines()[1].split()[-1] == "diverged"
    run({"grid.rate": [1, 2000]})
    assert "all done before" in capfd.readouterr().out


def test_blocks_that_fit_a_small_memory_give_the_same_results(run, store, task, tmp_path):
    grid, compared = {"grid.rate": [1, 2], "grid.seed": [0, 1]}, ["run_id", "score"]
    run(grid)
    assert [len(block.members) for block in task.trained] == [2, 2]
    task.trained.clear()
    run(grid | {"memory_gb": 0.002}, folder=tmp_path / "small")
    assert [len(block.members) for block in task.trained] == [1, 1, 1, 1]
    small = Store(tmp_path / "small" / "toy", task.all_columns).runs()[compared].sort_values("run_id")
    pd.testing.assert_frame_equal(
        small.reset_index(drop=True), store.runs()[compared].sort_values("run_id", ignore_index=True)
    )


def test_rows_of_other_studies_in_the_folder_are_not_in_the_table(run, capfd):
    run({"size": 7})
    capfd.readouterr()
    run({"size": 8})
    table = capfd.readouterr().out.splitlines()[1:-1]
    assert [line.split()[1] for line in table[1:]] == ["8", "0.0000"]


def test_the_figure_and_another_table_take_the_place_of_the_engines_own(run, store, capfd):
    more = {"draw": lambda store: [store.folder / "figure.png"]}
    run({"size": 3}, **more, table=lambda store, ids: f"{len(ids)} runs of mine")
    lines = capfd.readouterr().out.splitlines()
    assert lines[1:3] == ["2 runs of mine", f"ncfjax: figure {store.folder / 'figure.png'}"]


def test_a_data_set_is_read_once_for_all_jobs_that_share_it(run, task):
    """Loaders keep the last one: jobs of one data set are checked one after the other, whatever their order."""
    run({"size": (1, 2), "data": ("a", "b")})
    assert task.opened_data[:4] == ["a", "a", "b", "b"], "checked before the first job is launched"
    assert task.opened_data[4:] == ["a", "b", "a", "b"]


# ---- refusals


def refused(run, error, arguments, **more) -> str:
    with pytest.raises(error) as refusal:
        run(arguments, **more)
    return str(refusal.value)


@pytest.mark.parametrize("dry_run", ["false", "true"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"memory_gb": 1e-9}, "toy of size 1: memory: expected at least 2.00 MB for one member, got 1 bytes"),
        ({"data": ("there", "missing")}, "toy of size 1: data: expected data, got none"),
        ({"size": (1, 2), "grid.rate": ([1], [0])}, "grid.rate: expected a number > 0, got 0"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_trained_or_written(
    arguments, message, dry_run, run, results, task
):
    assert message in refused(run, ConfigError, arguments | {"dry_run": dry_run})
    assert not results.exists() and not task.trained


def test_a_folder_that_cannot_be_written_ends_the_study_before_anything_is_trained(run, results, task):
    results.write_text("in the way")
    assert str(results / "toy") in refused(run, StoreError, {})
    assert not task.trained


def test_a_disk_that_fills_up_ends_the_study_before_its_next_job(run, store, task, monkeypatch):
    calls = iter(range(100))

    def check(self):
        if next(calls) == 2:  # once for the study, then before each job
            raise StoreError("the disk is full")

    monkeypatch.setattr(Store, "check_writable", check)
    refused(run, StoreError, {"size": (1, 2)})
    assert len(task.trained) == 1 and store.runs()["size"].max() == 1


def test_a_job_composes_to_the_checked_form(bare_config):
    config = bare_config("grid.rate=1", "final_seeds=5")
    assert config.grid.rate == [1] and config.grid.seed == [0] and config.final_seeds == [5]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("eval_every=0", "eval_every: expected an integer >= 1, got 0"),
        ("memory_gb=0", "memory_gb: expected a number > 0, or null, got 0"),
        ("memory_gb=inf", "memory_gb: expected a number > 0"),
        ("study.name=a/b", "study.name: expected the name of a folder"),
        ("study.name=..", "study.name: expected the name of a folder"),
        ("split=validation", "split=validation: no such name, valid: test, holdout"),
        ("phase=tuning", "phase=tuning: no such name, did you mean tune?"),
        ("tune_by=scores", "tune_by=scores: no such name, did you mean score?"),
        ("grid.rate=0", "grid.rate: expected a number > 0, got 0"),
        ("grid.rate=nan", "grid.rate: expected a number > 0, got 'nan'"),
        ("grid.rate=.inf", "grid.rate: expected a number > 0, got inf"),
        ("grid.rate=[1,1.0]", "grid.rate: expected each value once"),
        ("grid.seed=a", "grid.seed: expected an integer from 0 to 2147483647, got 'a'"),
        ("grid.seed=1.5", "grid.seed: expected an integer from 0"),
        ("grid.seed=true", "grid.seed: expected an integer from 0"),
        ("grid.seed=2147483648", "grid.seed: expected an integer from 0"),
        ("grid.seed=[[0,1]]", "grid.seed: expected an integer from 0"),
        ("grid.seed=[]", "grid.seed: expected at least one of"),
        ("grid.seed=[0,1,0]", "grid.seed: expected each value once"),
        ("final_seeds=-1", "final_seeds: expected an integer from 0"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(override, message, bare_config):
    with pytest.raises(ConfigError) as refusal:
        bare_config(override)
    assert str(refusal.value).startswith(message)


def test_a_tuning_needs_seeds_for_its_final_runs(bare_config):
    assert bare_config("final_seeds=[]").final_seeds == []
    with pytest.raises(ConfigError, match="final_seeds: expected at least one"):
        bare_config("final_seeds=[]", "tune=true")
