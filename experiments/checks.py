"""Refuses a configuration that could only fail, or mean nothing, later; before anything is compiled or written."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.config import (
    AXES,
    CONF,
    MODELS,
    OBJECTIVES,
    OPTIMIZERS,
    PHASES,
    PRETRAININGS,
    SELECT_EPOCHS,
    SPLITS,
    TUNE_BY,
    ConfigError,
    DatasetConfig,
    ModelConfig,
    PretrainingConfig,
    SweepConfig,
    nearest,
)


def _expect(key: str, is_right: bool, expected: str, got: object) -> None:
    if not is_right:
        raise ConfigError(f"{key}: expected {expected}, got {got!r}")


def _expect_name(key: str, got: str, valid: Iterable[str]) -> None:
    if got not in (names := list(valid)):
        raise ConfigError(f"{key}={got}: no such name, {nearest(got, names)}")


def _is_seed(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _number(is_right: Callable[[float], bool]) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and math.isfinite(value) and is_right(value)


_AXIS_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "learning_rate": (_number(lambda x: x > 0), "numbers > 0"),
    "regularization": (_number(lambda x: x >= 0), "numbers >= 0"),
    "stddev": (_number(lambda x: x > 0), "numbers > 0"),
    "negative_weight": (_number(lambda x: x >= 0), "numbers >= 0"),
    "seed": (_is_seed, "integers from 0 to 2147483647"),
}


def _check_list(key: str, values: list[Any], is_right: Callable[[Any], bool], expected: str) -> None:
    _expect(key, bool(values), f"at least one of: {expected}", values)
    for value in values:
        _expect(key, is_right(value), expected, value)
        _expect(key, values.count(value) == 1, "each value once", values)


def _check_numbers(config: SweepConfig) -> None:
    least_dim = 2 if config.model.biases else 1
    why = f"an integer >= {least_dim}" + " (with biases, one is the bias)" * (least_dim - 1)
    _expect("model.embedding_dim", config.model.embedding_dim >= least_dim, why, config.model.embedding_dim)
    for key in ("num_epochs", "eval_every", "objective.batch_size", "objective.num_negatives", "dataset.num_negatives"):
        value = OmegaConf.select(OmegaConf.structured(config), key)
        _expect(key, value >= 1, "an integer >= 1", value)
    flat = not config.objective.shuffle_examples or config.objective.name == "sampled"
    _expect("objective.shuffle_examples", flat, "false unless objective=sampled", True)
    _expect("dataset.seed", _is_seed(config.dataset.seed), "an integer from 0 to 2147483647", config.dataset.seed)
    limit = config.memory_gb
    _expect("memory_gb", limit is None or (math.isfinite(limit) and limit > 0), "a number > 0, or null", limit)


def _check_dataset(dataset: DatasetConfig) -> None:
    for key, name in (("prefix", "ncf"), ("path", "csv")):
        value = getattr(dataset, key)
        if dataset.name == name:
            what = "FOLDER/NAME of the files NAME.train.rating and so on" if key == "prefix" else "the file"
            _expect(f"dataset.{key}", bool(value), f"{what}, as dataset={name}", value)
        else:
            _expect(f"dataset.{key}", value is None, f"nothing, as only dataset={name} has one", value)
    # The sizes themselves are checked where the data are drawn.
    is_right = (dataset.synthetic is not None) == (dataset.name == "synthetic")
    _expect("dataset.synthetic", is_right, "sizes if, and only if, dataset=synthetic", dataset.synthetic)


def _check_options(group: str, config: ModelConfig | PretrainingConfig, of_name: dict[str, tuple[str, ...]]) -> None:
    """The keys of one name's file in conf/, and no others, are set."""
    expected = of_name[config.name]
    for key in sorted({key for keys in of_name.values() for key in keys}):
        value, takers = getattr(config, key), [name for name, keys in of_name.items() if key in keys]
        if key in expected:
            _expect(f"{group}.{key}", value is not None, f"a value, as {group}={config.name}", value)
        else:
            _expect(f"{group}.{key}", value is None, f"nothing, as only {group}={' or '.join(takers)} has one", value)


