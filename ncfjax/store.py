"""Result tables of one study: append-only CSV files that survive a kill at any moment.

    <folder>/runs.csv             one row per run: its configuration and its final metrics
    <folder>/curves.csv           run_id, epoch, metric, value
    <folder>/ranks/<run_id>.npz   per-user ranks, so that any metric can be computed later

A run is written in the order ranks, curves, runs row, each with one write and one fsync, under one lock between
processes. Its row in runs.csv is the commit record: what a killed writer leaves in the tables without it (a torn last
line, curves of a run without a row) is not read, and the next writer removes it. What it leaves in ranks/ (a file
without a row, or a .part) stays until the same run is stored again, which replaces it.

Tables of older versions, which lack some columns, are read with those cells empty. The first writer adds the columns,
in one replacement of the file.
"""

import hashlib
import io
import json
import math
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pandas as pd

from ncfjax.table import StoreError, Table, replace_whole, to_cells, write_whole

# Column -> type of its cells. An empty cell is "not known": None for every type, NaN for a float. A new column may go
# anywhere between the others, but none may go away or move: tables of older versions would be refused.
Columns = Mapping[str, type]
# What every row ends with: what its run cost, and where it comes from.
ORIGIN_COLUMNS: Columns = {
    "parameters": int,
    "train_seconds": float,
    "compile_seconds": float,
    "device": str,
    "version": str,
    "commit": str,
    "started_at": str,
    "command": str,
}
CURVE_COLUMNS: Columns = {"run_id": str, "epoch": int, "metric": str, "value": float}

_SUBFOLDERS = ("ranks", "models", "figures")  # what a study writes beside its tables
_LOCK_SECONDS = 120.0  # an append takes milliseconds: whoever waits this long waits for a process that hangs
_PROBE = bytes(64 * 1024)  # more than one block, so that a full disk shows


