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
    SPLITS,
    ConfigError,
    DatasetConfig,
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
    why = f"an integer >= {least_dim}" + " (with biases, one is the bias)" * config.model.biases
    _expect("model.embedding_dim", config.model.embedding_dim >= least_dim, why, config.model.embedding_dim)
    for key in ("num_epochs", "eval_every", "objective.batch_size", "objective.num_negatives", "dataset.num_negatives"):
        value = OmegaConf.select(OmegaConf.structured(config), key)
        _expect(key, value >= 1, "an integer >= 1", value)
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
    _check_dataset(config.dataset)
    _check_numbers(config)
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
