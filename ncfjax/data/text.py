"""The text of files, and how a line of one is refused: `file:line: expected ..., got ...`.

A file is plain or gzip by its content, whatever its name. Line ends of Windows and of old Macs, a missing last newline,
empty lines at the end and a byte-order mark are read as a user would expect.
"""

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REST, _TRUNCATED = "the rest of the gzip stream", "its early end (a truncated gzip file)"


def bad_line(path: Path, row: int, expected: str, got: str) -> ValueError:
    """Returns the error for the zero-based `row` of a file."""
    return ValueError(f"{path}:{row + 1}: expected {expected}, got {got}")


@contextmanager
def about(*paths: Path | None) -> Iterator[None]:
    """Puts the files in front of the message of a ValueError that names none of them."""
    names = [str(path) for path in paths if path is not None]
    try:
        yield
    except ValueError as error:
        if any(name in str(error) for name in names):
            raise
        raise ValueError(f"{', '.join(names)}: {error}") from error


def check_memory(error: Exception) -> None:
    """Raises MemoryError for pandas' error of a table that was not the table's fault."""
    if "out of memory" in str(error):
        raise MemoryError(str(error)) from error


def find_file(path: Path) -> Path | None:
    """Returns `path` or `path` + ".gz", the first that is a file, else None."""
    candidates = (path, Path(f"{path}.gz"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def is_gzip(file: BufferedReader) -> bool:
    """Whether an open file is compressed, whatever its name."""
    return file.peek(2).startswith(_GZIP_MAGIC)


def read_raw(path: Path) -> bytes:
    """Returns the bytes of a plain or gzip file; raises ValueError for a damaged or truncated gzip stream."""
    try:
        content = path.read_bytes()
    except OSError as error:  # of a disk, it names no file
        raise OSError(error.errno, error.strerror, str(path)) from error
    return _decompress(path, content) if content.startswith(_GZIP_MAGIC) else content


def read_content(path: Path) -> bytes:
    """Returns the text of a plain or gzip file with Unix line ends and no empty lines at its end.

    Raises ValueError for an empty file, for a NUL byte, at which NumPy would end a name, and for a gzip stream that is
    damaged or ends too early.
    """
    content = read_raw(path).removeprefix(_BYTE_ORDER_MARK)
    if (place := content.find(b"\0")) >= 0:
        raise bad_line(
            path, content.count(b"\n", 0, place), "text in UTF-8", "a NUL byte, which UTF-16 and other forms have"
        )
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n")
        if b"\n" not in content.rstrip():  # nor between the lines of an old Mac
            content = content.replace(b"\r", b"\n")
    content = without_last_blanks(content)
    if not content.strip():
        raise bad_line(path, 0, "at least one row", "an empty file")
    return content


def without_last_blanks(content: bytes) -> bytes:
    """Some lines without the empty ones at the end, blanks in them or not; the last one has no line end."""
    end = content.find(b"\n", len(content.rstrip()))
    return content if end < 0 else content[:end]


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
        cut = rest.rfind(b"\n", 0, len(rest.rstrip())) + 1
        if cut:
            lines, rest, is_empty = rest[:cut], rest[cut:], False
            yield lines.replace(b"\r\n", b"\n") if b"\r" in lines else lines
    last = without_last_blanks(rest.replace(b"\r\n", b"\n"))
    if not last.strip() and is_empty:
        raise bad_line(path, 0, "at least one row", "an empty file")
    if last.strip():
        yield last + b"\n"


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    row = 0  # of a gzip stream, for its errors
    with path.open("rb") as file:
        is_packed = is_gzip(file)
        stream = gzip.GzipFile(fileobj=file) if is_packed else file
        try:
            head = stream.read(len(_BYTE_ORDER_MARK)).removeprefix(_BYTE_ORDER_MARK)
            while piece := head + stream.read(size):
                yield piece
                row, head = row + (piece.count(b"\n") if is_packed else 0), b""
        except EOFError:
            raise bad_line(path, row, _REST, _TRUNCATED) from None
        except (zlib.error, gzip.BadGzipFile) as error:
            raise bad_line(path, row, _REST, f"damaged gzip data ({error})") from None


def at_home(path: Path | str) -> Path:
    """A path whose ~ or ~USER is that home folder; it stays where there is no such user."""
    return Path(os.path.expanduser(path))


def decoded(path: Path, content: bytes) -> str:
    """Returns the lines of a file as text; raises ValueError with file and line where they are not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start)
        raise bad_line(path, row, "text in UTF-8", repr(content[error.start : error.end])) from None


def read_text(path: Path) -> str:
    """Returns what `read_content` does, as text: UTF-8, or Latin-1 where it is not."""
    return _in_any_encoding(read_content(path))


def _in_any_encoding(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def without_blanks(content: bytes, separator: str) -> bytes:
    """Returns some lines without white space at the ends of their fields."""
    blank, end = rf"[^\S\n{separator}]+", rf"[\n{separator}]"
    return re.sub(rf"{blank}(?={end}|\Z)|(?:(?<={end})|\A){blank}", "", _in_any_encoding(content)).encode()
