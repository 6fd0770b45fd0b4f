"""The tables that a page is made of: how many rows, of which code, and what is missing or stale of them.

    missing      a study of conf/ has no table
    incomplete   a study of conf/ asks for runs that are not stored
    stale        rows that no study of conf/ asks for any more, of uncommitted code or of another version

What a study asks for is read from conf/ as its command reads it. Final runs of a tuning follow from its winner, and
references from the data, so neither is asked for by name.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from experiments import baselines, cli, imitate, sweep
from experiments.baselines_study import plan as plan_baselines
from experiments.comparison import markdown
from experiments.config import CONF, REFERENCES
from experiments.imitate_study import plan as plan_imitators
from experiments.jobs import Compose, Job, count
from experiments.provenance import version
from experiments.study import plan as plan_sweep
from experiments.sweeper import GridSweeper, JobSweeper, as_arguments, expand
from ncfjax.store import Store, run_types_of

HEAD = "| table | rows | newest row | commits | SHA-256 | state |"
_DIGITS = 12


class Command(NamedTuple):
    entry: cli.EntryPoint
    sweeper: type[JobSweeper]
    plan: Callable[[Sequence[list[str]], Compose], list[Job]]


COMMANDS = (
    Command(sweep.ENTRY, GridSweeper, plan_sweep),
    Command(imitate.ENTRY, imitate.ImitateSweeper, plan_imitators),
    Command(baselines.ENTRY, baselines.BaselinesSweeper, plan_baselines),
)


class Asked(NamedTuple):
    """What a study of conf/ asks for."""

    command: str
    folder: str  # under results_dir
    run_ids: frozenset[str]


class Source(NamedTuple):
    """One table."""

    folder: str
    rows: pd.DataFrame
    digest: str  # of runs.csv
    states: list[str]  # what is wrong; empty: nothing


def asked() -> list[Asked]:
    """All studies of conf/ but the small ones that a command runs without an argument."""
    found = [(of.entry.name, _asked(of, study)) for of in COMMANDS for study in cli.options(of.entry)["study"]]
    return [study for name, study in found if study.folder != name]


def _asked(command: Command, study: str) -> Asked:
    command.entry.register()
    sweeper, name = command.sweeper(), command.entry.name
    with initialize_config_dir(str(CONF), version_base="1.3"):

        def composed(overrides: list[str]):
            return sweeper.resolve(compose(name, [f"+study={study}", *overrides]))

        params = compose(name, [f"+study={study}"], return_hydra_config=True).hydra.sweeper.get("params") or {}
        overrides = OverridesParser.create().parse_overrides(as_arguments(params))
        jobs = command.plan(expand(overrides, sweeper.list_keys, sweeper.one_per_sweep), composed)
    folder = jobs[0].config.study.name
    runs = frozenset(run_id for job in jobs for run_id in job.runs)
    return Asked(f"python -m experiments.{name} +study={study}", folder, runs)


def sources(results: Path, studies: Sequence[Asked]) -> list[Source]:
    """The tables of the studies in the order of their folders; one that is not there has no rows.

    Raises:
        StoreError: a table that cannot be read.
    """
    folders = sorted({of.folder for of in studies})
    return [_source(results / folder, [of for of in studies if of.folder == folder]) for folder in folders]


def _source(folder: Path, studies: Sequence[Asked]) -> Source:
    runs = Store(folder, run_types_of(folder)).runs()
    if runs.empty:
        return Source(folder.name, runs, "", [f"missing: `{of.command}`" for of in studies])
    digest = hashlib.sha256((folder / "runs.csv").read_bytes()).hexdigest()[:_DIGITS]
    return Source(folder.name, runs, digest, [*_incomplete(runs, studies), *_stale(runs, studies)])


def _incomplete(runs: pd.DataFrame, studies: Sequence[Asked]) -> list[str]:
    stored, states = set(runs["run_id"]), []
    for of in studies:
        missing = len(of.run_ids - stored)
        if missing:
            states.append(f"incomplete: {missing} of {count(len(of.run_ids), 'run')} of `{of.command}`")
    return states


def _stale(runs: pd.DataFrame, studies: Sequence[Asked]) -> list[str]:
    follows = runs["phase"].eq("final") if "phase" in runs else pd.Series(False, runs.index)
    if "objective" in runs:  # in a sweep's table, references have none
        follows |= runs["model"].isin(REFERENCES) & runs["objective"].eq("")
    unasked = int((~follows & ~runs["run_id"].isin(frozenset.union(*(of.run_ids for of in studies)))).sum())
    dirty = int(runs["commit"].str.endswith("+dirty").sum())
    other = sorted(set(runs["version"]) - {version(), ""})
    states = [f"stale: {count(unasked, 'row')} that no study asks for"] * (unasked > 0)
    states += [f"stale: {count(dirty, 'row')} of uncommitted code"] * (dirty > 0)
    return states + [f"stale: rows of version {', '.join(other)}, this is {version()}"] * bool(other and version())


def table(found: Sequence[Source]) -> str:
    """Every table, and what is wrong with it."""
    return markdown(HEAD, [_cells(of) for of in found])


def _cells(of: Source) -> list[str]:
    states = "; ".join(of.states) or "complete"
    if of.rows.empty:
        return [f"results/{of.folder}/runs.csv", "0", "", "", "", states]
    commits = ", ".join(sorted({commit[:7] for commit in of.rows["commit"]}))
    return [f"results/{of.folder}/runs.csv", str(len(of.rows)), of.rows["started_at"].max(), commits, of.digest, states]
