"""Netflix's ratings in 9 bytes each, and the file that saves reading them again.

It is an .npz file beside the files of blocks, or in the user's cache folder where theirs cannot be written to, and is
read instead of them as long as their names, sizes and times of change are the same.
"""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from ncfjax.data.content import state_of
from ncfjax.data.netflix_blocks import MAX_MOVIE, MAX_USER, RATINGS, read_blocks


class Packed(NamedTuple):
    """Ratings in the order of their files; users and movies are numbered by ascending id."""

    users: Int[np.ndarray, " n"]  # int32
    movies: Int[np.ndarray, " n"]  # int16
    values: Int[np.ndarray, " n"]  # int8
    days: Int[np.ndarray, " n"]  # int16, since 1970-01-01
    user_ids: Int[np.ndarray, " users"]  # int32
    movie_ids: Int[np.ndarray, " movies"]  # int32


def read_packed(paths: Sequence[Path]) -> Packed:
    """Returns what `pack` does, from the cache where that is of the same files; else writes the cache if it can."""
    places = _places(paths)
    source = str([(path.name, *state_of(path)) for path in paths])
    for place in places:
        packed = _read_cache(place, source)
        if packed:
            return packed
    packed = pack(paths)
    any(_write_cache(place, source, packed) for place in places)  # the first that can be written to
    return packed


def _places(paths: Sequence[Path]) -> list[Path]:
    """Where the cache of some files may be; its name tells files of different folders apart."""
    import pooch  # here, because most runs need no cache folder

    digest = hashlib.sha1(str([str(path.resolve()) for path in paths]).encode()).hexdigest()
    folders = paths[0].parent, Path(pooch.os_cache("ncfjax")) / "netflix"
    return [folder / f"combined_data.{digest[:8]}.npz" for folder in folders]


def _read_cache(path: Path, source: str) -> Packed | None:
    """None where there is no file, or one of other files, or one that is damaged."""
    try:
        with path.open("rb") as file, np.load(file) as cache:
            return Packed(*(cache[name] for name in Packed._fields)) if str(cache["source"]) == source else None
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def _write_cache(path: Path, source: str, packed: Packed) -> bool:
    """Returns whether it could be written; the file appears whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            part = Path(scratch) / path.name
            np.savez(part, source=source, **packed._asdict())
            os.replace(part, path)
    except OSError:
        return False
    return True


def pack(paths: Sequence[Path]) -> Packed:
    """Reads some files of blocks piece by piece; raises ValueError with file and line for a bad one."""
    pieces = [piece for path in paths for piece in read_blocks(path, RATINGS)]
    columns = [list(column) for column in zip(*pieces, strict=True)]
    del pieces
    movies, users, values, days = (np.concatenate(columns.pop(0)) for _ in range(4))  # one at a time: less memory
    users, user_ids = _by_ascending_id(users, MAX_USER)
    movies, movie_ids = _by_ascending_id(movies, MAX_MOVIE)
    return Packed(users, movies.astype(np.int16), values, days, user_ids, movie_ids)


def _by_ascending_id(ids: np.ndarray, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns ids as 0, 1, ... in int32, and the distinct ids; np.unique would sort them all."""
    is_there = np.zeros(largest + 1, bool)
    is_there[ids] = True
    numbers = np.cumsum(is_there, dtype=np.int32) - np.int32(1)
    return numbers[ids], np.flatnonzero(is_there).astype(np.int32)
