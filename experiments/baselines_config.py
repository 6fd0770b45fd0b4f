"""What python -m experiments.baselines can be told: typed keys, and the values that they take.

A configuration describes one job: a method with its static choices, and the axes of its grid. Their product is the list
of its runs. `run_config` is what makes a run what it is, and `run_id` is its hash: where results lie and how often a
run is looked at are not part of it.
"""

import itertools
import math
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from experiments.checks import check_dataset
from experiments.config import (
    PHASES,
    SPLITS,
    TUNE_BY,
    DatasetConfig,
    StudyConfig,
    SyntheticConfig,
    data_config,
    keys_of,
    set_keys,
)
from experiments.rules import AXIS_RULES, as_list, check_list, check_memory, check_study, expect, expect_name
from ncfjax.evaluation.ranking_rules import SELF_NEGATIVES, TIES


class Keys(NamedTuple):
    """What a method is told: static keys of `baseline`, and axes of `grid`."""

    static: tuple[str, ...]
    axes: tuple[str, ...]


BASELINES = {
    "popularity": Keys((), ()),
    "item_knn": Keys((), ("num_neighbors", "shrinkage")),
    "ease": Keys((), ("regularization",)),
    "slim": Keys(("num_sweeps",), ("l1", "l2")),
    "ials": Keys(
        ("embedding_dim", "block_size", "num_epochs"), ("regularization", "unobserved_weight", "nu", "stddev", "seed")
    ),
}


def _is_number(value: Any, least: float) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= least


# Of `grid.*`, where a method's rule is not that of the sweep.
_RULES = AXIS_RULES | {
    "num_neighbors": (lambda value: type(value) is int and value >= 1, "integers >= 1"),
    **{axis: (lambda value: _is_number(value, 0), "numbers >= 0") for axis in ("shrinkage", "l1", "l2", "nu")},
    **{
        axis: (lambda value: _is_number(value, 0) and value > 0, "numbers > 0")
        for axis in ("regularization", "unobserved_weight")
    },
}


@dataclass
class BaselineConfig:
    name: str = MISSING
    embedding_dim: int | None = None
    block_size: int | None = None
    num_epochs: int | None = None
    num_sweeps: int | None = None


@dataclass
class BaselineGridConfig:
    """Each axis is a number or a list of numbers; null where the method has no such axis."""

    num_neighbors: Any = None
    shrinkage: Any = None
    l1: Any = None
    l2: Any = None
    regularization: Any = None
    unobserved_weight: Any = None
    nu: Any = None
    stddev: Any = None
    seed: Any = None


@dataclass
class EvaluationConfig:
    ties: str = MISSING
    self_negatives: str = MISSING


