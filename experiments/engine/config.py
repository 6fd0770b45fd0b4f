"""The keys that every study has, and the axes of a grid. A task adds its own keys to these.

A configuration describes one job: its static choices (one compiled program) and the axes of its grid. Their product is
the list of the job's runs, the last axis varying fastest.
"""

import itertools
from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, make_dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import MISSING

from experiments.engine.checks import expect, is_number, is_seed

_ROOT = Path(__file__).resolve().parents[1]
# conf/ lies beside experiments/ in a checkout, and inside it where the package was installed from a wheel.
CONF = next((path for path in (_ROOT / "conf", _ROOT.parent / "conf") if path.is_dir()), _ROOT.parent / "conf")

SPLITS = ("test", "holdout")
PHASES = ("run", "tune", "final")


class Axis(NamedTuple):
    """One axis of a grid: a key of `grid`, a number or a list of numbers."""

    name: str
    is_valid: Callable[[Any], bool]  # one of its values
    expected: str  # what its values are, in words
    kind: type = float


def positive(name: str) -> Axis:
    return Axis(name, lambda value: is_number(value, above=0), "numbers > 0")


def non_negative(name: str) -> Axis:
    return Axis(name, lambda value: is_number(value, least=0), "numbers >= 0")


def counts(name: str) -> Axis:
    return Axis(name, lambda value: type(value) is int and value >= 1, "integers >= 1", int)


SEED = Axis("seed", is_seed, "integers from 0 to 2147483647", int)


def grid_schema(axes: Sequence[Axis]) -> type:
    """The typed keys of `grid`. An axis that is null is not there: some methods do not have it."""
    return make_dataclass("GridConfig", [(axis.name, Any, field(default=None)) for axis in axes])


@cache
def point_type(names: tuple[str, ...]) -> type:
    """One member of a grid: a value per axis, None where the job does not have the axis."""
    return namedtuple("Point", names, defaults=[None] * len(names))


@dataclass
class StudyConfig:
    name: str = MISSING  # the folder under results_dir


@dataclass
class CommonConfig:
    """Of every study. None of these keys makes a run another run."""

    study: StudyConfig = field(default_factory=StudyConfig)
    eval_every: int = MISSING
    data_dir: str | None = None
    results_dir: str = MISSING
    memory_gb: float | None = None
    dry_run: bool = False


@dataclass
class TunableConfig(CommonConfig):
    """Of a study whose grid can compete on a holdout."""

    split: str = MISSING
    phase: str = "run"  # set by tune=true, not by hand
    tune: bool = False
    tune_by: str = MISSING
    final_seeds: Any = field(default_factory=list)  # a number or a list of numbers


def study_schema(keys: type, axes: Sequence[Axis], *, tunable: bool) -> type:
    """The typed keys of a kind of run: its own, then its grid, then those that every study has."""
    common = TunableConfig if tunable else CommonConfig
    grid = field(default_factory=grid_schema(axes))
    return make_dataclass("Config", [("grid", Any, grid)], bases=(common, keys))


def keys_of(config: Any) -> list[str]:
    """The dotted names of all that a typed configuration holds, in order."""

    def walk(node: dict[str, Any], prefix: str) -> Iterable[str]:
        for name, child in node.items():
            yield from walk(child, f"{prefix}{name}.") if isinstance(child, dict) else [prefix + name]

    return list(walk(asdict(config), ""))


def set_keys(config: Any) -> dict[str, Any]:
    """The keys that are set. One that is null or false is left out, so that a later one does not rename old runs."""
    return {key: value for key, value in asdict(config).items() if value is not None and value is not False}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def check_axis(axis: Axis, key: str, values: list[Any]) -> None:
    """Raises ConfigError for an empty list, a value out of range, or one that is there twice."""
    expect(key, bool(values), f"at least one of: {axis.expected}", values)
    for value in values:
        expect(key, axis.is_valid(value), axis.expected, value)
        expect(key, values.count(value) == 1, "each value once", values)


def points(axes: Sequence[Axis], grid: Any) -> list[Any]:
    """The members of a grid that has some of its axes, the last one varying fastest."""
    point = point_type(tuple(axis.name for axis in fields(grid)))
    values = [[axis.kind(value) for value in getattr(grid, axis.name)] for axis in axes]
    names = [axis.name for axis in axes]
    return [point(**dict(zip(names, row, strict=True))) for row in itertools.product(*values)]
