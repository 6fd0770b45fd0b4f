"""save_models=true, of a made-up task whose models are their scores: kept before their rows, and made again if not."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from experiments.engine.models import completed, model_folder
from ncfjax.store import Store
from ncfjax.table import StoreError

GRID = {"size": (1, 2), "grid.rate": [1, 2], "save_models": "true"}


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    monkeypatch.setattr("jax.device_count", lambda: 1)


@pytest.fixture
def task(saving_task):
    return saving_task


def saved(store: Store) -> dict[str, dict]:
    """run_id -> what was written beside its model."""
    folders = (store.folder / "models").glob("*") if (store.folder / "models").exists() else ()
    return {folder.name: json.loads((folder / "model.json").read_text()) for folder in folders}


def trained(store: Store) -> set[str]:
    runs = store.runs()
    return set(runs["run_id"][runs["kind"] == "toy"])


def test_every_run_ends_with_a_model_that_has_its_row_beside_it(run, store, capfd):
    run(GRID)
    rows, models = store.runs().set_index("run_id"), saved(store)
    assert set(models) == trained(store) and len(models) == 4
    for run_id, model in models.items():
        assert model["score"] == rows.loc[run_id, "score"] and model["run_id"] == run_id
        assert model["command"] == rows.loc[run_id, "command"] and model["started_at"] == rows.loc[run_id, "started_at"]
    said = capfd.readouterr().out.splitlines()
    assert said[-1].endswith("runs.csv (5 rows), curves.csv, ranks/, models/")


def test_without_it_none_is_saved_and_the_run_ids_are_the_same(run, store):
    run(GRID | {"save_models": "false"})
    ids = trained(store)
    assert saved(store) == {}
    run(GRID)
    assert trained(store) == ids == set(saved(store))


def test_a_run_that_was_done_without_it_is_trained_again_and_its_row_stays(run, store, task, capfd):
    run(GRID | {"size": 1, "save_models": "false"})
    before, _ = (store.folder / "runs.csv").read_bytes(), task.trained.clear()
    capfd.readouterr()
    run(GRID)
    assert "4 to train (2 of them again, as no model of theirs was saved), 0 done before" in capfd.readouterr().out
    assert sum(len(block.members) for block in task.trained) == 4
    assert (store.folder / "runs.csv").read_bytes().startswith(before)
    assert len(store.runs()) == 5 and set(saved(store)) == trained(store)
    task.trained.clear()
    run(GRID)
    assert task.trained == [] and "4 runs: all done before" in capfd.readouterr().out


def test_a_dry_run_counts_them_and_writes_nothing(run, store, task, capfd):
    run(GRID | {"save_models": "false"})
    run(GRID | {"dry_run": "true"})
    said = capfd.readouterr().out
    assert "(4 of them again" in said and "4 runs to train" not in said and "2 runs to train" in said
    assert saved(store) == {}


def test_a_diverged_run_has_no_model_and_is_not_trained_again(run, store, task):
    run({"grid.rate": [1, 2000], "save_models": "true"})
    assert len(saved(store)) == 1
    task.trained.clear()
    run({"grid.rate": [1, 2000], "save_models": "true"})
    assert task.trained == []


def test_a_tuning_keeps_the_models_of_its_final_runs_alone(run, store, task):
    grid = {"size": (1, 2), "grid.rate": [1, 2], "tune": "true", "final_seeds": "[0,1]", "save_models": "true"}
    run(grid)
    runs = store.runs()
    assert set(saved(store)) == set(runs["run_id"][runs["phase"] == "final"]) and len(saved(store)) == 2
    task.trained.clear()
    run(grid)
    assert task.trained == []


def test_a_disk_that_fails_while_saving_stores_no_row(run, store, task, monkeypatch):
    task.fails = True
    with pytest.raises(StoreError, match="models/.*: cannot save the model: .*disk"):
        run(GRID)
    assert trained(store) == set() == set(saved(store))
    task.fails = False
    run(GRID)
    assert set(saved(store)) == trained(store)


def test_a_model_without_its_row_is_made_anew(run, store, bare_config, results):
    run(GRID)
    lines = (store.folder / "runs.csv").read_text().splitlines(keepends=True)
    (store.folder / "runs.csv").write_text("".join(lines[:-1]))
    lost = lines[-1].split(",")[0]
    (model_folder(store, lost) / "model.json").write_text("{}")
    run(GRID)
    assert saved(store)[lost]["run_id"] == lost and lost in trained(store)
    config = bare_config(f"results_dir={results}", "save_models=true")
    assert completed(config, store) == trained(store)


@pytest.mark.slow
def test_a_killed_study_has_a_model_for_each_of_its_rows(run, store, results, toy_command, wait_for, task):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    root = str(Path(__file__).parents[3])
    command = [*toy_command, results, "0.3", "saving"]
    process = subprocess.Popen(command, text=True, env={**os.environ, "PYTHONPATH": root}, **pipes)
    wait_for(process, lambda: len(trained(store)) >= 2)
    process.kill()
    process.communicate()
    assert trained(store) <= set(saved(store)) and 2 <= len(trained(store)) < 5
    run(GRID)
    assert trained(store) == set(saved(store)) and len(trained(store)) == 4