def run_id(config: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits: the hash of the canonical JSON of one run's resolved configuration.

    The order of the keys does not matter, nor does 1 against 1.0 or a tuple against a list.

    Raises:
        ValueError: a value that JSON does not know, or a NaN.
    """
    text = json.dumps(_canonical(config, "config"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: Any, where: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(key): _canonical(child, f"{where}.{key}") for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(child, f"{where}[{i}]") for i, child in enumerate(value)]
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return value.as_posix()
    raise ValueError(f"{where}: expected a finite number, text, truth value, list or mapping, got {value!r}")


@contextmanager
def _explained(folder: Path, action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder}: cannot {action} the results: {error}; what was stored is untouched") from error


class Store:
    """The tables of one study's folder. Reading needs neither the lock nor a writable folder.

    Every method raises StoreError when a table cannot be read or written, or has columns that this version does not
    know.
    """

    def __init__(self, folder: Path, columns: Columns):
        self.folder = Path(folder)
        self.columns = columns
        self._runs = Table(self.folder / "runs.csv", columns)
        self._curves = Table(self.folder / "curves.csv", CURVE_COLUMNS)

    def check_writable(self) -> None:
        """Finds a folder that cannot be written, a full disk or foreign tables before anything is trained."""
        with self._locked():
            for name in _SUBFOLDERS:
                if (path := self.folder / name).exists() and not (path.is_dir() and os.access(path, os.W_OK | os.X_OK)):
                    raise NotADirectoryError(f"{path}: expected a folder that can be written")
            for table in (self._runs, self._curves):
                if table.size:
                    write_whole(table.path, b"", os.O_APPEND)
            probe = self.folder / ".probe"
            try:
                write_whole(probe, _PROBE, os.O_TRUNC)
            finally:
                probe.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the lock between processes, on tables that are up to date and repaired."""
        with _explained(self.folder, "write"):
            self.folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.folder / ".lock", timeout=_LOCK_SECONDS, poll_interval=0.01):
                for table in (self._runs, self._curves):
                    table.refresh()  # both are known to be ours before either is changed
                for table in (self._runs, self._curves):
                    table.repair()
                if self._curves.ids - self._runs.ids:
                    self._curves.keep(self._runs.ids)
                yield

    def append(self, run: dict[str, Any], curves: list[dict[str, Any]], ranks: dict[str, np.ndarray]) -> bool:
        """Stores one run whole, or not at all; False if it was there already.

        Args:
            run: a value for each column of `columns`; None (or a NaN) where there is none.
            curves: rows of epoch, metric and value.
            ranks: int[users] zero-based ranks per protocol, or float[users] sums of errors; no file is written for an
                empty dict.

        Raises:
            ValueError: a missing or unknown column, a value of the wrong type, a rank below zero.
        """
        row = to_cells(self.columns, run)
        points = [to_cells(CURVE_COLUMNS, {"run_id": run["run_id"]} | point) for point in curves]
        path, packed = self._ranks_path(row[0]), _pack(ranks)
        if any(point[0] != row[0] for point in points):
            raise ValueError(f"curves of run {row[0]!r}: got rows of another run_id")
        with self._locked():
            if row[0] in self._runs.ids:
                return False
            with self._all_or_nothing(path):
                if ranks:
                    path.parent.mkdir(exist_ok=True)
                    replace_whole(path, packed)
                if points:
                    self._curves.append(points)
                self._runs.append([row])
            return True

    @contextmanager
    def _all_or_nothing(self, ranks_path: Path) -> Iterator[None]:
        """On any exception cuts the tables back to what they were; the commit record goes first."""
        sizes = [(table, table.size) for table in (self._runs, self._curves)]
        try:
            yield
        except BaseException:
            for table, size in sizes:
                if table.path.exists():
                    os.truncate(table.path, size)
                table.forget()
            ranks_path.unlink(missing_ok=True)
            raise

    def _ranks_path(self, run_id: str) -> Path:
        if not re.fullmatch(r"[\w-]+", run_id):
            raise ValueError(f"run_id: expected letters, digits, _ or -, got {run_id!r}")
        return self.folder / "ranks" / f"{run_id}.npz"

    def completed(self) -> set[str]:
        """The run_ids whose row is whole, diverged runs among them."""
        with _explained(self.folder, "read"):
            self._runs.refresh()
            return set(self._runs.ids)

    def runs(self) -> pd.DataFrame:
        """runs.csv; int columns are Int64, an unknown text is empty. No row yet: no file is needed."""
        with _explained(self.folder, "read"):
            return self._runs.frame(["run_id"])

    @property
    def num_repeated(self) -> int:
        """Rows of runs.csv, of which the first of a run counts, that came with a table that another was added to."""
        with _explained(self.folder, "read"):
            return self._runs.num_repeated

    def curves(self) -> pd.DataFrame:
        """curves.csv, of the completed runs only."""
        with _explained(self.folder, "read"):
            curves = self._curves.frame(["run_id", "epoch", "metric"])
            return curves[curves["run_id"].isin(list(self.completed()))].reset_index(drop=True)

    def ranks(self, run_id: str) -> dict[str, np.ndarray]:
        """Zero-based rank of each user's held-out item: unsigned int[users] per protocol; or what else was kept."""
        path = self._ranks_path(run_id)
        try:
            with _explained(self.folder, "read"), path.open("rb") as file, np.load(file) as arrays:
                return _Kept(path, arrays)
        except (ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            raise StoreError(f"{path}: expected arrays as NumPy saves them, got {error}; it is damaged") from error


class _Kept(dict[str, np.ndarray]):
    """What one file has; what it lacks, as one of another version may, is a StoreError."""

    def __init__(self, path: Path, arrays: Mapping[str, np.ndarray]):
        super().__init__(arrays)
        self.path = path

    def __missing__(self, name: str) -> np.ndarray:
        raise StoreError(f"{self.path}: expected the array {name}, got {', '.join(self) or 'none'}")


def _pack(ranks: Mapping[str, np.ndarray]) -> bytes:
    """A compressed npz: ranks in the smallest unsigned integers that hold them, errors in float32."""
    packed, data = {}, io.BytesIO()
    for name, users in ranks.items():
        is_sound = users.ndim == 1 and users.dtype.kind in "iuf" and np.isfinite(users).all()
        if not is_sound or users.min(initial=0) < 0:
            got = f"{users.dtype}{list(users.shape)}"
            raise ValueError(f"ranks {name!r}: expected non-negative int[users] or float[users], got {got}")
        packed[name] = users.astype(np.float32 if users.dtype.kind == "f" else np.min_scalar_type(users.max(initial=0)))
    np.savez_compressed(data, **packed)
    return data.getvalue()
