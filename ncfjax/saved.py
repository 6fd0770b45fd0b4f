"""Saved models: a folder with all that it takes to use a trained model; the data set's files are not needed.

    model.json    format, kind, what rebuilds the model's shape, true counts, the row of its run, every file's size
    arrays/       an orbax checkpoint: the arrays of the model, every user's history, every item's average rating
    names.npz     what users and items are called in the data set's files; titles, years and genres where known

All is written to a hidden folder beside it, which then takes its name: killed at any moment, a writer leaves a whole
model or none. What is read is checked against what model.json says: another format, other shapes, a file that is
missing or cut off are refused by name.

    kind           models                                        score
    recommender    any similarity                                a logit
    baseline       popularity; item_knn, ease, slim; ials        the method's own
    rating         means, biases, factors; any similarity        a rating, off the scale too
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from ncfjax.baselines.item_based import USERS_PER_BLOCK, ItemBased
from ncfjax.baselines.popularity import Popularity
from ncfjax.data.history import pack_history
from ncfjax.data.movies import Movies
from ncfjax.data.ratings import Scale
from ncfjax.data.summary import Summary
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import make_similarity
from ncfjax.ratings.model import CenteredRecommender, RatingModel
from ncfjax.table import sync, write_whole

FORMAT = 1  # of the folder; raised when an older reader would misread it
KINDS = ("recommender", "baseline", "rating")

_LOCK_SECONDS = 600.0  # a model of 1 GB takes seconds
_HISTORY = "history"  # of an item-based method: it is that of the data

Model = Recommender | ItemBased | Popularity | RatingModel | CenteredRecommender


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A model that was trained before, and what is known of its users and items. Users and items go by their numbers:
    their places in `data.user_ids` and `data.item_ids`."""

    folder: Path
    kind: str  # one of KINDS
    method: str  # what a table calls it: "neumf", "ease", "alternating"
    model: Model
    data: Summary
    run: dict[str, Any] = field(repr=False)  # the row of its run: what is not empty of it

    def score_all(self, users: Int[np.ndarray, " users"] | Sequence[int]) -> Float[np.ndarray, "users items"]:
        """Scores of every item for each of the given users; one program is compiled for each number of users."""
        return np.array(_score_all(self.model, jnp.asarray(users)))  # a copy, so that a caller may mask it

    def score(self, users: Int[np.ndarray, " n"], items: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Scores of pairs."""
        match self.model:
            case RatingModel() | CenteredRecommender():
                return self.model.predict(users, items)
            case Recommender():
                return np.asarray(_score(self.model, jnp.asarray(users), jnp.asarray(items)))
        scores = np.empty(len(users), np.float32)
        for start in range(0, len(users), USERS_PER_BLOCK):
            rows = slice(start, start + USERS_PER_BLOCK)
            distinct, places = np.unique(users[rows], return_inverse=True)
            scores[rows] = self.score_all(distinct)[places, items[rows]]
        return scores


_score_all = jax.jit(lambda model, users: model.score_all(users))
_score = jax.jit(lambda model, users, items: model.score(users, items))


# ---- what a model is made of


class _Form(NamedTuple):
    """A type of model: what states the shapes of its arrays beside the counts of users and items, and who has how many
    rows (a table may be padded)."""

    config: Callable[[Any], dict[str, Any]]
    rows: Callable[[Any], tuple[int, int]]
    make: Callable[[Mapping[str, Any], int, int], Any]  # traced for its shapes alone


def _make_recommender(config: Mapping[str, Any], num_users: int, num_items: int) -> Recommender:
    dim = config["embedding_dim"]
    similarity = make_similarity(config["similarity"], dim, key=jax.random.key(0), **config["options"])
    return Recommender.from_tables(jnp.zeros((num_users, dim)), jnp.zeros((num_items, dim)), similarity)


def _recommender_config(model: Recommender) -> dict[str, Any]:
    return {"similarity": model.similarity.name, "embedding_dim": model.user.shape[1]}


def _recommender_rows(model: Recommender) -> tuple[int, int]:
    return len(model.user), len(model.item)


def _make_rating_model(config: Mapping[str, Any], num_users: int, num_items: int) -> RatingModel:
    shapes = (), (num_users,), (num_items,), (num_users, config["num_factors"]), (num_items, config["num_factors"])
    return RatingModel(*map(jnp.zeros, shapes))


_FORMS: dict[type, _Form] = {
    Recommender: _Form(_recommender_config, _recommender_rows, _make_recommender),
    CenteredRecommender: _Form(
        lambda model: _recommender_config(model.recommender),
        lambda model: _recommender_rows(model.recommender),
        lambda *sizes: CenteredRecommender(jnp.zeros(()), _make_recommender(*sizes)),
    ),
    RatingModel: _Form(
        lambda model: {"num_factors": model.theta.shape[1]},
        lambda model: (len(model.theta), len(model.x)),
        _make_rating_model,
    ),
    Popularity: _Form(
        lambda model: {},
        lambda model: (0, len(model.counts)),
        lambda _, num_users, num_items: Popularity(jnp.zeros(num_items)),
    ),
    ItemBased: _Form(
        lambda model: {},
        lambda model: (len(model.history), len(model.weights)),
        lambda _, num_users, num_items: ItemBased(
            jnp.zeros((num_items, num_items)), jnp.zeros((num_users, -(-num_items // 8)), jnp.uint8)
        ),
    ),
}
_TYPES = {cls.__name__: cls for cls in _FORMS}


def _abstract(config: Mapping[str, Any], num_users: int, num_items: int) -> Any:
    """A model of the configuration, shapes without numbers."""
    return jax.eval_shape(partial(_FORMS[_TYPES[config["form"]]].make, config, num_users, num_items))


def _named(model: Any) -> dict[str, Any]:
    """The arrays of a model by name: "user", "similarity.output.weight"."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(model)
    names = (jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value") for path, _ in leaves)
    return dict(zip(names, (leaf for _, leaf in leaves), strict=True))


def _shape(array: Any) -> str:
    return f"{np.dtype(array.dtype).name}{list(array.shape)}"


def _expect_shapes(where: Path, expected: Mapping[str, Any], got: Mapping[str, Any]) -> None:
    """Raises ValueError naming an array that is missing, not known, or of another shape or type."""
    for name in [*expected, *(name for name in got if name not in expected)]:
        shapes = [_shape(arrays[name]) if name in arrays else "none" for arrays in (expected, got)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{where}: {name}: expected {shapes[0]}, got {shapes[1]}")


# ---- saving


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
    if type(model) not in _FORMS:
        raise ValueError(f"{folder}: expected a model that is one of {', '.join(_TYPES)}, got {type(model).__name__}")
    form = _FORMS[type(model)]
    config = {"form": type(model).__name__, **form.config(model)}
    if "similarity" in config:
        config["options"] = dict(options or {})
    rows, arrays = form.rows(model), _named(model)
    _expect_shapes(folder, _named(_abstract(config, *rows)), arrays)
    if rows[1] < data.num_items or ("user" in arrays and rows[0] < data.num_users):
        expected = f"tables of at least {data.num_users} users and {data.num_items} items"
        raise ValueError(f"{folder}: expected {expected}, got {rows[0]} and {rows[1]}")
    arrays.pop(_HISTORY, None)
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
            _write(part, arrays | _data_arrays(data), _names(data), metadata)
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


def _names(data: Summary) -> dict[str, np.ndarray]:
    names = {"user_ids": data.user_ids, "item_ids": data.item_ids}
    if data.movies is None:
        return names
    _, ids, titles, years, genres, has_genre = data.movies
    texts = {"titles": np.array(titles, str), "genres": np.array(genres, str)}
    return names | texts | {"movie_ids": ids, "years": years, "has_genre": has_genre}


def _write(part: Path, arrays: dict[str, Any], names: dict[str, np.ndarray], metadata: dict[str, Any]) -> None:
    import orbax.checkpoint as ocp  # a second and a half, and only where a model is saved or loaded

    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save((part / "arrays").absolute(), {name: x for name, x in arrays.items() if x.size})
        checkpointer.wait_until_finished()
    np.savez_compressed(part / "names.npz", **names)
    files = sorted(path for path in part.rglob("*") if path.is_file())
    for path in [*files, *(path.parent for path in files)]:
        sync(path)
    sizes = {path.relative_to(part).as_posix(): path.stat().st_size for path in files}
    text = json.dumps(metadata | {"files": sizes}, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(part / "model.json", text.encode(), os.O_TRUNC)
    sync(part)


def _put_in_place(part: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.rename(folder, old)
    os.rename(part, folder)
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


# ---- loading


def is_saved(folder: Path) -> bool:
    """Whether there is a model in a folder; `load_model` says whether it is sound."""
    return (folder / "model.json").is_file()


def load_model(folder: Path | str) -> SavedModel:
    """The model of a folder, on this machine's first device.

    Raises:
        ValueError: no model is there, it is of another format, of other shapes, or a file is missing or cut off.
    """
    folder = Path(folder)
    metadata = read_metadata(folder)
    config, counts = metadata["config"], (metadata["num_users"], metadata["num_items"])
    saved = _named(_abstract(config, *metadata["rows"].values())) | _abstract_data(metadata)
    has_history = saved.pop(_HISTORY, None) is not None
    arrays = _read_arrays(folder / "arrays", saved)
    data = _read_data(folder, metadata, arrays)
    model, wanted = _abstract(config, *counts), {}
    for name, array in _named(model).items():
        if name == _HISTORY and has_history:
            wanted[name] = jnp.asarray(pack_history(data.interactions()))
        else:  # without the rows that only fill up
            wanted[name] = arrays[name][tuple(map(slice, array.shape))]
    model = jax.tree.unflatten(jax.tree.structure(model), list(wanted.values()))
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
        metadata = json.loads(path.read_text())
        got = metadata["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected what save_model writes, got {type(error).__name__}: {error}") from error
    if got != FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT}, got {got}: another version of ncfjax saved it")
    form = metadata["config"]["form"]
    if form not in _TYPES or metadata["kind"] not in KINDS:
        expected = f"{' or '.join(KINDS)} of {' or '.join(_TYPES)}"
        raise ValueError(f"{path}: expected {expected}, got {metadata['kind']} of {form}")
    for name, size in metadata["files"].items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            got = f"{file.stat().st_size} bytes" if file.is_file() else "no file"
            raise ValueError(f"{file}: expected {size} bytes, got {got}")
    return metadata


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


def _read_arrays(folder: Path, abstract: Mapping[str, Any]) -> dict[str, Shaped[Array, "..."]]:
    """The arrays of a checkpoint, which have to be of these shapes; one without entries is in no file."""
    import orbax.checkpoint as ocp

    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    there = {
        name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device)
        for name, x in abstract.items()
        if np.prod(x.shape, dtype=np.int64)
    }
    path = folder.absolute()
    with ocp.StandardCheckpointer() as checkpointer:
        with _damage_explained(folder):
            shapes = checkpointer.metadata(path).item_metadata.tree
        _expect_shapes(folder, there, shapes)
        with _damage_explained(folder):
            arrays = checkpointer.restore(path, there)
    return {name: arrays[name] if name in arrays else jnp.zeros(x.shape, x.dtype) for name, x in abstract.items()}


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


# ---- leaving this package


def export_npz(folder: Path | str, file: Path | str) -> None:
    """Writes a saved model as one npz file of plain arrays, which NumPy alone reads.

    The model's arrays by name, `user_ids`, `item_ids` and the others of names.npz, `history_starts` and `history_items`
    (those of user u are history_items[history_starts[u] : history_starts[u + 1]]), `average_ratings` where there are
    ratings, and `metadata`, the text of model.json.

    Raises:
        ValueError: as `load_model`.
    """
    saved = load_model(folder)
    data = saved.data
    arrays = {name: np.asarray(array) for name, array in _named(saved.model).items()} | _names(data)
    arrays |= {"history_starts": data.history_starts, "history_items": data.history_items}
    if data.average_ratings is not None:
        arrays["average_ratings"] = data.average_ratings
    np.savez_compressed(file, metadata=np.array((Path(folder) / "model.json").read_text()), **arrays)
