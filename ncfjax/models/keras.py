"""Weights that the authors of NCF saved with Keras 1: HDF5 files, as in the folder Pretrain/ of their code.

    GMF     user_embedding/user_embedding_W [users, dim]    item_embedding/item_embedding_W [items, dim]
            prediction/prediction_W [dim, 1]                prediction/prediction_b [1]
    MLP     the same behind a tower, whose first layer reads [p; q]:
            layer1/layer1_W [2 * dim, width]                layer1/layer1_b [width]                 then layer2, ...

He et al., WWW 2017, arXiv:1708.05031; https://github.com/hexiangnan/neural_collaborative_filtering. The shapes that a
file states are checked before an array of it is read.
"""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.gmf import GMF
from ncfjax.models.similarities.mlp import MLP


def read_keras(path: Path, *, num_users: int, num_items: int) -> Recommender:
    """The GMF or MLP of a file, float32; its weights are not regularised, as the authors trained it.

    Raises FileNotFoundError, and ValueError for what is no such file or belongs to a data set of other sizes.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected weights that Keras 1 saved (HDF5), got no file")
    h5py = _import_h5py()
    try:
        with h5py.File(path) as file:
            return _read(path, file, num_users, num_items)
    except (OSError, RuntimeError, KeyError) as error:  # h5py raises any of them where a file is damaged
        raise ValueError(f"{path}: expected a sound HDF5 file, got: {error}") from error


def _import_h5py():
    try:
        import h5py
    except ImportError as error:
        raise ImportError("weights saved by Keras: expected h5py, got none: pip install -e '.[keras]'") from error
    return h5py


def _read(path: Path, file, num_users: int, num_items: int) -> Recommender:
    depth = sum(re.fullmatch(r"layer\d+", str(name)) is not None for name in file)
    hidden = [f"layer{n + 1}" for n in range(depth)]
    user, item = (_find(path, file, f"{side}_embedding", "W", 2) for side in ("user", "item"))
    kernels = [_find(path, file, layer, "W", 2) for layer in [*hidden, "prediction"]]
    biases = [_find(path, file, layer, "b", 1) for layer in [*hidden, "prediction"]]

    if (len(user), len(item)) != (num_users, num_items):
        expected = f"weights of {num_users} users and {num_items} items"
        raise ValueError(f"{path}: expected {expected}, got {len(user)} and {len(item)}")
    dim = user.shape[1]
    layers = (2 * dim if hidden else dim, *(kernel.shape[1] for kernel in kernels[:-1]))
    shapes = list(zip(layers, (*layers[1:], 1), strict=True))
    _expect_shapes(path, [item, *kernels, *biases], [(num_items, dim), *shapes, *(shape[1:] for shape in shapes)])

    tower = [[_values(path, array) for array in arrays[:-1]] for arrays in (kernels, biases)]
    weight, bias = _values(path, kernels[-1])[:, 0], _values(path, biases[-1])[0]
    similarity = _similarity(layers, *tower, weight, bias)
    return Recommender.from_tables(_values(path, user), _values(path, item), similarity)


def _find(path: Path, file, layer: str, letter: str, ndim: int):
    """The array of a layer, not read yet."""
    name = f"{layer}/{layer}_{letter}"
    array = file.get(name)
    if not hasattr(array, "shape"):  # missing, or a group
        raise ValueError(f"{path}: expected an array {name}, got none among {', '.join(map(str, file)) or 'no layers'}")
    if array.ndim != ndim or array.dtype.kind != "f" or array.size == 0:
        expected = f"{name} as numbers of {ndim} dimension(s)"
        raise ValueError(f"{path}: expected {expected}, got {array.dtype} {array.shape}")
    return array


def _expect_shapes(path: Path, arrays: Sequence, shapes: Sequence[tuple[int, ...]]) -> None:
    for array, shape in zip(arrays, shapes, strict=True):
        if array.shape != shape:
            raise ValueError(f"{path}: expected {array.name.lstrip('/')} of shape {shape}, got {array.shape}")


def _values(path: Path, array) -> Float[Array, "..."]:
    values = np.asarray(array, np.float32)
    if not np.isfinite(values).all():
        got = values[~np.isfinite(values)][0]
        raise ValueError(f"{path}: expected finite numbers in {array.name.lstrip('/')}, got {got}")
    return jnp.asarray(values)


def _similarity(
    layers: tuple[int, ...],
    kernels: Sequence[Float[Array, "_ _"]],
    biases: Sequence[Float[Array, " _"]],
    weight: Float[Array, " width"],
    bias: Float[Array, ""],
) -> GMF | MLP:
    key = jax.random.key(0)
    if not kernels:  # shapes alone: what would be drawn is replaced
        similarity = jax.eval_shape(partial(GMF, layers[0], regularize_weights=False), key=key)
    else:
        build = partial(MLP, layers[0] // 2, layers=layers, regularize_weights=False)
        similarity = jax.eval_shape(build, key=key)
        similarity.tower.kernels = nnx.List([nnx.Param(kernel) for kernel in kernels])
        similarity.tower.biases = nnx.List([nnx.Param(bias) for bias in biases])
    similarity.output.weight, similarity.output.bias = nnx.Param(weight), nnx.Param(bias)
    return similarity
