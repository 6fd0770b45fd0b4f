"""Delimited text files of ids: read whole and fast, or refused with `file:line: expected ..., got ...`.

The usual case is parsed by pandas' C parser and checked by columns. Only when that fails is the file walked line by
line, to say which line is at fault. A file is plain or gzip by its content, whatever its name; Windows line ends, a
missing last newline, empty lines at the end and a byte-order mark are read as a user would expect.
"""

import gzip
import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REST, _TRUNCATED = "the rest of the gzip stream", "its early end (a truncated gzip file)"
_MAX_ID = np.iinfo(np.int32).max


class Layout(NamedTuple):
    """The columns of a table: `num_ids` ids (integers in 0..2**31-1) first, numbers after them."""

    expected: str  # in words, for messages
    widths: tuple[int, ...]  # numbers of fields that are allowed; the first line chooses one
    num_ids: int
    uncounted: int = 0  # leading fields that `expected` does not count


def bad_line(path: Path, row: int, expected: str, got: str) -> ValueError:
    """Returns the error for the zero-based `row` of a file."""
    return ValueError(f"{path}:{row + 1}: expected {expected}, got {got}")


def find_file(path: Path) -> Path | None:
    """Returns `path` or `path` + ".gz", the first that is a file, else None."""
    candidates = (path, path.with_name(path.name + ".gz"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def read_raw(path: Path) -> bytes:
    """Returns the bytes of a plain or gzip file; raises ValueError for a damaged or truncated gzip stream."""
    content = path.read_bytes()
    return _decompress(path, content) if content.startswith(_GZIP_MAGIC) else content


def read_content(path: Path) -> bytes:
    """Returns the text of a plain or gzip file with Unix line ends and no empty lines at its end.

    Raises ValueError for an empty file and for a gzip stream that is damaged or ends too early.
    """
    content = read_raw(path).removeprefix(_BYTE_ORDER_MARK)
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n")
    content = content.rstrip(b"\n")
    if not content.strip():
        raise bad_line(path, 0, "at least one row", "an empty file")
    return content


def _decompress(path: Path, content: bytes) -> bytes:
    parts = []
    while content:  # a gzip file is one or more members, one after the other
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        problem = None
        try:
            parts.append(member.decompress(content))
        except zlib.error as error:
            problem = f"damaged gzip data ({error})"
        if problem is None and not member.eof:
            problem = _TRUNCATED
        if problem:
            row = sum(part.count(b"\n") for part in parts)
            raise bad_line(path, row, _REST, problem)
        content = member.unused_data.lstrip(b"\0")
    return b"".join(parts)


def read_chunks(path: Path, size: int = 2**22) -> Iterator[bytes]:
    """Yields a plain or gzip file in pieces of whole lines.

    A piece has about `size` bytes, Unix line ends, and one at its end; empty lines at the end of the file are left out.
    Raises ValueError for an empty file and for a gzip stream that is damaged or ends too early.
    """
    rest, is_empty = b"", True
    for piece in _pieces(path, size):
        rest += piece
        # What may be the end of the file stays: its last line, and the empty lines after it.
        cut = rest.rfind(b"\n", 0, len(rest.rstrip(b"\r\n"))) + 1
        if cut:
            lines, rest, is_empty = rest[:cut], rest[cut:], False
            yield lines.replace(b"\r\n", b"\n") if b"\r" in lines else lines
    last = rest.rstrip(b"\r\n")
    if not last and is_empty:
        raise bad_line(path, 0, "at least one row", "an empty file")
    if last:
        yield last + b"\n"


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    row = 0  # of a gzip stream, for its errors
    with path.open("rb") as file:
        is_gzip = file.peek(2).startswith(_GZIP_MAGIC)
        stream = gzip.GzipFile(fileobj=file) if is_gzip else file
        try:
            head = stream.read(len(_BYTE_ORDER_MARK)).removeprefix(_BYTE_ORDER_MARK)
            while piece := head + stream.read(size):
                yield piece
                row, head = row + (piece.count(b"\n") if is_gzip else 0), b""
        except EOFError:
            raise bad_line(path, row, _REST, _TRUNCATED) from None
        except (zlib.error, gzip.BadGzipFile) as error:
            raise bad_line(path, row, _REST, f"damaged gzip data ({error})") from None


def read_text(path: Path) -> str:
    """Returns what `read_content` does, as text: UTF-8, or Latin-1 where it is not."""
    content = read_content(path)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_table(path: Path, content: bytes, layout: Layout, separator: str = "\t", num_headers: int = 0) -> pd.DataFrame:
    """Returns the table with columns 0, 1, ...; ids are int64, the others int64 or float64.

    Row r is line r + 1 + `num_headers`, the number of lines before the table.

    Raises ValueError with file and line for a wrong number of fields, an id that is not an integer in 0..2**31-1, and
    any other field that is not a number.
    """
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            sep=separator,
            header=None,
            skiprows=num_headers,
            quoting=3,
            lineterminator="\n",
            skip_blank_lines=False,
            na_filter=False,
            low_memory=False,
        )
    except (ValueError, OverflowError) as error:
        raise _first_problem(path, content, layout, separator, num_headers, str(error)) from None
    ids, others = table.iloc[:, : layout.num_ids], table.iloc[:, layout.num_ids :]
    sound = table.shape[1] in layout.widths and (ids.dtypes == np.int64).all()
    sound = sound and all(dtype.kind in "if" for dtype in others.dtypes) and np.isfinite(others).all(axis=None)
    if not (sound and ids.min(axis=None) >= 0 and ids.max(axis=None) <= _MAX_ID):
        raise _first_problem(path, content, layout, separator, num_headers, "something else")
    return table


def _first_problem(
    path: Path, content: bytes, layout: Layout, separator: str, num_headers: int, reason: str
) -> ValueError:
    """Walks the lines and returns the error of the first one that is at fault."""
    widths, expected = layout.widths, layout.expected
    lines = content.decode("utf-8", "replace").split("\n")[num_headers:]
    for row, line in enumerate(lines, num_headers):
        fields = line.split(separator)
        if len(fields) not in widths:
            return bad_line(path, row, expected, f"{len(fields) - layout.uncounted} in {_shorten(line)}")
        if len(widths) > 1:
            widths, expected = (len(fields),), f"{len(fields)} fields, as on the first line"
        for column, field in enumerate(fields):
            problem = _field_problem(field, column < layout.num_ids)
            if problem:
                return bad_line(path, row, problem, f"{field!r} in field {column + 1}")
    return ValueError(f"{path}: expected {layout.expected}, got {reason}")


def _field_problem(field: str, is_id: bool) -> str | None:
    if not is_id:
        return None if _is_number(field) else "a number"
    digits = field.strip().removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return "an integer id"
    return None if 0 <= int(field) <= _MAX_ID else "an id in 0..2**31-1"


def _is_number(field: str) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False


def _shorten(line: str, width: int = 60) -> str:
    return repr(line if len(line) <= width else line[: width - 3] + "...")
