"""Members in the middle of their training, kept in a folder so that a kill costs a few epochs and not all of them.

    <folder>/<name>-<epoch>.npz    one member: its train state, and what the caller wants kept beside it

A file is there whole or not at all, and NumPy alone reads it. The last one of a member counts; the earlier ones go when
it is there.
"""

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ncfjax.table import replace_whole

_LEAF = "train_state."  # then its number in the order of the tree


class Checkpoint(NamedTuple):
    """One member after `epoch` epochs."""

    epoch: int
    train_state: Any
    kept: dict[str, np.ndarray]  # by name


def save_checkpoint(folder: Path, name: str, epoch: int, train_state: Any, kept: Mapping[str, np.ndarray]) -> None:
    """Writes a checkpoint, then removes the earlier ones of this name.

    Raises:
        OSError: it cannot be written.
    """
    leaves = {f"{_LEAF}{number}": np.asarray(leaf) for number, leaf in enumerate(jax.tree.leaves(train_state))}
    content, path = io.BytesIO(), folder / f"{name}-{epoch}.npz"
    np.savez(content, **kept, **leaves)
    folder.mkdir(parents=True, exist_ok=True)
    replace_whole(path, content.getvalue())
    for other in _there(folder, name).values():
        if other != path:
            other.unlink(missing_ok=True)


def load_checkpoint(folder: Path, name: str, train_state: Any, most_epochs: int) -> Checkpoint | None:
    """The last checkpoint of a member that has at most so many epochs; None where there is none.

    `train_state` has its shapes, without numbers.

    Raises:
        ValueError: it is damaged, or of other shapes.
    """
    there = {epoch: path for epoch, path in _there(folder, name).items() if epoch <= most_epochs}
    if not there:
        return None
    epoch = max(there)
    expected, tree = jax.tree.flatten(train_state)
    try:
        with np.load(there[epoch]) as file:
            arrays = dict(file)
        leaves = [arrays.pop(f"{_LEAF}{number}") for number in range(len(expected))]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{there[epoch]}: expected a sound checkpoint, got {type(error).__name__}: {error}") from error
    for wanted, got in zip(expected, leaves, strict=True):
        if (wanted.shape, wanted.dtype) != (got.shape, got.dtype):
            shapes = f"expected {wanted.dtype}{list(wanted.shape)}, got {got.dtype}{list(got.shape)}"
            raise ValueError(f"{there[epoch]}: {shapes}")
    return Checkpoint(epoch, jax.tree.unflatten(tree, map(jnp.asarray, leaves)), arrays)


def remove_checkpoints(folder: Path, name: str) -> None:
    """All of a member."""
    for path in _there(folder, name).values():
        path.unlink(missing_ok=True)


def _there(folder: Path, name: str) -> dict[int, Path]:
    """Epoch -> the checkpoint of a member; what a killed writer left has another name."""
    if not folder.is_dir():
        return {}
    found = ((re.fullmatch(rf"{re.escape(name)}-(\d+)\.npz", path.name), path) for path in folder.iterdir())
    return {int(match[1]): path for match, path in found if match}
