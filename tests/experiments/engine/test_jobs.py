"""Jobs: what of them is missing, and how it is cut into blocks."""

import time
from functools import partial

import pytest

from experiments.engine import device, jobs
from experiments.engine.jobs import blocks_of, check_runnable, launch_missing, make_job, num_runs
from experiments.engine.run import run_job
from experiments.engine.task import Task


@pytest.fixture
def blocks(task, bare_config, monkeypatch):
    """Rates of the runs of each block, group by group, given what is done."""
    monkeypatch.setattr("jax.device_count", lambda: 1)

    def blocks(done: set[str] = frozenset(), *overrides: str) -> list[list[list[float]]]:
        config = bare_config("grid.rate=[1,2,3,4,5]", *overrides)
        found = blocks_of(task, task.open(config), config, set(done))
        return [[[member.rate for member in group] for group in block.groups] for block in found]

    return blocks


def test_the_whole_grid_is_cut_into_groups_and_those_without_a_missing_run_are_left_out(blocks, task, bare_config):
    assert blocks() == [[[1, 2]], [[3]], [[4, 5]]]
    config = bare_config("grid.rate=[1,2,3,4,5]")
    ids = {point.rate: task.id_of(config, point) for point in task.points(config)}
    assert blocks({ids[1.0]}) == [[[1, 2]], [[3]], [[4, 5]]], "2 is trained beside 1, as it would have been"
    assert blocks({ids[1.0], ids[2.0], ids[4.0]}) == [[[3]], [[4, 5]]]
    assert blocks(set(ids.values())) == []


def test_a_method_without_a_grid_has_a_block_for_each_missing_run(blocks, task, bare_config, monkeypatch):
    monkeypatch.setattr(type(task.open(bare_config())), "one_by_one", True)
    config = bare_config("grid.rate=[1,2,3,4,5]")
    first = task.id_of(config, task.points(config)[0])
    assert blocks({first}) == [[[2]], [[3]], [[4]], [[5]]]


def test_the_memory_that_a_job_is_given_cuts_its_blocks(blocks, monkeypatch):
    limits = []
    monkeypatch.setattr(device, "memory_limit", lambda limit_gb: limits.append(limit_gb) or 2_000_000)
    assert blocks(set(), "memory_gb=0.25") == [[[rate]] for rate in (1, 2, 3, 4, 5)], "1 MB fixed and 1 MB of a run"
    assert limits == [0.25]


def test_what_is_missing_is_the_work_of_a_study(task, bare_config):
    job = make_job(task, ["grid.rate=[1,2]", "num_epochs=4"], lambda overrides: bare_config(*overrides))
    first, second = job.runs
    assert check_runnable(task, [job], set()) == {first: 4 * 6.0, second: 4 * 6.0}
    assert check_runnable(task, [job], {first}) == {second: 4 * 6.0}


def test_blocks_count_their_runs(task, bare_config):
    config = bare_config("grid.rate=[1,2,3]", "grid.seed=[0,1]")
    assert num_runs(blocks_of(task, task.open(config), config, set())) == 6


def test_the_algorithm_is_part_of_a_run_once_it_is_not_the_first(task, bare_config, monkeypatch):
    """So that what a configuration means can change without an old row passing for a new one, or an id changing now."""
    config = bare_config()
    (point,) = task.points(config)
    first = task.id_of(config, point)
    assert task.algorithm(config) == 1 == Task.algorithm(task, config)
    monkeypatch.setattr(type(task), "algorithm", lambda self, config: 2)
    second = task.id_of(config, point)
    monkeypatch.setattr(type(task), "algorithm", lambda self, config: 3)
    assert len({first, second, task.id_of(config, point)}) == 3


def test_the_keys_of_every_study_are_no_part_of_a_run(task, bare_config):
    def id_of(*overrides: str) -> str:
        config = bare_config(*overrides)
        return task.id_of(config, task.points(config)[0])

    for same in ("eval_every=1", "study.name=other", "results_dir=x", "memory_gb=1", "data_dir=x", "dry_run=true",
                 "tune=true", "final_seeds=[9]", "grid.rate=[1.0,2.0]"):  # fmt: skip
        assert id_of(same) == id_of(), same
    for other in ("grid.rate=2", "grid.seed=1", "split=holdout", "phase=tune"):
        assert id_of(other) != id_of(), other


@pytest.fixture
def one_job(task, bare_config, monkeypatch, tmp_path) -> jobs.Job:
    """A job of two runs, whose table is looked at all the time."""
    monkeypatch.setattr(jobs, "GLANCE", 0.02)
    config = partial(bare_config, "grid.rate=[1,2]", "pause=0.1", f"results_dir={tmp_path}")
    return make_job(task, [], lambda overrides: config())


def test_what_a_launcher_has_stored_elsewhere_is_told(task, one_job, capsys):
    store = task.store(one_job.config)

    def launch(overrides, provenance):
        for run_id in one_job.runs:
            store.append(dict.fromkeys(store.columns) | {"run_id": run_id, "status": "completed"}, [], {})
            time.sleep(0.3)

    launch_missing(task, [one_job], store, launch, {})
    (line,) = capsys.readouterr().err.splitlines()  # the second would come too soon
    assert line == " 50%, 0 s gone, about 0 s left, 1 of 2 runs stored"


def test_work_of_this_process_is_told_by_itself_alone(task, one_job, capsys):
    launch_missing(task, [one_job], task.store(one_job.config), lambda *_: run_job(task, one_job.config, {}), {})
    said = capsys.readouterr().err
    assert said and "stored" not in said