def _check_layers(model: ModelConfig) -> None:
    """That they fit the embedding: a tower's input holds two vectors, NeuMF's the last part of both."""
    layers, width = model.layers, 2 * model.embedding_dim
    if layers is None:
        return
    is_list = isinstance(layers, list) and all(type(layer) is int for layer in layers)
    _expect("model.layers", is_list, "a list of integers in brackets, such as [64,32,16,8]", layers)
    if model.name == "mlp":
        fits, first = layers[:1] == [width], f"[{width}, ...], 2 * model.embedding_dim first"
    else:
        fits = bool(layers) and layers[0] % 2 == 0 and layers[0] < width
        first = f"an even number below 2 * model.embedding_dim = {width} first"
    is_tower = len(layers) >= 2 and min(layers) >= 1
    _expect("model.layers", fits and is_tower, f"{first}, then the width of each ReLU layer, at least one", layers)


def _check_pretraining(config: SweepConfig) -> None:
    pretraining = config.pretraining
    _check_options("pretraining", pretraining, PRETRAININGS)
    if pretraining.name == "none":
        return
    _expect("pretraining", config.model.name == "neumf", "none unless model=neumf", pretraining.name)
    is_share = pretraining.alpha is not None and 0 <= pretraining.alpha <= 1
    _expect("pretraining.alpha", is_share, "a number from 0 to 1", pretraining.alpha)
    if pretraining.name == "keras":
        is_clean = config.split == "test" and not config.tune
        expected = "none or trained on the holdout, whose items the weights of a file have seen"
        _expect("pretraining", is_clean, expected, "keras")
    else:
        epochs, rate = pretraining.num_epochs, pretraining.learning_rate
        _expect("pretraining.num_epochs", epochs >= 1, "an integer >= 1", epochs)
        _expect("pretraining.learning_rate", math.isfinite(rate) and rate > 0, "a number > 0", rate)


def _check_select_epoch(config: SweepConfig) -> None:
    _expect_name("select_epoch", config.select_epoch, SELECT_EPOCHS)
    if config.select_epoch == "holdout":
        is_right, why = config.tune or config.phase != "run", "last or test, as only tune=true looks at a holdout"
    else:
        is_right, why = config.select_epoch == "last" or not config.tune, "last or holdout, as tune=true"
    _expect("select_epoch", is_right, why, config.select_epoch)
    is_test = config.select_epoch != "test" or config.split == "test"
    _expect("select_epoch", is_test, f"last, as split={config.split}", config.select_epoch)


def check(config: SweepConfig) -> None:
    """Refuses what could only fail, or mean nothing, later.

    Raises:
        ConfigError: naming the key, what was expected and what it got.
    """
    _expect_name("dataset.name", config.dataset.name, sorted(path.stem for path in (CONF / "dataset").glob("*.yaml")))
    _expect_name("model.name", config.model.name, MODELS)
    _expect_name("objective.name", config.objective.name, OBJECTIVES)
    _expect_name("optimizer.name", config.optimizer.name, OPTIMIZERS)
    _expect_name("split", config.split, SPLITS)
    _expect_name("phase", config.phase, PHASES)
    _expect_name("pretraining.name", config.pretraining.name, PRETRAININGS)
    _expect_name("tune_by", config.tune_by, TUNE_BY)
    _check_dataset(config.dataset)
    _check_options("model", config.model, MODELS)
    _check_numbers(config)
    _check_layers(config.model)
    _check_pretraining(config)
    _check_select_epoch(config)
    for axis, rule in _AXIS_RULES.items():
        _check_list(f"grid.{axis}", getattr(config.grid, axis), *rule)
    if config.tune or config.final_seeds:
        _check_list("final_seeds", config.final_seeds, *_AXIS_RULES["seed"])
    is_folder = re.fullmatch(r"\w[\w.+-]*", config.study.name) is not None
    _expect("study.name", is_folder, "the name of a folder: letters, digits, . _ + -", config.study.name)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def resolve(config: DictConfig) -> SweepConfig:
    """The plain, checked form of one composed job; every axis of its grid is a list, final_seeds too.

    Raises:
        ConfigError: a value that cannot be.
    """
    plain = OmegaConf.to_object(config)
    assert isinstance(plain, SweepConfig)
    for axis in AXES:
        value = getattr(plain.grid, axis)
        setattr(plain.grid, axis, _as_list(value))
    plain.final_seeds = _as_list(plain.final_seeds)
    check(plain)
    return plain
