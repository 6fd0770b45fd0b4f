"""The keys of a sweep: their types, which values they take, and what makes a run what it is.

The keys of a model are those that the similarities declare (ncfjax/models/similarity.py): a new one needs no line here.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, make_dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from experiments.engine.checks import ConfigError, expect, expect_count, expect_name, expect_options, is_number
from experiments.engine.config import set_keys
from experiments.tasks.data import DATA_COLUMNS, DatasetConfig, data_identity
from experiments.tasks.ranking import METRIC_COLUMNS
from ncfjax.models.similarity import Key, check_similarity, similarity_class, similarity_names, with_defaults
from ncfjax.store import ORIGIN_COLUMNS

OBJECTIVES = ("expected", "sampled")
OPTIMIZERS = ("sgd", "adam", "lazy_adam")
# name -> its keys in conf/pretraining/
PRETRAININGS = {"none": (), "trained": ("alpha", "num_epochs", "learning_rate"), "keras": ("alpha", "gmf", "mlp")}
SELECT_EPOCHS = ("last", "holdout", "test")


def declared_keys() -> dict[str, Key]:
    """The keys of all similarities, by name."""
    keys = {name: key for model in similarity_names() for name, key in similarity_class(model).keys.items()}
    return dict(sorted(keys.items()))


def _typed(key: Key) -> Any:
    return Any if key.kind is tuple else key.kind | None


def model_schema() -> type:
    """The typed keys of `model`."""
    fixed = [("name", str, field(default=MISSING)), ("embedding_dim", int, field(default=MISSING))]
    declared = [(name, _typed(key), field(default=None)) for name, key in declared_keys().items()]
    return make_dataclass("ModelConfig", [*fixed, *declared])


@dataclass
class PretrainingConfig:
    """What NeuMF starts from: nothing, a GMF and an MLP trained before it, or weights in Keras files."""

    name: str = "none"
    alpha: float | None = None  # GMF's share in the joined output weights
    num_epochs: int | None = None  # pretraining=trained: of each of the two, by Adam
    learning_rate: float | None = None
    gmf: str | None = None  # pretraining=keras: the files
    mlp: str | None = None


@dataclass
class ObjectiveConfig:
    name: str = MISSING
    batch_size: int = MISSING  # expected: users; sampled: positives, or examples if they are shuffled
    num_negatives: int = MISSING
    shuffle_examples: bool = False  # sampled: a batch mixes positives and negatives of many users, as in NCF's code
    reject_positives: bool = False  # true: negatives are items that the user has not in training, as in NCF's code


@dataclass
class OptimizerConfig:
    name: str = MISSING


def sweep_keys() -> type:
    """The keys of a sweep beside those that every study has."""
    parts = {
        "dataset": DatasetConfig,
        "model": model_schema(),  # embedding_dim is of the whole vector: with biases it includes the bias
        "pretraining": PretrainingConfig,
        "objective": ObjectiveConfig,
        "optimizer": OptimizerConfig,
    }
    fields = [(name, part, field(default_factory=part)) for name, part in parts.items()]
    return make_dataclass("Sweep", [*fields, ("num_epochs", int, MISSING), ("select_epoch", str, "last")])


def columns() -> dict[str, type]:
    """Of the table, between those of the data and the metrics.

    Raises:
        ConfigError: a similarity declares a key of the name of another column.
    """
    declared = {name: key.kind if key.kind in (int, float) else str for name, key in declared_keys().items()}
    before = {"note": str, "model": str, "embedding_dim": int}
    after = {
        "objective": str,
        "num_negatives": int,
        "reject_positives": str,  # true | empty: a sampled negative may be a positive
        "shuffle_examples": str,  # true | empty: a batch holds a positive with all its negatives
        "negative_weight": float,
        "optimizer": str,
        "pretraining": str,  # empty | how its parts were trained before, and alpha
        "learning_rate": float,
        "regularization": float,
        "stddev": float,
        "seed": int,
        "num_epochs": int,
        "select_epoch": str,  # holdout | test | empty for the last: the split on which the epoch was chosen
        "epoch": int,  # of the metrics
        "batch_size": int,
    }
    taken = {"run_id", "status", "phase", "study", *before, *after, *DATA_COLUMNS, *METRIC_COLUMNS, *ORIGIN_COLUMNS}
    for name in sorted(taken & declared.keys()):
        raise ConfigError(f"model.{name}: expected a name that no column of the tables has, got {name}")
    return before | declared | after  # layers: 64-32-16-8, the width of a tower's input, then of each layer


def model_cells(model: Any) -> dict[str, Any]:
    """The cells of the similarity's own keys."""
    keys = similarity_class(model.name).keys
    return {name: _cell(keys[name], value) for name, value in model_options(model).items()}


def _cell(key: Key, value: Any) -> Any:
    if key.default_is_blank and value == key.default:
        return None
    if key.kind is bool:
        return str(value).lower()
    return "-".join(map(str, value)) if key.kind is tuple else value


