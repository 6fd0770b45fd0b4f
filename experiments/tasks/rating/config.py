"""The keys of python -m experiments.ratings: which values they take, and what makes a run what it is.

A method is fitted in closed form, or is `gradient`: a similarity of ncfjax/models, whose keys are its own.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from experiments.engine.checks import expect, refused
from experiments.engine.config import AXIS, Choice, part, set_keys
from experiments.tasks.data import TABLE
from experiments.tasks.models import MODEL_KEYS, OPTIMIZERS, check_model, model_identity
from ncfjax.data.catalog import csv_name
from ncfjax.data.content import Content
from ncfjax.data.identity import rating_content
from ncfjax.data.rating_catalog import NAMES
from ncfjax.keys import COUNT, DECAY, FLAG, NON_NEGATIVE, POSITIVE, SEED, Key, anything, one_of

SHARE = Key(float, lambda value: 0 < value < 1, "a number between 0 and 1")
# What a content-based method is given of every item.
PARTS = {"genres": ("genres",), "genres_year": ("genres", "year"), "all": ("genres", "year", "words")}
FEATURES = one_of(*PARTS)

# Of a method: the axes that are searched over, and its sizes.
MEMBERS = Key(int, lambda value: 1 <= value <= 100, "an integer from 1 to 100")
_FACTORS = {"embedding_dim": COUNT, "num_epochs": COUNT}
_AXES = {
    "user_damping": NON_NEGATIVE,  # ratings at the mean that a user's bias counts beside the real ones
    "item_damping": NON_NEGATIVE,
    "learning_rate": POSITIVE,
    "decay": DECAY,
    "regularization": NON_NEGATIVE,
    "bias_regularization": NON_NEGATIVE,  # of the entries of a vector that are biases
    "nu": NON_NEGATIVE,  # the penalty of a row grows with its number of ratings to this power
    "feature_regularization": POSITIVE,  # of what the features tell of an item's vector
    "stddev": NON_NEGATIVE,
    "seed": SEED,
}
_PENALTIES = ("regularization", "bias_regularization", "stddev", "seed")
_METHODS = {
    "global_mean": ((), {}),
    "user_mean": ((), {}),
    "item_mean": ((), {}),
    "biases": (("user_damping", "item_damping"), {}),
    "content_based": (("regularization",), {"features": FEATURES}),
    "alternating": (("nu", *_PENALTIES), _FACTORS),
    "alternating_without_biases": (("nu", "regularization", "stddev", "seed"), _FACTORS),
    "mean_normalized": (("nu", "regularization", "stddev", "seed"), _FACTORS),
    "ensemble": (("nu", *_PENALTIES), _FACTORS | {"num_members": MEMBERS}),
    "hybrid": (("nu", "feature_regularization", *_PENALTIES), _FACTORS | {"features": FEATURES}),
    "gradient": (
        ("learning_rate", "decay", *_PENALTIES),
        {"batch_size": COUNT, "num_epochs": COUNT, "optimizer": one_of(*OPTIMIZERS)},
    ),
}
FACTORIZATIONS = ("alternating", "alternating_without_biases", "mean_normalized", "ensemble", "hybrid")
METHOD = Choice(
    "method.name",
    {
        name: {f"{AXIS}{axis}": _AXES[axis] for axis in axes} | {f"method.{key}": value for key, value in sizes.items()}
        for name, (axes, sizes) in _METHODS.items()
    },
)

_SIZES = ("num_users", "num_items", "ratings_per_user", "rank")
# Of the ranking of items, in files that both kinds of run share: refused here unless they are as the file has them.
_RANKED = {
    "num_negatives": COUNT._replace(default=99),
    "min_rating": Key(float, anything, "a number, or null", default=None),
    "strength": FLAG,
}
_RANKED_SEED = SEED._replace(default=0)
DATASET = part(
    "dataset",
    {
        "worked-example": {},
        "synthetic-ratings": {**dict.fromkeys(_SIZES, COUNT), "seed": SEED},
        "ml-100k": _RANKED | {"seed": _RANKED_SEED},
        "ml-1m": {},
        "netflix-excerpt": _RANKED | {"seed": _RANKED_SEED},
        "netflix": _RANKED | {"seed": _RANKED_SEED},
        "csv": _RANKED | {"seed": _RANKED_SEED} | TABLE,
    },
)
_WITH_FEATURES = ("ml-100k", "ml-1m", "worked-example")
# How training and test ratings are told apart.
# A table shows these sizes where they are not those of conf/folds, which the studies have.
_SHARE = SHARE._replace(default=0.1, default_is_blank=True)
_SEED = SEED._replace(default=0, default_is_blank=True)
_DRAWN = {"share": _SHARE, "seed": _SEED}
FOLDS = part(
    "folds",
    {
        "random": {
            "count": Key(int, lambda value: value >= 2, "an integer >= 2", default=5, default_is_blank=True),
            "seed": _SEED,
        },
        "official": {},  # of the data set: u1 to u5, the excerpt's own halves, Netflix's probe
        "share": _DRAWN,
        "latest": {"share": _SHARE},
        "cold_items": _DRAWN,
        "cold_users": _DRAWN,
    },
)
CHOICES = (DATASET, FOLDS, METHOD)
KEYS: dict[str, Key] = {
    "fold": COUNT,  # which of the folds is tested
    **MODEL_KEYS,  # of method=gradient
    # The notebook of the internship report read one file four times before it split the rows.
    "leak": FLAG._replace(default_is_blank=False),
    "validation_share": Key(float, lambda value: 0 <= value < 1, "a number from 0, below 1", default=0.0),
    "select_epoch": one_of("last", "holdout", default="last", default_is_blank=True),
}


def model_name(config: Any) -> str:
    """What a table calls the model: its similarity, or its method where it has none."""
    return config.model.name if config.method.name == "gradient" else config.method.name


def data_identity(config: Any) -> dict[str, Any]:
    """What decides which ratings are trained on and which are predicted."""
    folds = {"folds": set_keys(config.folds), "fold": config.fold, "split": config.split}
    leak = {"leak": config.leak, "validation_share": config.validation_share}
    # The seed of negatives came later to Netflix's files than their runs.
    unnamed = {*_RANKED, "seed"} if config.dataset.name.startswith("netflix") else set(_RANKED)
    unnamed.add("path")
    kept = SimpleNamespace(**{name: x for name, x in vars(config.dataset).items() if name not in unnamed})
    dataset = set_keys(kept)
    if content := content_of_dataset(config).other:
        dataset["content"] = content
    return {"dataset": dataset, **folds, **{name: x for name, x in leak.items() if x}}


def content_of_dataset(config: Any) -> Content:
    """Of all files that the job reads; of data that are drawn nothing. Raises ConfigError for a path that cannot be."""
    dataset = config.dataset
    if dataset.name not in NAMES:
        return Content()
    fold = config.fold if config.folds.name == "official" else None
    with_items = config.method.name in ("content_based", "hybrid")
    with refused(f"dataset={dataset.name}"):
        places = {"data_dir": config.data_dir, "path": dataset.path}
        return rating_content(dataset.name, **places, fold=fold, with_items=with_items)


def name_of_dataset(dataset: Any) -> str:
    """What rows call it."""
    return csv_name(Path(dataset.path)) if dataset.path else dataset.name


def identity(config: Any, point: Any) -> dict[str, Any]:
    run = {"phase": config.phase, "data": data_identity(config), "method": set_keys(config.method)}
    axes = {name: value for name, value in point._asdict().items() if value is not None}
    model = {"model": model_identity(config.model)} if config.method.name == "gradient" else {}
    return run | model | axes


def check(config: Any) -> None:
    """Raises ValueError for what could only fail, or mean nothing, later."""
    _check_rated(config.dataset)
    if config.method.name == "gradient":
        check_model(config.model)
    _check_solvable(config)
    most = {"random": config.folds.count, "official": 5}.get(config.folds.name)
    if most is not None:
        expect("fold", config.fold <= most, f"at most {most}, as there are so many folds", config.fold)
    if config.leak:
        expect("validation_share", config.validation_share > 0, "a number above 0, as leak=true", 0.0)
        expect("leak", config.split == "test" and not config.tune, "false, as tune=true", True)
    if config.select_epoch == "holdout":
        is_right = config.tune or config.phase != "run"
        expect("select_epoch", is_right, "last, as only tune=true evaluates on a holdout", config.select_epoch)
    for key, asked in (("checkpoint_every", config.checkpoint_every), ("keep_checkpoints", config.keep_checkpoints)):
        why = f"nothing, as method={config.method.name} is not trained step by step"
        expect(key, config.method.name == "gradient" or not asked, why, asked)
    needs_items = config.method.name in ("content_based", "hybrid")
    has_items = config.dataset.name in _WITH_FEATURES
    expected = f"{' or '.join(_WITH_FEATURES)}, as method={config.method.name} needs features"
    expect("dataset", has_items or not needs_items, expected, config.dataset.name)


def _check_rated(dataset: Any) -> None:
    """What only the ranking of items has."""
    drawn = {"seed": _RANKED_SEED} if dataset.name != "synthetic-ratings" else {}
    for name, key in (_RANKED | drawn).items():
        value = getattr(dataset, name, None)
        expected = "nothing, as only the ranking of items uses it"
        expect(f"dataset.{name}", value in (None, key.default), expected, value)


def _check_solvable(config: Any) -> None:
    """A system of equations without a penalty may have no solution; one entry of a factorization is its bias."""
    factorizes = config.method.name in FACTORIZATIONS
    if factorizes or config.method.name == "content_based":
        for axis in ("regularization", "bias_regularization"):
            values = getattr(config.grid, axis) or []
            expect(f"grid.{axis}", 0 not in values, f"numbers > 0, as method={config.method.name} solves", values)
    if factorizes and config.grid.bias_regularization:
        dim = config.method.embedding_dim
        expect("method.embedding_dim", dim >= 2, "an integer >= 2, as one is the bias", dim)
