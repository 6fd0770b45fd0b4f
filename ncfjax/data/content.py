"""What identifies data: the first 16 digits of a SHA-256 of their content.

A file's does not depend on its name and place, nor on .gz: two files of one name are told apart, and a file that has
changed is known to be new data. Hashing reads a file once, at 1.5 GB/s (.gz at 0.3 GB/s), and again only after it has
changed.
"""

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ncfjax.data.text import is_gzip

_PIECE = 2**20  # bytes


class Content(NamedTuple):
    """Of a data set that a configuration names, before it is read."""

    digest: str = ""  # of its files; empty where there is none, or one is still to be downloaded
    other: str = ""  # a part of a run's identity: of a user's own files, or of others than those known by their name


def of_arrays(*arrays: np.ndarray | None) -> str:
    """Of values, types and shapes; None is left out."""
    digest = hashlib.sha256()
    for array in arrays:
        if array is not None:
            array = np.ascontiguousarray(array)
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def state_of(path: Path) -> tuple[int, ...]:
    """What is another one after a file has changed: of its times the one that nobody can set, too."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def of_file(path: Path) -> str:
    """Of one file, as it is without gzip; empty for one that cannot be read, which is refused where it is."""
    try:
        return _of_file(path, *state_of(path))
    except (OSError, EOFError, zlib.error):
        return ""


@lru_cache(maxsize=256)
def _of_file(path: Path, *state: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        stream = gzip.GzipFile(fileobj=file) if is_gzip(file) else file
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()[:16]


def of_files(paths: Sequence[Path | None]) -> str:
    """Of several files in their order, one that is optional and not there being None; of a single one its own."""
    contents = ["" if path is None else of_file(path) for path in paths]
    if any(path is not None and not content for path, content in zip(paths, contents, strict=True)):
        return ""
    return contents[0] if len(contents) == 1 else hashlib.sha256(",".join(contents).encode()).hexdigest()[:16]
