"""A saved model read from its folder, checked against what its model.json says; or left for NumPy alone."""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from ncfjax.data.movies import Movies
from ncfjax.data.ratings import Scale
from ncfjax.data.summary import Summary
from ncfjax.data.text import at_home
from ncfjax.saved.forms import HISTORIES, TYPES, abstract, checkpointer, expect_shapes, named
from ncfjax.saved.model import KINDS, SavedModel
from ncfjax.saved.writing import FORMAT, checksum, names_of
from ncfjax.table import replace_whole


def is_saved(folder: Path) -> bool:
    """Whether there is a model in a folder; `load_model` says whether it is sound."""
    return (folder / "model.json").is_file()


def load_model(folder: Path | str) -> SavedModel:
    """The model of a folder, on this machine's first device.

    Raises:
        ValueError: there is no model, its format or shapes are others, or a file is missing, cut off or damaged.
    """
    folder = at_home(folder)
    metadata = read_metadata(folder)
    config, counts = metadata["config"], (metadata["num_users"], metadata["num_items"])
    _expect_content(folder, metadata)
    saved = named(abstract(config, *metadata["rows"].values())) | _abstract_data(metadata)
    arrays = _read_arrays(folder / "arrays", {name: shape for name, shape in saved.items() if name not in HISTORIES})
    data = _read_data(folder, metadata, arrays)
    model, wanted = abstract(config, *counts), {}
    for name, array in named(model).items():
        if name in HISTORIES:
            wanted[name] = HISTORIES[name](data)
        else:  # without the rows that only fill up
            wanted[name] = arrays[name][tuple(map(slice, array.shape))]
    place = np.asarray if getattr(model, "on_host", False) else jnp.asarray
    model = jax.tree.unflatten(jax.tree.structure(model), [place(array) for array in wanted.values()])
    return SavedModel(folder, metadata["kind"], metadata["method"], model, data, metadata["run"])


def read_metadata(folder: Path) -> dict[str, Any]:
    """What model.json says, its files checked against it; nothing else is read.

    Raises:
        ValueError: as `load_model`, but for shapes.
    """
    path = folder / "model.json"
    if not path.is_file():
        raise ValueError(f"{folder}: expected a saved model, got no model.json")
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
        got = metadata["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected what save_model writes, got {type(error).__name__}: {error}") from error
    if got != FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT}, got {got}: another version of ncfjax saved it")
    form = metadata["config"]["form"]
    if form not in TYPES or metadata["kind"] not in KINDS:
        expected = f"{' or '.join(KINDS)} of {' or '.join(TYPES)}"
        raise ValueError(f"{path}: expected {expected}, got {metadata['kind']} of {form}")
    for name, size in metadata["files"].items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            got = f"{file.stat().st_size} bytes" if file.is_file() else "no file"
            raise ValueError(f"{file}: expected {size} bytes, got {got}")
    return metadata


def _expect_content(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Before orbax reads: what fails there leaves its other readers behind, which Python later complains of."""
    for name, saved in metadata.get("checksums", {}).items():  # what was saved before there were any has none
        got = checksum(folder / name)
        if got != saved:
            raise ValueError(
                f"{folder / name}: expected what was saved (CRC-32 {saved:08x}), got another content ({got:08x})"
            )


def _abstract_data(metadata: Mapping[str, Any]) -> dict[str, jax.ShapeDtypeStruct]:
    data, int32 = metadata["data"], partial(jax.ShapeDtypeStruct, dtype=np.int32)
    sizes, items = int32((metadata["num_users"],)), int32((data["num_interactions"],))
    averages = jax.ShapeDtypeStruct((metadata["num_items"],), np.float32)
    arrays = {"data.history_sizes": sizes, "data.history_items": items}
    return arrays | ({"data.average_ratings": averages} if data["has_averages"] else {})


@contextmanager
def _damage_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever it is that tensorstore stumbles over
        raise ValueError(f"{folder}: expected a sound checkpoint, got {type(error).__name__}: {error}") from error


def _read_arrays(folder: Path, expected: Mapping[str, Any]) -> dict[str, Shaped[Array, "..."]]:
    """The arrays of a checkpoint, which have to be of these shapes; one without entries is in no file."""
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    there = {
        name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device)
        for name, x in expected.items()
        if np.prod(x.shape, dtype=np.int64)
    }
    path = folder.absolute()
    with checkpointer() as orbax:
        with _damage_explained(folder):
            shapes = orbax.metadata(path).item_metadata.tree
        expect_shapes(folder, there, shapes)
        with _damage_explained(folder):
            arrays = orbax.restore(path, there)
    return {name: arrays[name] if name in arrays else jnp.zeros(x.shape, x.dtype) for name, x in expected.items()}


def _read_data(folder: Path, metadata: Mapping[str, Any], arrays: Mapping[str, Array]) -> Summary:
    data = metadata["data"]
    with np.load(folder / "names.npz", allow_pickle=False) as file:
        names = dict(file)
    movies = None
    if data["movies"] is not None:
        titles, genres = tuple(names["titles"].tolist()), tuple(names["genres"].tolist())
        path, ids = Path(data["movies"]), names["movie_ids"]
        movies = Movies(path, ids, titles, names["years"], genres, names["has_genre"])
    scale = data["scale"] and Scale(**data["scale"] | {"words": tuple(data["scale"]["words"])})
    sizes, items = (np.asarray(arrays[f"data.{name}"]) for name in ("history_sizes", "history_items"))
    averages = np.asarray(arrays["data.average_ratings"]) if data["has_averages"] else None
    ids = names["user_ids"], names["item_ids"]
    return Summary(data["name"], data["content"], *ids, sizes, items, averages, scale, movies)


def export_npz(folder: Path | str, file: Path | str) -> None:
    """Writes a saved model as one npz file of plain arrays, whole or not at all, which NumPy alone reads.

    The model's arrays by name, `user_ids`, `item_ids` and the others of names.npz, `history_starts` and `history_items`
    (those of user u are history_items[history_starts[u] : history_starts[u + 1]]), `average_ratings` where there are
    ratings, and `metadata`, the text of model.json.

    Raises:
        ValueError: as `load_model`.
    """
    saved = load_model(folder)
    data = saved.data
    arrays = {name: np.asarray(array) for name, array in named(saved.model).items()} | names_of(data)
    arrays |= {"history_starts": data.history_starts, "history_items": data.history_items}
    if data.average_ratings is not None:
        arrays["average_ratings"] = data.average_ratings
    metadata = np.array((saved.folder / "model.json").read_text(encoding="utf-8"))
    content, path = io.BytesIO(), at_home(file)
    np.savez_compressed(content, metadata=metadata, **arrays)
    replace_whole(path if path.suffix == ".npz" else path.with_name(f"{path.name}.npz"), content.getvalue())
