"""One append-only CSV file with typed columns: whole lines only, each append one write and one fsync.

A writer that is killed leaves at most a torn last line. Readers leave it out; the next writer cuts it off.
A file of an older version lacks some columns: its missing cells read as empty, and the next writer gives it the columns
of this version. Writing needs a lock around it (`store.py` holds it), reading does not.
"""

import csv
import fcntl
import io
import math
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

# What tells rows apart in tables of every version: without one of these, rows of other seeds would be one.
_NEEDED = {"status", "dataset", "split", "model", "seed"}
_DTYPES = {str: "str", int: "Int64", float: "float64"}


class StoreError(Exception):
    """A table cannot be read or written; the message says which and why. What was stored before is untouched."""


def _cell(column: str, kind: type, value: Any) -> str:
    """The text of one cell; a float in the shortest form that reads back as the same float."""
    if value is None:
        return ""
    try:
        if kind is str:
            # A row is a line. Bytes of a file's name that are no text where Python started may be text all the same.
            known = str(value).encode(errors="surrogateescape").decode(errors="backslashreplace")
            return " ".join(known.splitlines())
        if kind is int:
            return str(operator.index(value))
        return "" if math.isnan(value) else repr(float(value))
    except (TypeError, ValueError):
        raise ValueError(f"column {column!r}: expected {kind.__name__}, got {value!r}") from None


def to_cells(types: Mapping[str, type], row: Mapping[str, Any]) -> list[str]:
    """The cells of one row in the order of the columns; None and NaN are empty.

    Raises:
        ValueError: a missing or unknown column, a value of the wrong type.
    """
    missing, unknown = [c for c in types if c not in row], [c for c in row if c not in types]
    if missing or unknown:
        raise ValueError(f"a row of ({', '.join(types)}): missing columns {missing}, unknown columns {unknown}")
    return [_cell(column, kind, row[column]) for column, kind in types.items()]


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def write_whole(path: Path, data: bytes, flags: int) -> None:
    """One write (the rest follows if the system takes only a part) and one fsync."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o666)
    try:
        while data:
            data = data[os.write(file, data) :]
        os.fsync(file)
    finally:
        os.close(file)


def replace_whole(path: Path, data: bytes) -> None:
    """Puts a whole file in place at once: a reader, or a kill, sees the old one or the new one.

    Two processes that write one file take turns.
    """
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        part = path.with_name(f".{path.name}.part")  # one name per file, so that a killed writer's rest is overwritten
        try:
            write_whole(part, data, os.O_TRUNC)
            os.replace(part, path)
        except BaseException:  # Ctrl-C too
            part.unlink(missing_ok=True)
            raise
        os.fsync(folder)
    finally:
        os.close(folder)


def sync(path: Path) -> None:
    """Makes what was written to a file, or renamed in a folder, survive a power cut."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def whole_lines(data: bytes) -> bytes:
    """Without the last line that a killed writer has torn."""
    return data[: data.rfind(b"\n") + 1]


