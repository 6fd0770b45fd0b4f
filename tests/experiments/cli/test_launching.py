"""What is said of a launcher's jobs; tests/cluster has the launchers themselves."""

import logging
import os
import subprocess
from types import ModuleType

import pytest
from hydra.core.utils import JobReturn, JobStatus

from experiments.cli.launching import JobsError, launching, names, raise_failures, show_fault, swept_keys
from experiments.engine.checks import ConfigError
from ncfjax.table import StoreError

JOBS = [[f"model.embedding_dim={dim}", "+study/sweep=a", "num_epochs=3"] for dim in (4, 8)]
SLURM, LOCAL = "launchers.SlurmLauncher", "launchers.LocalLauncher"


def returned(value: object) -> JobReturn:
    failed = isinstance(value, Exception)
    return JobReturn(status=JobStatus.FAILED if failed else JobStatus.COMPLETED, _return_value=value)


def failure(*values: object, jobs=JOBS, swept=frozenset({"model.embedding_dim"})) -> str:
    with pytest.raises(JobsError) as refused:
        raise_failures(jobs, [returned(value) for value in values], swept)
    return str(refused.value)


def test_jobs_that_ended_well_raise_nothing():
    raise_failures(JOBS, [returned(1), returned(0)], set())


def test_one_failed_job_is_one_line():
    expected = "1 of 2 jobs failed: model.embedding_dim=8: the disk is full; the same command runs what is missing"
    assert failure(3, StoreError("the disk is full")) == expected


def test_several_failed_jobs_are_a_line_each():
    assert failure(ConfigError("a.csv: no such file"), MemoryError()).splitlines() == [
        "2 of 2 jobs failed; the same command runs what is missing:",
        "  model.embedding_dim=4: a.csv: no such file",
        "  model.embedding_dim=8: memory: expected more than there is, got an allocation failed",
    ]


def test_a_job_that_is_left_alone_keeps_its_name_and_one_that_nothing_was_swept_for_has_none():
    assert failure(StoreError("full"), jobs=JOBS[:1]).startswith("1 of 1 job failed: model.embedding_dim=4: full;")
    assert failure(StoreError("full"), jobs=JOBS[:1], swept=set()).startswith("1 of 1 job failed: full;")


def test_jobs_are_named_by_what_differs_too_as_the_trials_of_a_search():
    trials = [[*JOBS[0], "grid.learning_rate=0.1"], [*JOBS[0], "grid.learning_rate=0.2"]]
    assert names(trials, swept_keys(JOBS)) == [
        "model.embedding_dim=4 grid.learning_rate=0.1",
        "model.embedding_dim=4 grid.learning_rate=0.2",
    ]


def test_a_fault_of_the_program_is_named_by_its_type_and_shown_where_it_arose(capsys):
    assert "model.embedding_dim=4: ZeroDivisionError: by zero;" in failure(ZeroDivisionError("by zero"), 1)
    show_fault(StoreError("the disk is full"))
    assert capsys.readouterr().err == ""
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError as error:
        show_fault(error)
    assert "1 / 0" in capsys.readouterr().err


@pytest.fixture
def submitit() -> ModuleType:
    """A module of this name, whose functions raise what it is asked to."""
    module = ModuleType("submitit.core")
    exec("def submit(error):\n    raise error\nclass UncompletedJobError(RuntimeError): pass", vars(module))
    return module


def test_what_a_launcher_raises_is_one_message(submitit: ModuleType):
    for error in (RuntimeError('Could not detect "srun"'), submitit.UncompletedJobError("Job 7 has no output")):
        with pytest.raises(JobsError, match="hydra/launcher: (Could not detect|Job 7 has no output)"), launching(LOCAL):
            submitit.submit(error)


def test_what_is_no_fault_of_a_launcher_is_left_as_it_is(submitit: ModuleType):
    with pytest.raises(RuntimeError, match="^INTERNAL$"), launching(LOCAL):
        raise RuntimeError("INTERNAL")
    with pytest.raises(ValueError, match="^n_jobs"), launching(LOCAL):
        submitit.submit(ValueError("n_jobs"))


def test_ctrl_c_says_that_what_a_cluster_was_given_goes_on(capfd):
    for launcher in (LOCAL, SLURM):
        with pytest.raises(KeyboardInterrupt), launching(launcher):
            raise KeyboardInterrupt
    assert capfd.readouterr().err == "\nncfjax: the jobs in the queue go on: squeue lists them, scancel ends them\n"


def test_the_word_on_accounts_reaches_nobody_on_slurm_and_all_else_does(capfd, caplog):
    logger = logging.getLogger("submitit")
    with launching(SLURM):
        for said in ("Slurm accounting storage is disabled", "sacct: error: no such cluster"):
            subprocess.run(["sh", "-c", f"echo '{said}' >&2"], check=True)
        logger.warning("Call #1 - Bypassing sacct error 1, status may be inaccurate.")
        logger.warning("Call #2 - another")
        os.write(2, b" 25%, no end of line")
    assert capfd.readouterr().err == "sacct: error: no such cluster\n 25%, no end of line"
    assert [record.getMessage() for record in caplog.records] == ["Call #2 - another"]
    logger.warning("Call #3 - Bypassing sacct error 1, status may be inaccurate.")
    os.write(2, b"Slurm accounting storage is disabled\n")
    assert len(caplog.records) == 2 and "accounting" in capfd.readouterr().err
