"""What python -m experiments.imitate can be told: typed keys, and the values that they take.

A configuration describes one job: the static choices (one compiled program) and the axes of its grid. Their product is
the list of its runs, learning_rate x seed. A run is what decides its numbers: where results lie, how often a run is
looked at and which other runs share its program are not part of it.
"""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from experiments.checks import check_dataset
from experiments.config import ConfigError, DatasetConfig, StudyConfig, SyntheticConfig, keys_of, set_keys
from experiments.rules import AXIS_RULES, as_list, check_list, check_memory, check_study, expect, expect_name
from ncfjax.data.dot_pairs import DotPairOptions

# target -> the keys that only it has, of those that are null elsewhere
TARGETS = {"dot": ("num_users", "num_fresh", "trivial_rmse"), "recommender": ("dataset", "teacher")}
ACTIVATIONS = ("relu", "gelu", "silu", "tanh")
SCHEDULES = ("constant", "cosine")


@dataclass
class TeacherConfig:
    """The dot model with biases that target=recommender imitates: objective=expected, optimizer=sgd, the run's seed."""

    learning_rate: float = MISSING
    regularization: float = MISSING
    stddev: float = MISSING
    num_negatives: int = MISSING
    batch_size: int = MISSING  # users
    num_epochs: int = MISSING


@dataclass
class ImitateGridConfig:
    """Each axis is a number or a list of numbers."""

    learning_rate: Any = MISSING
    seed: Any = MISSING


@dataclass
class ImitateConfig:
    target: str = MISSING  # what is imitated
    num_users: int | None = None  # target=dot: as many items
    num_fresh: int | None = None
    trivial_rmse: float | None = None
    dataset: DatasetConfig | None = None  # target=recommender
    teacher: TeacherConfig | None = None
    embedding_dim: int = MISSING
    pairs_per_user: int = MISSING
    noise: float = MISSING
    drop_last_users: bool = False
    width_multiplier: int = MISSING
    layers: Any = None  # list of integers: the widths of the hidden layers; null: those of the study
    activation: str = MISSING
    product: bool = False
    bilinear: bool = False
    schedule: str = MISSING
    batch_size: int = MISSING
    num_epochs: int = MISSING
    eval_every: int = MISSING
    grid: ImitateGridConfig = field(default_factory=ImitateGridConfig)
    study: StudyConfig = field(default_factory=StudyConfig)
    data_dir: str | None = None
    results_dir: str = MISSING
    memory_gb: float | None = None
    dry_run: bool = False


class ImitatePoint(NamedTuple):
    """One member of a grid; the names are those of `grid.*`."""

    learning_rate: float
    seed: int


def register() -> None:
    """Makes the schema known to conf/imitate.yaml, which lists it first."""
    ConfigStore.instance().store(name="imitate_schema", node=ImitateConfig)


def keys() -> list[str]:
    """Every key that a command may set, in the order of the schema."""
    return keys_of(ImitateConfig(dataset=DatasetConfig(synthetic=SyntheticConfig()), teacher=TeacherConfig()))