class Table:
    """One CSV file: a header, then whole lines. Remembers how far it was read and which runs it holds.

    Rows have a cell for each of `types`, whatever columns the file has.
    """

    def __init__(self, path: Path, types: Mapping[str, type]):
        self.path = path
        self.types = types
        self.forget()

    def forget(self) -> None:
        self.ids: set[str] = set()
        self.size = 0  # bytes read so far, up to the end of a whole line
        self._columns = list(self.types)  # the file's own
        self._inode = -1
        self._frame: tuple[tuple[int, ...], list[str], pd.DataFrame] | None = None

    def refresh(self) -> None:
        """Reads what was appended since the last time; a torn last line is left out.

        Raises:
            StoreError: the file is not a table of these columns.
        """
        try:
            file = open(self.path, "rb")
        except FileNotFoundError:
            return self.forget()
        with file:  # the size, the inode and the rows are those of one file, though another process may replace it
            stat = os.fstat(file.fileno())
            if stat.st_ino != self._inode or stat.st_size < self.size:
                self.forget()
            if stat.st_size > self.size:
                rows, size = self._read(file, self.size)
                self.ids.update(row[0] for row in rows)
                self.size += size
            self._inode = stat.st_ino

    def rows(self) -> list[list[str]]:
        """All whole lines.

        Raises:
            StoreError: the file is not a table of these columns.
        """
        try:
            with open(self.path, "rb") as file:
                return self._read(file, 0)[0]
        except FileNotFoundError:
            return []

    def _read(self, file: BinaryIO, start: int) -> tuple[list[list[str]], int]:
        """Rows of the whole lines from byte `start` on, without the header, and the bytes that they take."""
        file.seek(start)
        data = file.read()
        if start == 0:
            self._columns = self._header(data)
        data = whole_lines(data)
        after, rows = f" after byte {start}" * bool(start), []
        try:
            reader = csv.reader(io.StringIO(data.decode(), newline=""))
            rows.extend(reader)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise StoreError(f"{self.path}:{line}{after}: expected UTF-8, got {error.reason}") from error
        except csv.Error as error:
            raise StoreError(f"{self.path}:{reader.line_num}{after}: expected CSV, got {error}") from error
        for number, row in enumerate(rows, start=1):
            is_one_line = not any("\n" in cell for cell in row)  # a stray quote swallows the lines up to the next one
            if row and not (is_one_line and len(row) == len(self._columns)):  # a blank line is no row
                got = len(row) if is_one_line else "a quote that is not closed"
                raise StoreError(f"{self.path}:{number}{after}: expected {len(self._columns)} cells, got {got}")
        return self._widened([row for row in (rows[1:] if start == 0 else rows) if row]), len(data)

    def _widened(self, rows: list[list[str]]) -> list[list[str]]:
        """With an empty cell for each column that the file lacks."""
        if self._columns == list(self.types):
            return rows
        places = {column: place for place, column in enumerate(self._columns)}
        return [[row[places[column]] if column in places else "" for column in self.types] for row in rows]

    def _header(self, data: bytes) -> list[str]:
        """The columns of the file: those of `types`, or of an older version, which has fewer, in the same order."""
        line, newline, _ = data.partition(b"\n")
        header = line.decode(errors="replace").rstrip("\r")
        *before, last = got = header.split(",")
        ends = [last] if newline else [c for c in self.types if c.startswith(last)]  # torn while it was written
        for columns in ([*before, end] for end in ends):
            is_ours = columns[0] == next(iter(self.types)) and columns == [c for c in self.types if c in columns]
            lacks = newline and _NEEDED & set(self.types) - set(columns)
            if is_ours and not lacks:
                return columns if newline else list(self.types)
        missing, unknown = [c for c in self.types if c not in got], [c for c in got if c not in self.types]
        raise StoreError(
            f"{self.path}:1: expected the columns {','.join(self.types)}, got {header[:1000]!r} (missing {missing}, "
            f"unknown {unknown[:20]}). It is left as it is; if another version wrote it, move it away or choose another"
            " study"
        )

    def repair(self) -> None:
        """Cuts off what follows the last whole line, and adds the columns that an older version did not know.

        Only under the lock, after `refresh`.
        """
        if self.path.exists() and self.path.stat().st_size > self.size:
            os.truncate(self.path, self.size)
        if self._columns != list(self.types):
            self._replace(self.rows())

    def _replace(self, rows: Iterable[list[str]]) -> None:
        replace_whole(self.path, _lines([self.types, *rows]))
        self.refresh()

    def append(self, rows: list[list[str]]) -> None:
        is_new = self.size == 0
        data = _lines([self.types, *rows] if is_new else rows)
        write_whole(self.path, data, os.O_APPEND)
        if is_new:
            sync(self.path.parent)
            self._inode = self.path.stat().st_ino
        self.ids.update(row[0] for row in rows)
        self.size += len(data)

    def keep(self, ids: set[str]) -> None:
        """Rewrites the table without the rows of other runs."""
        self._replace(row for row in self.rows() if row[0] in ids)

    def frame(self, key: list[str]) -> pd.DataFrame:
        """All whole lines, the first of each key; str (empty if not known), Int64 and float64 columns.

        Read again only when the file has changed: a search asks after each of its stages.
        """
        state = self._state()
        if self._frame is None or self._frame[:2] != (state, key):
            self._frame = state, key, self._read_frame(key)
        return self._frame[2].copy()

    def _state(self) -> tuple[int, ...]:
        """What changes when the file does."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return ()
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def _read_frame(self, key: list[str]) -> pd.DataFrame:
        rows = self.rows()
        columns = dict(zip(self.types, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(self.types, ())
        frame = {name: self._parsed(name, kind, columns[name]) for name, kind in self.types.items()}
        return pd.DataFrame(frame).drop_duplicates(key, ignore_index=True)

    @property
    def num_repeated(self) -> int:
        """Whole lines whose first cell an earlier one has."""
        ids = [row[0] for row in self.rows()]
        return len(ids) - len(set(ids))

    def _parsed(self, name: str, kind: type, cells: Sequence[str]) -> pd.Series:
        if kind is str:
            return pd.Series(cells, dtype=_DTYPES[kind])
        read, values = {int: lambda cell: np.int64(int(cell)), float: float}[kind], []
        try:
            for cell in cells:
                values.append(read(cell) if cell else None)
        except (ValueError, OverflowError) as error:
            line, got = self._line_of(len(values)), cells[len(values)]
            raise StoreError(f"{self.path}:{line}: column {name!r}: expected {kind.__name__}, got {got!r}") from error
        return pd.Series(values, dtype=_DTYPES[kind])

    def _line_of(self, place: int) -> int:
        """Of a row, as blank lines are none."""
        with open(self.path, encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            return [reader.line_num for row in reader if row][1 + place]
