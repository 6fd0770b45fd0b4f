"""The keys of python -m experiments.imitate: which values they take, and what makes a run what it is."""

from dataclasses import asdict, fields
from typing import Any

from experiments.engine.checks import expect
from experiments.engine.config import Choice
from experiments.tasks.data import DATASET, check_dataset, dataset_identity
from experiments.tasks.ranking import METRIC_COLUMNS, TIE_COLUMNS
from ncfjax.data.dot_pairs import DotPairOptions
from ncfjax.keys import COUNT, FLAG, LARGEST, NON_NEGATIVE, POSITIVE, SEED, Key, anything, one_of
from ncfjax.models import imitator_keys
from ncfjax.models.imitator_keys import study_layers

SCHEDULES = ("constant", "cosine")
SHARED = ("target", "embedding_dim", "pairs_per_user", "noise")
NETWORK = ("layers", "activation", "product", "bilinear", "schedule", "batch_size", "num_epochs")


_LAYERS = imitator_keys.KEYS["layers"]
_NUMBER = Key(float, anything, "a number")
# Sizes and noise of target=dot are checked by DotPairOptions.
KEYS: dict[str, Key] = {
    "embedding_dim": Key(int, anything, "an even number from 2 on", most=LARGEST),
    "pairs_per_user": Key(int, anything, "an integer >= 1", most=LARGEST),
    "noise": _NUMBER,
    "drop_last_users": FLAG,
    "width_multiplier": COUNT,
    **imitator_keys.KEYS,
    "layers": _LAYERS._replace(expected=f"{_LAYERS.expected}, or null", default=None),  # null: the study's
    "schedule": one_of(*SCHEDULES),
    "batch_size": COUNT,
    "num_epochs": COUNT,
    "grid.learning_rate": POSITIVE,
    "grid.seed": SEED,
}
# The dot model with biases that target=recommender imitates: objective=expected, optimizer=sgd, the run's seed.
TEACHER: dict[str, Key] = {
    "teacher.learning_rate": POSITIVE,
    "teacher.regularization": NON_NEGATIVE,
    "teacher.stddev": POSITIVE,
    "teacher.num_negatives": COUNT,
    "teacher.batch_size": COUNT,  # users
    "teacher.num_epochs": COUNT,
}
TARGET = Choice(
    "target",
    {
        "dot": {
            "num_users": Key(int, anything, "an integer >= 1", most=LARGEST),
            "num_fresh": COUNT,
            "trivial_rmse": _NUMBER,
        },
        "recommender": TEACHER | {name: key._replace(default=None) for name, key in DATASET.keys.items()},
    },
)
CHOICES = (TARGET, DATASET._replace(is_optional=True))

COLUMNS: dict[str, type | str] = {
    "target": "target",
    "dataset": str,  # of the recommender
    "content": str,  # of its files
    "negatives": str,  # where the evaluation's negatives come from
    "note": str,
    "teacher": str,  # how the recommender was fitted
    "num_users": "num_users",
    "num_items": int,  # empty: as many
    "embedding_dim": "embedding_dim",
    "width_multiplier": "width_multiplier",  # empty where the layers are not the study's
    "layers": "layers",
    "activation": "activation",
    "product": "product",
    "bilinear": "bilinear",
    "schedule": "schedule",
    "pairs_per_user": "pairs_per_user",
    "drop_last_users": "drop_last_users",
    "num_fresh": "num_fresh",
    "noise": "noise",
    "trivial_rmse": "trivial_rmse",
    "learning_rate": "grid.learning_rate",
    "batch_size": "batch_size",
    "seed": "grid.seed",
    "num_epochs": "num_epochs",
    "rmse_test": float,
    "rmse_fresh": float,
    "rmse_dot_test": float,
    "rmse_dot_fresh": float,
    "rmse_trivial_test": float,
    # Of the ranking that an imitator of a recommender gives, and of the recommender's own.
    **{f"{teacher}{metric}": float for teacher in ("", "dot_") for metric in METRIC_COLUMNS if "mrr" not in metric},
    **dict.fromkeys(TIE_COLUMNS, float),  # of the imitator's ranking
}
_OTHER_OUTCOMES = {"content", *TIE_COLUMNS}
OUTCOMES = frozenset(name for name in COLUMNS if name.startswith("rmse_") or "@" in name or name in _OTHER_OUTCOMES)

# ---- what makes a run what it is


def layers_of(config: Any) -> tuple[int, ...]:
    return study_layers(config.embedding_dim, config.width_multiplier) if config.layers is None else config.layers


def pair_options(config: Any) -> DotPairOptions:
    """Of target=dot. Raises ValueError for sizes that cannot be."""
    return DotPairOptions(**{option.name: getattr(config, option.name) for option in fields(DotPairOptions)})


def target_identity(config: Any) -> dict[str, Any]:
    """What is imitated, and on which pairs."""
    if config.target == "dot":
        return {"target": "dot", **asdict(pair_options(config))}
    shared = {name: getattr(config, name) for name in SHARED}
    return shared | {"data": dataset_identity(config.dataset, config.data_dir), "teacher": vars(config.teacher)}


def identity(config: Any, point: Any) -> dict[str, Any]:
    network = {name: getattr(config, name) for name in NETWORK} | {"layers": layers_of(config)}
    # What is false is left out, so that a later variant does not rename the runs that are stored.
    static = target_identity(config) | network
    return {name: value for name, value in static.items() if value is not False} | point._asdict()


def algorithm(config: Any) -> int:
    """2: the teacher's steps along biases are damped (ncfjax/training/objectives.py)."""
    return 2 if config.target == "recommender" else 1


# ---- what is refused


def check(config: Any) -> None:
    """Refuses what could only fail, or mean nothing, later.

    Raises:
        ValueError: naming the key, what was expected and what it got.
    """
    if config.target == "dot":
        pair_options(config)
        return
    check_dataset(config)
    is_dim = config.embedding_dim >= 2 and config.embedding_dim % 2 == 0
    expect("embedding_dim", is_dim, "an even number from 2 on", config.embedding_dim)
    COUNT.read("pairs_per_user", config.pairs_per_user)
    NON_NEGATIVE.read("noise", config.noise)
    expect("drop_last_users", not config.drop_last_users, "false, as target=recommender", config.drop_last_users)