def study_layers(embedding_dim: int, width_multiplier: int) -> list[int]:
    """The study's hidden layers, of a dimension that is even."""
    width = embedding_dim * width_multiplier
    return [2 * width, width, width // 2]


def points(config: ImitateConfig) -> list[ImitatePoint]:
    """The runs of one job, the seed varying fastest."""
    return [ImitatePoint(float(rate), seed) for rate in config.grid.learning_rate for seed in config.grid.seed]


def pair_options(config: ImitateConfig) -> DotPairOptions:
    """Of target=dot. Raises ValueError for sizes that cannot be."""
    return DotPairOptions(**{of.name: getattr(config, of.name) for of in fields(DotPairOptions)})


def target_config(config: ImitateConfig) -> dict[str, Any]:
    """What is imitated, and on which pairs."""
    if config.target == "dot":
        return {"target": "dot", **asdict(pair_options(config))}
    shared = {name: getattr(config, name) for name in ("target", "embedding_dim", "pairs_per_user", "noise")}
    return shared | {"data": set_keys(config.dataset), "teacher": asdict(config.teacher)}


def network_config(config: ImitateConfig) -> dict[str, Any]:
    """What learns to imitate, and how, under the names of the columns of runs.csv."""
    names = ("layers", "activation", "product", "bilinear", "schedule", "batch_size", "num_epochs")
    return {name: getattr(config, name) for name in names}


def run_config(config: ImitateConfig, point: ImitatePoint) -> dict[str, Any]:
    """One run, whole: two runs are the same run where this is the same."""
    # What is false is left out, so that a later variant does not rename the runs that are stored.
    static = target_config(config) | network_config(config)
    return {name: value for name, value in static.items() if value is not False} | point._asdict()


def _check_target(config: ImitateConfig) -> None:
    expect_name("target", config.target, TARGETS)
    for target, names in TARGETS.items():
        for key in names:
            value, what = getattr(config, key), "a value" if target == config.target else "nothing"
            expect(key, (value is not None) == (target == config.target), f"{what}, as target={config.target}", value)
    if config.target == "dot":
        try:
            pair_options(config)
        except ValueError as error:
            raise ConfigError(str(error)) from error
    else:
        check_dataset(config.dataset)
        _check_teacher(config)


def _check_teacher(config: ImitateConfig) -> None:
    """And what goes with it."""
    for key in ("learning_rate", "regularization", "stddev"):
        is_right, expected = AXIS_RULES[key]
        expect(f"teacher.{key}", is_right(getattr(config.teacher, key)), expected, getattr(config.teacher, key))
    for key in ("num_negatives", "batch_size", "num_epochs"):
        expect(f"teacher.{key}", getattr(config.teacher, key) >= 1, "an integer >= 1", getattr(config.teacher, key))
    is_dim = config.embedding_dim >= 2 and config.embedding_dim % 2 == 0
    expect("embedding_dim", is_dim, "an even number from 2 on", config.embedding_dim)
    expect("pairs_per_user", config.pairs_per_user >= 1, "an integer >= 1", config.pairs_per_user)
    expect("noise", math.isfinite(config.noise) and config.noise >= 0, "a number >= 0", config.noise)
    expect("drop_last_users", not config.drop_last_users, "false, as target=recommender", config.drop_last_users)


def check(config: ImitateConfig) -> None:
    """Refuses what could only fail, or mean nothing, later.

    Raises:
        ConfigError: naming the key, what was expected and what it got.
    """
    _check_target(config)
    for key in ("width_multiplier", "batch_size", "num_epochs", "eval_every"):
        expect(key, getattr(config, key) >= 1, "an integer >= 1", getattr(config, key))
    expect_name("activation", config.activation, ACTIVATIONS)
    expect_name("schedule", config.schedule, SCHEDULES)
    for axis in ImitatePoint._fields:
        check_list(f"grid.{axis}", getattr(config.grid, axis), *AXIS_RULES[axis])
    check_memory(config.memory_gb)
    check_study(config.study)


def check_layers(layers: Any) -> None:
    is_list = isinstance(layers, list) and bool(layers) and all(type(x) is int and x >= 1 for x in layers)
    expect("layers", is_list, "the width of each hidden layer in brackets, such as [32,16,8], or null", layers)


def resolve(config: DictConfig) -> ImitateConfig:
    """The plain, checked form of one composed job: every axis of its grid is a list, and its layers are there.

    Raises:
        ConfigError: a value that cannot be.
    """
    plain = OmegaConf.to_object(config)
    assert isinstance(plain, ImitateConfig)
    for axis in ImitatePoint._fields:
        setattr(plain.grid, axis, as_list(getattr(plain.grid, axis)))
    check(plain)
    if plain.layers is None:
        plain.layers = study_layers(plain.embedding_dim, plain.width_multiplier)
    check_layers(plain.layers)
    return plain