@dataclass
class BaselinesConfig:
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    grid: BaselineGridConfig = field(default_factory=BaselineGridConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    study: StudyConfig = field(default_factory=StudyConfig)
    eval_every: int = MISSING
    tune_by: str = MISSING
    split: str = MISSING
    phase: str = "run"  # set by tune=true, not by hand
    tune: bool = False
    final_seeds: Any = field(default_factory=list)  # a number or a list of numbers
    data_dir: str | None = None
    results_dir: str = MISSING
    memory_gb: float | None = None
    dry_run: bool = False


class BaselinePoint(NamedTuple):
    """One member of a grid; the names are those of `grid.*`, None where the method has no such axis."""

    num_neighbors: int | None = None
    shrinkage: float | None = None
    l1: float | None = None
    l2: float | None = None
    regularization: float | None = None
    unobserved_weight: float | None = None
    nu: float | None = None
    stddev: float | None = None
    seed: int | None = None


AXES = BaselinePoint._fields
_WHOLE = ("num_neighbors", "seed")  # axes of integers


def register() -> None:
    """Makes the schema known to conf/baselines.yaml, which lists it first."""
    ConfigStore.instance().store(name="baselines_schema", node=BaselinesConfig)


def keys() -> list[str]:
    """Every key that a command may set, in the order of the schema; `phase` is the command's own."""
    whole = BaselinesConfig(dataset=DatasetConfig(synthetic=SyntheticConfig()))
    return [key for key in keys_of(whole) if key != "phase"]


def points(config: BaselinesConfig) -> list[BaselinePoint]:
    """The runs of one job, the last axis of the method varying fastest."""
    axes = [axis for axis in AXES if axis in BASELINES[config.baseline.name].axes]
    values = [[v if axis in _WHOLE else float(v) for v in getattr(config.grid, axis)] for axis in axes]
    return [BaselinePoint(**dict(zip(axes, point, strict=True))) for point in itertools.product(*values)]


def parameters(config: BaselinesConfig, point: BaselinePoint) -> dict[str, Any]:
    """All that the method is told, by name."""
    static = {key: getattr(config.baseline, key) for key in BASELINES[config.baseline.name].static}
    return static | {axis: value for axis, value in point._asdict().items() if value is not None}


def run_config(config: BaselinesConfig, point: BaselinePoint) -> dict[str, Any]:
    """One run, whole: two runs are the same run where this is the same."""
    told = {"phase": config.phase, "data": data_config(config), "baseline": config.baseline.name}
    strict = {"ties": TIES[0], "self_negatives": SELF_NEGATIVES[0]}
    # The rule that everyone has is left out, so that a later rule does not rename the runs that are stored.
    rules = {name: value for name, value in asdict(config.evaluation).items() if value != strict[name]}
    return told | parameters(config, point) | rules


def _check_keys(config: BaselinesConfig) -> None:
    """The keys of one method are set, and no others."""
    name = config.baseline.name
    for group, of, keys in (("baseline", config.baseline, "static"), ("grid", config.grid, "axes")):
        for key in sorted({key for known in BASELINES.values() for key in getattr(known, keys)}):
            takers = [taker for taker, known in BASELINES.items() if key in getattr(known, keys)]
            value = getattr(of, key)
            if name in takers:
                expect(f"{group}.{key}", value is not None, f"a value, as baseline={name}", value)
            else:
                expect(
                    f"{group}.{key}", value is None, f"nothing, as only baseline={' or '.join(takers)} has it", value
                )


def _check_static(baseline: BaselineConfig) -> None:
    for key, value in set_keys(baseline).items():
        expect(f"baseline.{key}", key == "name" or value >= 1, "an integer >= 1", value)
    if baseline.block_size is not None:
        divides = baseline.embedding_dim % baseline.block_size == 0
        why = f"a divisor of baseline.embedding_dim={baseline.embedding_dim}"
        expect("baseline.block_size", divides, why, baseline.block_size)


def _check_evaluation(config: BaselinesConfig) -> None:
    expect_name("evaluation.ties", config.evaluation.ties, TIES)
    expect_name("evaluation.self_negatives", config.evaluation.self_negatives, SELF_NEGATIVES)
    is_strict = (config.evaluation.ties, config.evaluation.self_negatives) == (TIES[0], SELF_NEGATIVES[0])
    strict = f"ties: {TIES[0]}, self_negatives: {SELF_NEGATIVES[0]}, as tune=true"
    expect("evaluation", is_strict or not config.tune, strict, asdict(config.evaluation))


def check(config: BaselinesConfig) -> None:
    """Refuses what could only fail, or mean nothing, later.

    Raises:
        ConfigError: naming the key, what was expected and what it got.
    """
    expect_name("baseline.name", config.baseline.name, BASELINES)
    expect_name("split", config.split, SPLITS)
    expect_name("phase", config.phase, PHASES)
    expect_name("tune_by", config.tune_by, TUNE_BY)
    check_dataset(config.dataset)
    _check_keys(config)
    _check_static(config.baseline)
    _check_evaluation(config)
    axes = BASELINES[config.baseline.name].axes
    for axis in axes:
        check_list(f"grid.{axis}", getattr(config.grid, axis), *_RULES[axis])
    if config.baseline.name == "slim":
        has_penalty = not (0 in config.grid.l1 and 0 in config.grid.l2)
        expect("grid.l1, grid.l2", has_penalty, "numbers that are not both 0", (config.grid.l1, config.grid.l2))
    if config.tune and "seed" in axes:
        check_list("final_seeds", config.final_seeds, *_RULES["seed"])
    expect("eval_every", config.eval_every >= 1, "an integer >= 1", config.eval_every)
    check_memory(config.memory_gb)
    check_study(config.study)


def resolve(config: DictConfig) -> BaselinesConfig:
    """The plain, checked form of one composed job; every axis of its grid that is set is a list, final_seeds too.

    Raises:
        ConfigError: a value that cannot be.
    """
    plain = OmegaConf.to_object(config)
    assert isinstance(plain, BaselinesConfig)
    for axis in AXES:
        if (value := getattr(plain.grid, axis)) is not None:
            setattr(plain.grid, axis, as_list(value))
    plain.final_seeds = as_list(plain.final_seeds)
    check(plain)
    return plain
