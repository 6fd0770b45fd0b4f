"""The result tables below a folder, by their study and by the entry point whose runs they hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ncfjax.store import Store


class Results(NamedTuple):
    folder: Path
    columns: Mapping[str, Mapping[str, type]]  # "sweep" | "imitate" | "baselines" -> column of runs.csv -> type

    def store(self, study: str, entry: str) -> Store:
        return Store(self.folder / study, self.columns[entry])

    def studies(self) -> list[str]:
        """Those that have a table."""
        return sorted(path.parent.name for path in self.folder.glob("*/runs.csv"))
