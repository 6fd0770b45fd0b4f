"""What the studies of conf/ ask for, read as their commands read them."""

import json
import os
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from omegaconf import OmegaConf

from experiments.cli.compose import checked_jobs, compose_job
from experiments.cli.entry import EntryPoint, options, parse, typed
from experiments.cli.sweeper import as_arguments, cut_space, expand
from experiments.engine.checks import ConfigError
from experiments.engine.config import CONF
from experiments.engine.jobs import Job
from experiments.engine.study import plan
from experiments.engine.task import Task
from experiments.engine.trials import Search, replayed


class ExpectedRuns(NamedTuple):
    """The runs that a study asks for. Final runs of a tuning follow from its winner, and are not among them."""

    entry: str
    command: str
    study: str  # its folder under results_dir
    run_ids: frozenset[str]


def jobs_of(entry: EntryPoint, study: str, *arguments: str) -> list[Job]:
    """The checked jobs of conf/study/ENTRY/STUDY.yaml; of a search those that the stored scores decide."""
    lines, task = [f"+study={study}", *arguments], entry.task
    params = compose_job(entry, lines, with_hydra=True).hydra.sweeper.get("params") or {}
    overrides, space = cut_space(parse([typed(task, argument) for argument in as_arguments(params)]), task)
    all_overrides = expand(overrides, task)
    compose = checked_jobs(entry, *lines)
    if space:
        search = Search(task, all_overrides, space, compose)
        return replayed(search, task.store(search.configs[0]))
    return plan(task, all_overrides, compose)


def expected_runs_of(entry: EntryPoint, study: str, results_dir: str = "results") -> ExpectedRuns:
    command = f"python -m experiments.{entry.name} +study={study}"
    run_ids = frozenset(run_id for job in claimed_jobs(entry, study, results_dir) for run_id in job.runs)
    return ExpectedRuns(entry.name, command, folder_of(entry.task, study), run_ids)


def expected_runs(entries: Sequence[EntryPoint], results_dir: str = "results") -> list[ExpectedRuns]:
    """Of all studies but the small ones that a command runs without an argument."""
    there = [(entry, study) for entry in entries for study in options(entry.task)["study"]]
    claims = [(entry, study) for entry, study in there if folder_of(entry.task, study) != entry.name]
    return [expected_runs_of(entry, study, results_dir) for entry, study in claims]


@cache
def folder_of(task: Task, study: str) -> str:
    """The study.name of a study, by its file alone: composing all of them takes ten seconds."""
    file = OmegaConf.load(CONF / "study" / task.name / f"{study}.yaml")
    if named := OmegaConf.select(file, "study.name"):
        return named
    bases = [base for base in file.get("defaults", []) if isinstance(base, str) and base != "_self_"]
    return folder_of(task, bases[0]) if bases else task.name


@cache  # a report asks twice
def claimed_jobs(entry: EntryPoint, study: str, results_dir: str) -> Sequence[Job]:
    """None of a study whose runs begin with those of a table that is not there."""
    try:
        return jobs_of(entry, study, *claimed_data(results_dir))
    except ConfigError:
        return []


def claimed_data(results_dir: str) -> tuple[str, str]:
    """A claim is one of the known files, whatever lies in the user's folder of data."""
    return f"results_dir={json.dumps(results_dir, ensure_ascii=False)}", f"data_dir={os.devnull}"
