"""What the data of a job hold of this process's memory, and what it took to read them."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
TEXT_BYTES = 64  # of an id that is a text, about
COMPILING = 300_000_000  # what XLA takes to compile the programs of a block, about, and most of it keeps

_taken: dict[str, int] = {}


def measured(key: str, read: Callable[[], T]) -> tuple[T, int]:
    """What `read` returns, and by how many bytes this process grew at most while the data of that key were read.

    Where they are kept from an earlier time, it is what they took then; 0 where the process had been larger before.
    """
    peak = _peak()
    before = _resident() if peak else 0
    result = read()
    if _peak() > peak:
        _taken[key] = max(_taken.get(key, 0), _peak() - before)
    return result, _taken.get(key, 0)


def _peak() -> int:
    """The most that this process ever held; 0 where the system does not tell."""
    try:  # not getrusage, whose peak is also that of the process that started this one
        return 1024 * int(re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)[1])
    except (OSError, TypeError):
        return 0


def _resident() -> int:
    """What this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def held_bytes(*data: Any) -> int:
    """Of the NumPy arrays in dataclasses and tuples, one that is there twice counted once."""
    return sum({id(array): _nbytes(array) for array in _arrays(data)}.values())


def _arrays(data: Any) -> Iterator[np.ndarray]:
    if isinstance(data, np.ndarray):
        yield data
    parts = [getattr(data, field.name) for field in fields(data)] if is_dataclass(data) else data
    if isinstance(parts, tuple | list):
        for part in parts:
            yield from _arrays(part)


def _nbytes(array: np.ndarray) -> int:
    return array.nbytes + TEXT_BYTES * array.size * (array.dtype == object)
