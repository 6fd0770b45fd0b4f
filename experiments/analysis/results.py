"""The result tables below a folder, by their study and by the entry point whose runs they hold.

A claim selects its rows by all that defines it: `Results.store` gives those that the studies of conf/ ask for, by their
run_ids, which hash whole configurations and the content of data that are not the known ones. Trial runs that lie beside
them change no number. They are counted, and whoever prints a number says how many there are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from ncfjax.store import Columns, Store

# Of an entry point, a study's folder and its whole table: the run_ids of a claim's rows; None: no claim, so every row.
Claim = Callable[[str, str, Store], frozenset[str] | None]


class ClaimStore(Store):
    """The tables of a study, of which `runs` gives the rows of its claim alone."""

    def __init__(self, folder: Path, columns: Columns, choose: Callable[[Store], frozenset[str] | None]):
        super().__init__(folder, columns)
        self._choose = choose

    @cached_property
    def claimed(self) -> frozenset[str] | None:
        """Their run_ids; None: every row."""
        return self._choose(Store(self.folder, self.columns))

    def runs(self) -> pd.DataFrame:
        rows = super().runs()
        return rows if self.claimed is None else rows[self._is_claimed(rows)].reset_index(drop=True)

    def _is_claimed(self, rows: pd.DataFrame) -> pd.Series:
        return rows["run_id"].isin(list(self.claimed))

    @property
    def num_ignored(self) -> int:
        """How many rows are left out."""
        return 0 if self.claimed is None else int((~self._is_claimed(super().runs())).sum())


def _sentence(why: str, counts: Mapping[str, int]) -> str:
    texts = [f"{count} of results/{study}/runs.csv" for study, count in counts.items() if count]
    return f"Rows that {why}, and that were ignored: {', '.join(texts)}." if texts else ""


@dataclass(frozen=True)
class Results:
    """The tables of a folder; `opened` are those whose claims were read."""

    folder: Path
    columns: Mapping[str, Columns]  # "sweep" | "imitate" | "baselines" | ... -> column of runs.csv -> type
    claim: Claim = lambda entry, study, table: None
    opened: dict[str, ClaimStore] = field(default_factory=dict)

    def store(self, study: str, entry: str) -> ClaimStore:
        """What a claim is read from."""
        folder, choose = self.folder / study, lambda table: self.claim(entry, study, table)
        return self.opened.setdefault(study, ClaimStore(folder, self.columns[entry], choose))

    def table(self, study: str, entry: str) -> Store:
        """Every row."""
        return Store(self.folder / study, self.columns[entry])

    def reading(self) -> "Results":
        """The same tables, none of them opened yet."""
        return replace(self, opened={})

    @property
    def ignored(self) -> str:
        """Which rows were left out of what was read, in a sentence; empty where none was."""
        reasons = {
            "no study of conf/ asks for": {study: store.num_ignored for study, store in self.opened.items()},
            "repeat the run of an earlier one": {study: store.num_repeated for study, store in self.opened.items()},
        }
        return " ".join(filter(None, (_sentence(why, counts) for why, counts in reasons.items())))

    def studies(self) -> list[str]:
        """Those that have a table."""
        return sorted(path.parent.name for path in self.folder.glob("*/runs.csv"))
