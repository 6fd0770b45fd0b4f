"""How the values of keys are refused: `key: expected ..., got ...`."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from experiments.config import ConfigError, StudyConfig, nearest


def expect(key: str, is_right: bool, expected: str, got: object) -> None:
    if not is_right:
        raise ConfigError(f"{key}: expected {expected}, got {got!r}")


def expect_name(key: str, got: str, valid: Iterable[str]) -> None:
    if got not in (names := list(valid)):
        raise ConfigError(f"{key}={got}: no such name, {nearest(got, names)}")


def is_seed(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _number(is_right: Callable[[float], bool]) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and math.isfinite(value) and is_right(value)


# Of `grid.*`.
AXIS_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "learning_rate": (_number(lambda x: x > 0), "numbers > 0"),
    "regularization": (_number(lambda x: x >= 0), "numbers >= 0"),
    "stddev": (_number(lambda x: x > 0), "numbers > 0"),
    "negative_weight": (_number(lambda x: x >= 0), "numbers >= 0"),
    "seed": (is_seed, "integers from 0 to 2147483647"),
}


def check_list(key: str, values: list[Any], is_right: Callable[[Any], bool], expected: str) -> None:
    expect(key, bool(values), f"at least one of: {expected}", values)
    for value in values:
        expect(key, is_right(value), expected, value)
        expect(key, values.count(value) == 1, "each value once", values)


def check_memory(limit: float | None) -> None:
    expect("memory_gb", limit is None or (math.isfinite(limit) and limit > 0), "a number > 0, or null", limit)


def check_study(study: StudyConfig) -> None:
    is_folder = re.fullmatch(r"\w[\w.+-]*", study.name) is not None
    expect("study.name", is_folder, "the name of a folder: letters, digits, . _ + -", study.name)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
