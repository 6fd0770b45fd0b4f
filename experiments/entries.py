"""The entry points that run studies, which have a folder in conf/study/, and the tables that they write."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from experiments.analysis.results import Results
from experiments.cli.entry import EntryPoint
from experiments.engine.checks import ConfigError
from experiments.engine.config import CONF


def entry_points() -> list[EntryPoint]:
    names = sorted(path.name for path in (CONF / "study").iterdir() if path.is_dir())
    there = [name for name in names if find_spec(f"experiments.{name}")]
    return [import_module(f"experiments.{name}").ENTRY for name in there]


def columns() -> dict[str, Mapping[str, type]]:
    """Entry point -> the columns of its tables."""
    return {entry.name: entry.task.all_columns for entry in entry_points()}


def results_in(folder: Path | str) -> Results:
    """The tables below a folder, there or not."""
    return Results(Path(folder), columns())


def claims_in(folder: Path | str) -> Results:
    """The same, of whose rows a study of conf/ is given those that it asks for."""
    from experiments.cli.claims import claimed_runs  # which imports JAX

    entries = {entry.name: entry for entry in entry_points()}
    return replace(results_in(folder), claim=cache(lambda name, *where: claimed_runs(entries[name], *where)))


def open_results(results_dir: object) -> Results:
    """As `claims_in`; raises ConfigError where there is no table at all."""
    results = claims_in(str(results_dir))
    if not results.studies():
        raise ConfigError(f"results_dir={results.folder}: expected a folder with STUDY/runs.csv, got none")
    return results
