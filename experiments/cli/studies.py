"""What the studies of conf/ ask for, read as their commands read them."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.cli.compose import checked_jobs, compose_job
from experiments.cli.entry import EntryPoint, options, parse
from experiments.cli.sweeper import as_arguments, expand
from experiments.engine.jobs import Job
from experiments.engine.study import plan


class ExpectedRuns(NamedTuple):
    """The runs that a study asks for. Final runs of a tuning follow from its winner, and are not among them."""

    entry: str
    command: str
    study: str  # its folder under results_dir
    run_ids: frozenset[str]


def jobs_of(entry: EntryPoint, study: str, *arguments: str) -> list[Job]:
    """The checked jobs of conf/study/ENTRY/STUDY.yaml."""
    lines = [f"+study={study}", *arguments]
    params = compose_job(entry, lines, with_hydra=True).hydra.sweeper.get("params") or {}
    all_overrides = expand(parse(as_arguments(params)), entry.task)
    return plan(entry.task, all_overrides, checked_jobs(entry, *lines))


def expected_runs_of(entry: EntryPoint, study: str) -> ExpectedRuns:
    jobs = jobs_of(entry, study)
    command = f"python -m experiments.{entry.name} +study={study}"
    run_ids = frozenset(run_id for job in jobs for run_id in job.runs)
    return ExpectedRuns(entry.name, command, jobs[0].config.study.name, run_ids)


def expected_runs(entries: Sequence[EntryPoint]) -> list[ExpectedRuns]:
    """Of all studies but the small ones that a command runs without an argument."""
    runs = [expected_runs_of(entry, study) for entry in entries for study in options(entry.task)["study"]]
    return [expected for expected in runs if expected.study != expected.entry]
