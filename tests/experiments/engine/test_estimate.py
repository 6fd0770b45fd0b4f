"""dry_run=true: what a study would do, what it needs and how long it takes."""

import pytest

from experiments.engine import memory
from experiments.engine.checks import ConfigError
from experiments.engine.estimate import job_seconds
from experiments.engine.work import Trial

ONE = 100 + 6 * 6 * 0.5  # seconds of a shape with one run: compiling, then 6 epochs of 6 units of work


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    monkeypatch.setattr("jax.device_count", lambda: 1)
    monkeypatch.setattr(memory, "_peak", lambda: 0)  # unless a test says what reading takes


def test_blocks_of_one_size_share_their_compiled_programs():
    trial = Trial(compiling=7.0, per_work=0.25)
    assert job_seconds([3], 4.0, trial) == 7 + 3 * 4 * 0.25
    assert job_seconds([3, 3, 2], 4.0, trial) == 2 * 7 + 8 * 4 * 0.25


def test_a_dry_run_tells_runs_memory_and_time_of_every_job_and_writes_nothing(run, results, task, capfd):
    run({"size": (1, 2), "grid.rate": [1, 2, 3], "grid.seed": [0, 1], "dry_run": "true"})
    # Groups of rates 1 and 2, and of rate 3, for each seed: two shapes, 6 runs.
    job = "6 runs to train in 4 blocks of up to 2 runs and 303.00 MB, about 5:08 min"
    assert capfd.readouterr().out.splitlines() == [
        f"ncfjax: 2 jobs, 12 runs: 12 to train, 0 done before -> {results / 'toy'}/",
        f"ncfjax: job 1, toy of size 1: {job}",
        f"ncfjax: job 2, toy of size 2: {job}",
        "ncfjax: dry run: 4 shapes to compile, about 10:16 min one job after the other",
    ]
    assert 2 * 100 + 6 * 6 * 6 * 0.5 == 5 * 60 + 8
    assert not results.exists() and not task.trained


def test_a_dry_run_counts_what_reading_the_data_took_where_that_is_more(run, task, monkeypatch, capfd):
    """Measured by the first job of some data, and kept for those that find them read."""
    peaks = iter([1_000, 3_000_001_000, 3_000_001_000, 3_000_001_000])
    monkeypatch.setattr(memory, "_taken", {})
    monkeypatch.setattr(memory, "_resident", lambda: 1_000)
    monkeypatch.setattr(memory, "_peak", lambda: next(peaks, 3_000_001_000))
    run({"size": (1, 2), "dry_run": "true"})
    jobs = [line for line in capfd.readouterr().out.splitlines() if "ncfjax: job" in line]
    assert ["1 run and 3.30 GB, about" in line for line in jobs] == [True, True]


def test_a_limit_that_reading_has_passed_is_refused(run, results, monkeypatch):
    monkeypatch.setattr(memory, "_taken", {})
    monkeypatch.setattr(memory, "_resident", lambda: 0)
    peaks = iter([1])
    monkeypatch.setattr(memory, "_peak", lambda: next(peaks, 3_000_000_000))
    expected = "toy of size 1: memory_gb: expected at least 3.00 GB, which reading its data took, got 2.00 GB"
    with pytest.raises(ConfigError, match=expected):
        run({"size": 1, "memory_gb": 2})
    assert not results.exists()


def test_a_dry_run_counts_what_is_done(run, store, capfd):
    run({"size": 1})
    table = (store.folder / "runs.csv").read_bytes()
    capfd.readouterr()
    run({"size": (1, 2), "dry_run": "true"})
    first, *jobs, last = capfd.readouterr().out.splitlines()
    assert "2 runs: 1 to train, 1 done before" in first and len(jobs) == 1 and jobs[0].startswith("ncfjax: job 2, ")
    assert (
        last
        == f"ncfjax: dry run: 1 shape to compile, about {ONE // 60:.0f}:{ONE % 60:02.0f} min one job after the other"
    )
    assert (store.folder / "runs.csv").read_bytes() == table


def test_a_dry_run_refuses_a_wrong_job_before_it_tries_an_earlier_one(run, task, bare_config, monkeypatch):
    trials = []
    monkeypatch.setattr(type(task.open(bare_config())), "trial", lambda self, block: trials.append(block))
    with pytest.raises(ConfigError, match="data: expected data, got none"):
        run({"data": ("there", "missing"), "dry_run": "true"})
    assert trials == []


def test_where_all_is_done_a_dry_run_has_nothing_to_do(run, capfd):
    run({"size": 1})
    capfd.readouterr()
    run({"size": 1, "dry_run": "true"})
    assert capfd.readouterr().out.splitlines()[-1] == ("ncfjax: dry run: about 0 s one job after the other")


def test_a_dry_run_says_what_it_does_not_count(run, task, bare_config, monkeypatch, capfd):
    monkeypatch.setattr(type(task.open(bare_config())), "not_counted", "the drive home")
    run({"tune": "true", "dry_run": "true"})
    last = capfd.readouterr().out.splitlines()[-1]
    assert last.endswith("; not counted: the drive home, the winners' final runs")


def test_one_trial_is_made_for_all_jobs_of_a_kind(run, task, bare_config, monkeypatch):
    """On the first block of the first of them."""
    trials, work = [], type(task.open(bare_config()))
    monkeypatch.setattr(work, "trial", lambda self, block: trials.append(self.config.size) or Trial(1.0, 1.0))
    run({"data": ("x", "y"), "size": (1, 2), "dry_run": "true"})
    assert trials == [1, 1]


def test_no_kind_is_tried_after_some_seconds_and_that_is_said(run, task, bare_config, monkeypatch, capfd):
    trials, work = [], type(task.open(bare_config()))
    monkeypatch.setattr(work, "trial", lambda self, block: trials.append(self.config.size) or Trial(1.0, 1.0))
    monkeypatch.setattr("experiments.engine.estimate.TRIALS_SECONDS", -1.0)
    run({"data": ("x", "y"), "size": (1, 2), "dry_run": "true"})
    last = capfd.readouterr().out.splitlines()[-1]
    assert trials == [1] and last.endswith("; at the mean pace of the others: 1 of 2 kinds of jobs")