# ---- what makes a run what it is


def identity(config: Any, point: Any) -> dict[str, Any]:
    run = {
        "phase": config.phase,
        "data": data_identity(config),
        "model": _model_identity(config.model),
        "objective": set_keys(config.objective),
        "optimizer": set_keys(config.optimizer),
        "num_epochs": config.num_epochs,
        **point._asdict(),
    }
    if config.pretraining.name != "none":
        run["pretraining"] = set_keys(config.pretraining) | weight_files(config.pretraining)
    if config.select_epoch == "test":  # then evaluating more often may find a better epoch
        run |= {"select_epoch": "test", "eval_every": config.eval_every}
    return run


def _model_identity(model: Any) -> dict[str, Any]:
    """Without what is false, as in `set_keys`, and without a default that is as if the key were not there."""
    keys = similarity_class(model.name).keys
    named = {
        name: value
        for name, value in model_options(model).items()
        if value is not False and not (keys[name].default_is_unnamed and value == keys[name].default)
    }
    return {"name": model.name, "embedding_dim": model.embedding_dim, **named}


def weight_files(pretraining: PretrainingConfig) -> dict[str, str]:
    """What pretraining=keras starts from, by content: other weights at the same path are another run."""
    if pretraining.name != "keras":
        return {}
    return {branch: _content(Path(str(getattr(pretraining, branch)))) for branch in ("gmf", "mlp")}


def _content(path: Path) -> str:
    """The start of the file's SHA-256; the path where there is no file, which is refused before anything is trained."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else str(path)


# ---- what is refused


def check(config: Any) -> None:
    """Refuses what could only fail, or mean nothing, later.

    Raises:
        ConfigError: naming the key, what was expected and what it got.
    """
    expect_name("objective.name", config.objective.name, OBJECTIVES)
    expect_name("optimizer.name", config.optimizer.name, OPTIMIZERS)
    expect_name("pretraining.name", config.pretraining.name, PRETRAININGS)
    _check_model(config.model)
    expect_count("num_epochs", config.num_epochs)
    for key in ("batch_size", "num_negatives"):
        expect_count(f"objective.{key}", getattr(config.objective, key))
    flat = not config.objective.shuffle_examples or config.objective.name == "sampled"
    expect("objective.shuffle_examples", flat, "false unless objective=sampled", True)
    _check_pretraining(config)
    _check_select_epoch(config)


def model_options(model: Any) -> dict[str, Any]:
    """Every key that the similarity declares: its value, or its default where it is null."""
    return with_defaults(model.name, model.embedding_dim, asdict(model))


def _check_model(model: Any) -> None:
    expect_name("model.name", model.name, similarity_names())
    options = {key: getattr(model, key) for key in declared_keys()}
    given = {key: value for key, value in options.items() if value is not None}
    try:
        check_similarity(model.name, model.embedding_dim, given)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_pretraining(config: Any) -> None:
    pretraining = config.pretraining
    expect_options("pretraining", pretraining, PRETRAININGS, f"pretraining={pretraining.name}")
    if pretraining.name == "none":
        return
    expect("pretraining", config.model.name == "neumf", "none unless model=neumf", pretraining.name)
    is_share = pretraining.alpha is not None and 0 <= pretraining.alpha <= 1
    expect("pretraining.alpha", is_share, "a number from 0 to 1", pretraining.alpha)
    if pretraining.name == "keras":
        is_clean = config.split == "test" and not config.tune
        expected = "none or trained on the holdout, whose items the weights of a file have seen"
        expect("pretraining", is_clean, expected, "keras")
    else:
        expect_count("pretraining.num_epochs", pretraining.num_epochs)
        is_rate = is_number(pretraining.learning_rate, above=0)
        expect("pretraining.learning_rate", is_rate, "a number > 0", pretraining.learning_rate)


def _check_select_epoch(config: Any) -> None:
    expect_name("select_epoch", config.select_epoch, SELECT_EPOCHS)
    if config.select_epoch == "holdout":
        is_right, why = config.tune or config.phase != "run", "last or test, as only tune=true evaluates on a holdout"
    else:
        is_right, why = config.select_epoch == "last" or not config.tune, "last or holdout, as tune=true"
    expect("select_epoch", is_right, why, config.select_epoch)
    is_test = config.select_epoch != "test" or config.split == "test"
    expect("select_epoch", is_test, f"last, as split={config.split}", config.select_epoch)


# ---- what conf/ computes with


def pick(swept: str | int, values: Mapping[Any, Any]) -> Any:
    """What a study sets for one of several swept values: ${pick:${model.name},{mlp:32,neumf:40}}.

    Raises:
        ConfigError: it sets nothing for this one.
    """
    if swept not in values:
        raise ConfigError(f"{swept}: expected one of {', '.join(map(str, values))}, for which this study is made")
    return values[swept]
