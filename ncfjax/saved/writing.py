"""A model written to a folder, whole or not at all."""

import json
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock
import jax
import numpy as np

from ncfjax.data.summary import Summary
from ncfjax.saved.forms import FORMS, HISTORIES, TYPES, abstract, checkpointer, expect_shapes, named
from ncfjax.table import sync, write_whole

FORMAT = 1  # of the folder; raised when an older reader would misread it

_LOCK_SECONDS = 600.0  # a model of 1 GB takes seconds


def save_model(
    folder: Path,
    model: Any,
    *,
    kind: str,
    method: str,
    data: Summary,
    options: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model to a folder, whole or not at all; one that is there is replaced.

    Args:
        model: a Model; anything else is refused below.
        options: of a recommender's similarity, all that it was made with.
        run: values that JSON knows; None and NaN are left out.

    Raises:
        ValueError: a model of a type that has no form here, options that do not make this model, tables with fewer rows
            than there are users or items.
        OSError: it cannot be written.
    """
    if type(model) not in FORMS:
        raise ValueError(f"{folder}: expected a model that is one of {', '.join(TYPES)}, got {type(model).__name__}")
    form = FORMS[type(model)]
    config = {"form": type(model).__name__, **form.config(model)}
    if "similarity" in config:
        config["options"] = dict(options or {})
    rows, arrays = form.rows(model), named(model)
    expect_shapes(folder, named(abstract(config, *rows)), arrays)
    if rows[1] < data.num_items or ("user" in arrays and rows[0] < data.num_users):
        expected = f"tables of at least {data.num_users} users and {data.num_items} items"
        raise ValueError(f"{folder}: expected {expected}, got {rows[0]} and {rows[1]}")
    arrays = {name: array for name, array in arrays.items() if name not in HISTORIES}
    metadata = {
        "format": FORMAT,
        "kind": kind,
        "method": method,
        "config": config,
        "num_users": data.num_users,
        "num_items": data.num_items,
        "rows": {"users": rows[0], "items": rows[1]},
        "data": _data_metadata(data),
        "run": {name: value for name, value in (run or {}).items() if value is not None and value == value},
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder.parent / ".lock", timeout=_LOCK_SECONDS, poll_interval=0.01):
        part = folder.with_name(f".{folder.name}.part")  # one name, so that a killed writer's rest is overwritten
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir()
            _write(part, arrays | _data_arrays(data), names_of(data), metadata)
            _put_in_place(part, folder)
        except BaseException:  # Ctrl-C too
            shutil.rmtree(part, ignore_errors=True)
            raise


def _data_metadata(data: Summary) -> dict[str, Any]:
    return {
        "name": data.name,
        "content": data.content,
        "num_interactions": len(data.history_items),
        "has_averages": data.average_ratings is not None,
        "scale": None if data.scale is None else asdict(data.scale),
        "movies": None if data.movies is None else data.movies.path.name,
    }


def _data_arrays(data: Summary) -> dict[str, np.ndarray]:
    averages = {} if data.average_ratings is None else {"data.average_ratings": data.average_ratings}
    return {"data.history_sizes": data.history_sizes, "data.history_items": data.history_items, **averages}


def names_of(data: Summary) -> dict[str, np.ndarray]:
    names = {"user_ids": data.user_ids, "item_ids": data.item_ids}
    if data.movies is None:
        return names
    _, ids, titles, years, genres, has_genre = data.movies
    texts = {"titles": np.array(titles, str), "genres": np.array(genres, str)}
    return names | texts | {"movie_ids": ids, "years": years, "has_genre": has_genre}


def checksum(path: Path) -> int:
    """The CRC-32 of a file, read in pieces of 16 MB."""
    value = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 24):
            value = zlib.crc32(piece, value)
    return value


def _write(part: Path, arrays: dict[str, Any], names: dict[str, np.ndarray], metadata: dict[str, Any]) -> None:
    with checkpointer() as orbax:
        # Of several processes orbax takes from a device only what is spread over all of them.
        place = np.asarray if jax.process_count() > 1 else lambda x: x
        orbax.save((part / "arrays").absolute(), {name: place(x) for name, x in arrays.items() if x.size})
        orbax.wait_until_finished()
    np.savez_compressed(part / "names.npz", **names)
    files = sorted(path for path in part.rglob("*") if path.is_file())
    for path in [*files, *(path.parent for path in files)]:
        sync(path)
    names_and_paths = [(path.relative_to(part).as_posix(), path) for path in files]
    sizes = {name: path.stat().st_size for name, path in names_and_paths}
    checksums = {name: checksum(path) for name, path in names_and_paths}
    metadata = metadata | {"files": sizes, "checksums": checksums}
    text = json.dumps(metadata, indent=1, ensure_ascii=False, allow_nan=False)
    # A file's name may hold bytes that are no text: \udcff is an escape of JSON too.
    write_whole(part / "model.json", text.encode(errors="backslashreplace"), os.O_TRUNC)
    sync(part)


def _put_in_place(part: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.rename(folder, old)
    os.rename(part, folder)
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
