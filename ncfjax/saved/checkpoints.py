"""Members in the middle of their training, kept in a folder so that a kill costs a few epochs and not all of them.

    <folder>/<name>-<epoch>.npz    one member: its train state, and what the caller wants kept beside it

A file is there whole or not at all, and NumPy alone reads it.
"""

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ncfjax.table import replace_whole

_LEAF = "train_state."  # then its number in the order of the tree


class Checkpoint(NamedTuple):
    """One member after `epoch` epochs."""

    epoch: int
    train_state: Any
    kept: dict[str, np.ndarray]  # by name


def save_checkpoint(folder: Path, name: str, epoch: int, train_state: Any, kept: Mapping[str, np.ndarray]) -> None:
    """Writes a checkpoint; earlier ones stay.

    Raises:
        OSError: it cannot be written.
    """
    leaves = {f"{_LEAF}{number}": np.asarray(leaf) for number, leaf in enumerate(jax.tree.leaves(train_state))}
    content = io.BytesIO()
    np.savez(content, **kept, **leaves)
    folder.mkdir(parents=True, exist_ok=True)
    replace_whole(_path(folder, name, epoch), content.getvalue())


def epochs_of(folder: Path, name: str) -> set[int]:
    """After which epochs a member has a checkpoint; what a killed writer left is none."""
    if not folder.is_dir():
        return set()
    matches = (re.fullmatch(rf"{re.escape(name)}-(\d+)\.npz", path.name) for path in folder.iterdir())
    return {int(match[1]) for match in matches if match}


def load_checkpoint(folder: Path, name: str, epoch: int, train_state: Any) -> Checkpoint:
    """The checkpoint of a member after an epoch; `train_state` has its shapes, without numbers.

    Raises:
        ValueError: it is damaged, or of other shapes.
        OSError: it cannot be read, or is not there any more.
    """
    path = _path(folder, name, epoch)
    expected, tree = jax.tree.flatten(train_state)
    try:
        with path.open("rb") as file, np.load(file) as stored:
            arrays = dict(stored)
        leaves = [arrays.pop(f"{_LEAF}{number}") for number in range(len(expected))]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: expected a sound checkpoint, got {type(error).__name__}: {error}") from error
    for wanted, got in zip(expected, leaves, strict=True):
        if (wanted.shape, wanted.dtype) != (got.shape, got.dtype):
            shapes = f"expected {wanted.dtype}{list(wanted.shape)}, got {got.dtype}{list(got.shape)}"
            raise ValueError(f"{path}: {shapes}")
    return Checkpoint(epoch, jax.tree.unflatten(tree, leaves), arrays)


def remove_checkpoints(folder: Path, name: str, last: int) -> None:
    """Those of a member up to an epoch, and what a killed writer left of one; a longer run's stay."""
    for epoch in epochs_of(folder, name):
        if epoch <= last:
            _path(folder, name, epoch).unlink(missing_ok=True)
    for part in folder.glob(f".{name}-*.part") if folder.is_dir() else ():
        part.unlink(missing_ok=True)


def _path(folder: Path, name: str, epoch: int) -> Path:
    return folder / f"{name}-{epoch}.npz"
