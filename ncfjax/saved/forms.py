"""What a model is made of: its arrays by name, and what states their shapes beside the counts of users and items."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ncfjax.baselines.item_based import ItemBased, SparseItemBased
from ncfjax.baselines.popularity import Popularity
from ncfjax.baselines.user_knn import UserBased
from ncfjax.data.history import pack_history
from ncfjax.data.summary import Summary
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import make_similarity
from ncfjax.ratings.model import CenteredRecommender, RatingModel

# What a model has of the data's histories, by name: it is not saved twice.
HISTORIES: dict[str, Callable[[Summary], np.ndarray]] = {
    "history": lambda data: pack_history(data.interactions()),
    "history_items": lambda data: data.history_items,
    "history_starts": lambda data: data.history_starts.astype(np.int32),
}

Model = Recommender | ItemBased | SparseItemBased | UserBased | Popularity | RatingModel | CenteredRecommender


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


def _zeros(*sizes: int, dtype: Any = jnp.int32) -> jax.Array:
    return jnp.zeros(sizes, dtype)


def _make_sparse_item_based(config: Mapping[str, Any], num_users: int, num_items: int) -> SparseItemBased:
    sizes = config["num_weights"], num_items + 1, config["num_interactions"], num_users + 1
    return SparseItemBased(_zeros(sizes[0], dtype=jnp.float32), _zeros(sizes[0]), *map(_zeros, sizes[1:]))


def _make_user_based(config: Mapping[str, Any], num_users: int, num_items: int) -> UserBased:
    pairs, starts = config["num_weights"], num_users + 1
    floats = _zeros(pairs, dtype=jnp.float32), _zeros(dtype=jnp.float32)
    history = _zeros(config["num_interactions"]), _zeros(starts)
    return UserBased(*floats, _zeros(pairs), _zeros(starts), _zeros(), _zeros(), *history)


FORMS: dict[type, _Form] = {
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
    SparseItemBased: _Form(
        lambda model: {"num_weights": len(model.weights), "num_interactions": len(model.history_items)},
        lambda model: (len(model.history_starts) - 1, len(model.starts) - 1),
        _make_sparse_item_based,
    ),
    UserBased: _Form(
        lambda model: {"num_weights": len(model.similarities), "num_interactions": len(model.history_items)},
        lambda model: (len(model.starts) - 1, int(model.num_items)),
        _make_user_based,
    ),
}
TYPES = {cls.__name__: cls for cls in FORMS}


def checkpointer():
    """Orbax's, which waits for no other process: one alone writes or reads the whole of a model."""
    import orbax.checkpoint as ocp  # a second and a half, and only where a model is saved or loaded

    if jax.process_count() == 1:
        return ocp.StandardCheckpointer()
    number = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=number, active_processes={number}, barrier_sync_key_prefix=f"process {number}"
    )
    return ocp.StandardCheckpointer(multiprocessing_options=alone)


def abstract(config: Mapping[str, Any], num_users: int, num_items: int) -> Any:
    """A model of the configuration, shapes without numbers."""
    return jax.eval_shape(partial(FORMS[TYPES[config["form"]]].make, config, num_users, num_items))


def named(model: Any) -> dict[str, Any]:
    """The arrays of a model by name: "user", "similarity.output.weight"."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(model)
    names = (jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value") for path, _ in leaves)
    return dict(zip(names, (leaf for _, leaf in leaves), strict=True))


def _shape(array: Any) -> str:
    return f"{np.dtype(array.dtype).name}{list(array.shape)}"


def expect_shapes(where: Path, expected: Mapping[str, Any], got: Mapping[str, Any]) -> None:
    """Raises ValueError naming an array that is missing, not known, or of another shape or type."""
    for name in [*expected, *(name for name in got if name not in expected)]:
        shapes = [_shape(arrays[name]) if name in arrays else "none" for arrays in (expected, got)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{where}: {name}: expected {shapes[0]}, got {shapes[1]}")
