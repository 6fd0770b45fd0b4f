"""What python -m experiments.imitate can be told: typed keys, and the values that they take.

A configuration describes one job: the static choices (one compiled program) and the axes of its grid. Their product is
the list of its runs, learning_rate x seed. A run is what decides its numbers: where results lie, how often a run is
looked at and which other runs share its program are not part of it.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from experiments.config import ConfigError, StudyConfig, keys_of
from experiments.rules import AXIS_RULES, as_list, check_list, check_memory, check_study, expect, expect_name
from ncfjax.data.dot_pairs import DotPairOptions

ACTIVATIONS = ("relu", "gelu", "silu", "tanh")
SCHEDULES = ("constant", "cosine")
TARGET = "dot"  # what is imitated


@dataclass
class ImitateGridConfig:
    """Each axis is a number or a list of numbers."""

    learning_rate: Any = MISSING
    seed: Any = MISSING


@dataclass
class ImitateConfig:
    num_users: int = MISSING  # as many items
    embedding_dim: int = MISSING
    pairs_per_user: int = MISSING
    num_fresh: int = MISSING
    noise: float = MISSING
    trivial_rmse: float = MISSING
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
    return keys_of(ImitateConfig())


def study_layers(embedding_dim: int, width_multiplier: int) -> list[int]:
    """The study's hidden layers, of a dimension that is even."""
    width = embedding_dim * width_multiplier
    return [2 * width, width, width // 2]


def points(config: ImitateConfig) -> list[ImitatePoint]:
    """The runs of one job, the seed varying fastest."""
    return [ImitatePoint(float(rate), seed) for rate in config.grid.learning_rate for seed in config.grid.seed]


def pair_options(config: ImitateConfig) -> DotPairOptions:
    """Raises ValueError for sizes that cannot be."""
    return DotPairOptions(**{of.name: getattr(config, of.name) for of in fields(DotPairOptions)})


def static_config(config: ImitateConfig) -> dict[str, Any]:
    """What the runs of a job have in common, under the names of the columns of runs.csv."""
    network = {name: getattr(config, name) for name in ("activation", "product", "bilinear", "schedule")}
    training = {name: getattr(config, name) for name in ("batch_size", "num_epochs")}
    return {"target": TARGET, **asdict(pair_options(config)), "layers": config.layers, **network, **training}


def run_config(config: ImitateConfig, point: ImitatePoint) -> dict[str, Any]:
    """One run, whole: two runs are the same run where this is the same."""
    # What is false is left out, so that a later variant does not rename the runs that are stored.
    return {name: value for name, value in static_config(config).items() if value is not False} | point._asdict()


def check(config: ImitateConfig) -> None:
    """Refuses what could only fail, or mean nothing, later.

    Raises:
        ConfigError: naming the key, what was expected and what it got.
    """
    try:
        pair_options(config)
    except ValueError as error:
        raise ConfigError(str(error)) from error
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
