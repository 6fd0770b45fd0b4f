"""The tables that a page is made of: how many rows, of which code, and what is missing or stale of them.

    missing      a study of conf/ has no table
    incomplete   a study of conf/ expects runs that are not stored
    stale        rows that no study of conf/ asks for (analysis/results.py), of uncommitted code or of another version

Final runs of a tuning follow from its winner, and references from the data, so neither is missed by name.
"""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from experiments.analysis.results import Results

# (entry point, study) -> command -> the run_ids that it stores
Expected = Mapping[tuple[str, str], Mapping[str, frozenset[str]]]
_DIGITS = 12


class TableState(NamedTuple):
    """One table. Without rows it is missing."""

    study: str
    rows: pd.DataFrame
    digest: str  # of runs.csv
    expected: Mapping[str, int]  # command -> how many runs it stores
    missing: Mapping[str, int]  # command -> how many of them are not there, of commands that lack some
    num_unexpected: int = 0  # rows
    num_uncommitted: int = 0
    other_versions: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not (self.missing or self.num_unexpected or self.num_uncommitted or self.other_versions)


def table_states(results: Results, expected: Expected, version: str) -> list[TableState]:
    """The tables of the studies in the order of their folders.

    Args:
        version: this one; "" if it is not known.

    Raises:
        StoreError: a table that cannot be read.
    """
    return [
        _state(results, entry, study, commands, version)
        for (entry, study), commands in sorted(expected.items(), key=lambda item: item[0][1])
    ]


def _state(results: Results, entry: str, study: str, commands: Mapping[str, frozenset[str]], version: str):
    store, numbers = results.table(study, entry), {command: len(run_ids) for command, run_ids in commands.items()}
    runs = store.runs()
    if runs.empty:
        return TableState(study, runs, "", numbers, numbers)
    stored = set(runs["run_id"])
    lacking = {command: len(run_ids - stored) for command, run_ids in commands.items()}
    return TableState(
        study,
        runs,
        hashlib.sha256((store.folder / "runs.csv").read_bytes()).hexdigest()[:_DIGITS],
        numbers,
        {command: number for command, number in lacking.items() if number},
        results.store(study, entry).num_ignored,
        int(runs["commit"].str.endswith("+dirty").sum()),
        tuple(sorted(set(runs["version"]) - {version, ""})) if version else (),
    )
