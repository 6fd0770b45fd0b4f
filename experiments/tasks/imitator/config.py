"""The keys of python -m experiments.imitate: types, which values they take, what makes a run what it is."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from omegaconf import MISSING

from experiments.engine.checks import ConfigError, expect, expect_count, expect_name, expect_options, is_number
from experiments.engine.config import non_negative, positive, set_keys
from experiments.tasks.data import DatasetConfig, check_dataset
from experiments.tasks.ranking import METRIC_COLUMNS
from ncfjax.data.dot_pairs import DotPairOptions
from ncfjax.models.imitator import ACTIVATIONS, study_layers
from ncfjax.training.imitation import SCHEDULES

# target -> the keys that only it has, of those that are null elsewhere
TARGETS = {"dot": ("num_users", "num_fresh", "trivial_rmse"), "recommender": ("dataset", "teacher")}
SHARED = ("target", "embedding_dim", "pairs_per_user", "noise")
NETWORK = ("layers", "activation", "product", "bilinear", "schedule", "batch_size", "num_epochs")


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
class ImitateKeys:
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


COLUMNS: dict[str, type] = {
    "target": str,  # dot | recommender: what is imitated
    "dataset": str,  # of the recommender
    "negatives": str,  # where the evaluation's negatives come from
    "note": str,
    "teacher": str,  # how the recommender was fitted
    "num_users": int,
    "num_items": int,  # empty: as many
    "embedding_dim": int,
    "width_multiplier": int,  # empty where the layers are not the study's
    "layers": str,  # 32-16-8: the width of each hidden layer
    "activation": str,
    "product": str,  # true | empty: the input holds the elementwise product too
    "bilinear": str,  # true | empty: a bilinear form is added to the score
    "schedule": str,
    "pairs_per_user": int,
    "drop_last_users": str,  # true | empty: the last users are in no pair, as in the study's script
    "num_fresh": int,
    "noise": float,
    "trivial_rmse": float,
    "learning_rate": float,
    "batch_size": int,
    "seed": int,
    "num_epochs": int,
    "rmse_test": float,
    "rmse_fresh": float,
    "rmse_dot_test": float,
    "rmse_dot_fresh": float,
    "rmse_trivial_test": float,
    # Of the ranking that an imitator of a recommender gives, and of the recommender's own.
    **{f"{teacher}{metric}": float for teacher in ("", "dot_") for metric in METRIC_COLUMNS if "mrr" not in metric},
}
OUTCOMES = frozenset(column for column in COLUMNS if column.startswith("rmse_") or "@" in column)

# ---- what makes a run what it is


def layers_of(config: Any) -> list[int]:
    return study_layers(config.embedding_dim, config.width_multiplier) if config.layers is None else config.layers


def pair_options(config: Any) -> DotPairOptions:
    """Of target=dot. Raises ValueError for sizes that cannot be."""
    return DotPairOptions(**{option.name: getattr(config, option.name) for option in fields(DotPairOptions)})


def target_identity(config: Any) -> dict[str, Any]:
    """What is imitated, and on which pairs."""
    if config.target == "dot":
        return {"target": "dot", **asdict(pair_options(config))}
    shared = {name: getattr(config, name) for name in SHARED}
    return shared | {"data": set_keys(config.dataset), "teacher": asdict(config.teacher)}


def network(config: Any) -> dict[str, Any]:
    """What learns to imitate, and how, under the names of the columns of runs.csv."""
    return {name: getattr(config, name) for name in NETWORK} | {"layers": layers_of(config)}


def identity(config: Any, point: Any) -> dict[str, Any]:
    # What is false is left out, so that a later variant does not rename the runs that are stored.
    static = target_identity(config) | network(config)
    return {name: value for name, value in static.items() if value is not False} | point._asdict()


# ---- what is refused


def check(config: Any) -> None:
    """Refuses what could only fail, or mean nothing, later.

    Raises:
        ConfigError: naming the key, what was expected and what it got.
    """
    _check_target(config)
    for key in ("width_multiplier", "batch_size", "num_epochs"):
        expect_count(key, getattr(config, key))
    expect_name("activation", config.activation, ACTIVATIONS)
    expect_name("schedule", config.schedule, SCHEDULES)
    layers = layers_of(config)
    is_list = isinstance(layers, list) and bool(layers) and all(type(width) is int and width >= 1 for width in layers)
    expect("layers", is_list, "the width of each hidden layer in brackets, such as [32,16,8], or null", layers)


def _check_target(config: Any) -> None:
    expect_name("target", config.target, TARGETS)
    expect_options("", config, TARGETS, f"target={config.target}")
    if config.target == "dot":
        try:
            pair_options(config)
        except ValueError as error:
            raise ConfigError(str(error)) from error
    else:
        check_dataset(config.dataset)
        _check_teacher(config)


def _check_teacher(config: Any) -> None:
    """And what goes with it."""
    for axis in (positive("learning_rate"), non_negative("regularization"), positive("stddev")):
        value = getattr(config.teacher, axis.name)
        expect(f"teacher.{axis.name}", axis.is_valid(value), axis.expected, value)
    for key in ("num_negatives", "batch_size", "num_epochs"):
        expect_count(f"teacher.{key}", getattr(config.teacher, key))
    is_dim = config.embedding_dim >= 2 and config.embedding_dim % 2 == 0
    expect("embedding_dim", is_dim, "an even number from 2 on", config.embedding_dim)
    expect_count("pairs_per_user", config.pairs_per_user)
    expect("noise", is_number(config.noise, least=0), "a number >= 0", config.noise)
    expect("drop_last_users", not config.drop_last_users, "false, as target=recommender", config.drop_last_users)
