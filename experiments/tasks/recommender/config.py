"""The keys of a sweep: which values they take, and what makes a run what it is."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from experiments.engine.checks import ConfigError, expect
from experiments.engine.config import part, set_keys
from experiments.engine.processes import is_joined
from experiments.tasks.data import DATA_COLUMNS, DATASET, check_dataset, data_identity
from experiments.tasks.models import MODEL_KEYS, OPTIMIZERS, check_model, model_identity, model_options, similarity_of
from experiments.tasks.ranking import METRIC_COLUMNS, TIE_COLUMNS
from experiments.tasks.weights import file_content
from ncfjax.evaluation.columns import RESIDUAL_COLUMNS
from ncfjax.keys import COUNT, COUNT_OR_ZERO, DECAY, FLAG, NON_NEGATIVE, PATH, POSITIVE, SEED, SHARE, Key, one_of
from ncfjax.models.precisions import FLOAT32, PRECISIONS
from ncfjax.models.registry import declared_keys
from ncfjax.store import ORIGIN_COLUMNS

KEYS: dict[str, Key] = {
    **MODEL_KEYS,
    "table_shards": COUNT._replace(default=1),  # devices that the rows of each table are spread over
    "precision": one_of(*PRECISIONS, default=FLOAT32, default_is_blank=True),  # of matrix products in training
    "num_epochs": COUNT_OR_ZERO,  # 0: as pretraining=dot or distilled left it
    "select_epoch": one_of("last", "holdout", "test", default="last", default_is_blank=True),
    "grid.learning_rate": POSITIVE,
    "grid.regularization": NON_NEGATIVE,
    "grid.stddev": POSITIVE,
    "grid.negative_weight": NON_NEGATIVE,
    "grid.seed": SEED,
    "grid.decay": DECAY._replace(default=None),
    "grid.bias_regularization": NON_NEGATIVE._replace(default=None),
    "grid.weights_regularization": NON_NEGATIVE._replace(default=None),
    "grid.weights_rate": NON_NEGATIVE._replace(default=None),
}

_FILE = PATH._replace(expected="a file")
_EXPECTED = {
    "batch_size": COUNT,  # expected: users; sampled: positives, or examples if they are shuffled
    "num_negatives": COUNT,
    "reject_positives": FLAG,  # true: negatives are items that the user has not in training, as in NCF's code
}
OBJECTIVES = {
    "expected": _EXPECTED,
    # A batch mixes positives and negatives of many users, as in NCF's code.
    "sampled": _EXPECTED | {"shuffle_examples": FLAG},
}
_DOT = {
    "learning_rate": POSITIVE,
    "decay": DECAY,
    "regularization": NON_NEGATIVE,
    "stddev": POSITIVE,
    "negative_weight": NON_NEGATIVE,
    "batch_size": COUNT,
    "num_negatives": COUNT,
    "num_epochs": COUNT,
}
# What a model starts from: nothing; NeuMF from a GMF and an MLP trained before it by Adam, or from weights in Keras
# files, where `alpha` is GMF's share in the joined output weights; a residual from a dot product, trained before it; an
# MLP from the scores of one, learned in `num_steps` steps.
PRETRAININGS = {
    "none": {},
    "trained": {"alpha": SHARE, "num_epochs": COUNT, "learning_rate": POSITIVE},
    "keras": {"alpha": SHARE, "gmf": _FILE, "mlp": _FILE},
    "dot": _DOT,
    "distilled": _DOT | {"num_steps": COUNT, "alpha": SHARE._replace(default=None)},
}
FROM_DOT = ("dot", "distilled")  # what starts from a dot product; that start is scored, too
CHOICES = (
    DATASET,
    part("objective", OBJECTIVES),
    part("optimizer", {name: {} for name in OPTIMIZERS}),
    part("pretraining", PRETRAININGS),
)


def columns() -> dict[str, type | str]:
    """Of the table, between those of the data and the metrics.

    Raises:
        ConfigError: a similarity declares a key of the name of another column.
    """
    declared = {name: key.column for name, key in declared_keys().items()}
    before = {"note": str, "model": "model.name", "embedding_dim": "model.embedding_dim"}
    after = {
        "objective": "objective.name",
        "num_negatives": "objective.num_negatives",
        "reject_positives": "objective.reject_positives",
        "shuffle_examples": "objective.shuffle_examples",
        "negative_weight": "grid.negative_weight",
        "optimizer": "optimizer.name",
        "pretraining": str,  # empty | what it starts from: how that was trained, and alpha
        "learning_rate": "grid.learning_rate",
        "regularization": "grid.regularization",
        "stddev": "grid.stddev",
        "decay": "grid.decay",
        "bias_regularization": "grid.bias_regularization",
        "weights_regularization": "grid.weights_regularization",
        "weights_rate": "grid.weights_rate",
        "seed": "grid.seed",
        "num_epochs": "num_epochs",
        "select_epoch": "select_epoch",  # the split on which the epoch was chosen; empty for the last
        "epoch": int,  # of the metrics
        "batch_size": "objective.batch_size",
        "precision": "precision",  # empty: float32
        "predictive_factors": int,  # the last layer's width, or a vector's entries without its bias
        "multiplications": int,  # of a score, counted
        **dict.fromkeys(RESIDUAL_COLUMNS, float),
    }
    outcomes = {*METRIC_COLUMNS, *TIE_COLUMNS}
    taken = {"run_id", "status", "phase", "study", *before, *after, *DATA_COLUMNS, *outcomes, *ORIGIN_COLUMNS}
    for name in sorted(taken & declared.keys()):
        raise ConfigError(f"model.{name}: expected a name that no column of the tables has, got {name}")
    return before | declared | after


# ---- what makes a run what it is


def identity(config: Any, point: Any) -> dict[str, Any]:
    run = {
        "phase": config.phase,
        "data": data_identity(config),
        "model": model_identity(config.model),
        "objective": set_keys(config.objective),
        "optimizer": set_keys(config.optimizer),
        "num_epochs": config.num_epochs,
        **{axis: value for axis, value in point._asdict().items() if value is not None},
    }
    if config.pretraining.name != "none":
        run["pretraining"] = set_keys(config.pretraining) | weight_files(config.pretraining)
    if config.precision != FLOAT32:
        run["precision"] = config.precision
    if config.select_epoch == "test":  # then evaluating more often may find a better epoch
        run |= {"select_epoch": "test", "eval_every": config.eval_every}
    return run


def algorithm(config: Any) -> int:
    """2: steps along biases are damped (ncfjax/training/objectives.py)."""
    return 2 if (config.objective.name, config.optimizer.name) == ("expected", "sgd") else 1


def weight_files(pretraining: SimpleNamespace) -> dict[str, str]:
    """What pretraining=keras starts from, by content: other weights at the same path are another run."""
    if pretraining.name != "keras":
        return {}
    return {branch: file_content(Path(getattr(pretraining, branch))) for branch in ("gmf", "mlp")}


# ---- what is refused


def check(config: Any) -> None:
    """Refuses what could only fail, or mean nothing, later.

    Raises:
        ValueError: naming the key, what was expected and what it got.
    """
    model, pretraining = config.model, config.pretraining
    check_dataset(config)
    check_model(model)
    check_penalties(model, config.grid)
    if getattr(model, "unit_weights", False):
        is_drawn = pretraining.name == "none" and not getattr(model, "frozen_constants", False)
        expect("model.unit_weights", is_drawn, "false, as the output weights are not drawn", True)
    expected = "distributed=true on the command line, as it is known before any file is read"
    expect("distributed", config.distributed == is_joined(), expected, config.distributed)
    for key, given in vars(config.process).items():
        expect(f"process.{key}", config.distributed or given is None, "nothing, unless distributed=true", given)
    is_whole = config.table_shards == 1 or pretraining.name == "none"
    expect("table_shards", is_whole, f"1, as pretraining={pretraining.name}", config.table_shards)
    is_trained = config.num_epochs > 0 or pretraining.name in FROM_DOT
    expect("num_epochs", is_trained, "an integer >= 1, unless pretraining=dot or distilled", config.num_epochs)
    if pretraining.name == "dot":
        expect("pretraining", model.name == "residual", "dot only with model=residual", pretraining.name)
    elif pretraining.name == "distilled":
        check_distilled(model, pretraining)
    elif pretraining.name != "none":
        expect("pretraining", model.name == "neumf", "none unless model=neumf", pretraining.name)
    if pretraining.name != "none":
        is_ours = not (getattr(model, "gmf_sigmoid", False) or getattr(model, "frozen_constants", False))
        expect("pretraining", is_ours, "none, as model.gmf_sigmoid or model.frozen_constants is true", pretraining.name)
    if pretraining.name == "keras":
        is_clean = config.split == "test" and not config.tune
        expected = "none or trained on the holdout, whose items the weights of a file have seen"
        expect("pretraining", is_clean, expected, "keras")
    if config.select_epoch == "holdout":
        is_right, why = config.tune or config.phase != "run", "last or test, as only tune=true evaluates on a holdout"
    else:
        is_right, why = config.select_epoch == "last" or not config.tune, "last or holdout, as tune=true"
    expect("select_epoch", is_right, why, config.select_epoch)
    expect("save_models", not config.save_models or config.select_epoch != "test", "false, as select_epoch=test", True)
    is_compared = config.select_epoch == "test"
    for key, given in (("checkpoint_every", config.checkpoint_every), ("keep_checkpoints", config.keep_checkpoints)):
        why = "nothing, as select_epoch=test compares the rankings of all epochs"
        expect(key, not (is_compared and given), why, given)
    is_test = config.select_epoch != "test" or config.split == "test"
    expect("select_epoch", is_test, f"last, as split={config.split}", config.select_epoch)


def check_distilled(model: SimpleNamespace, pretraining: SimpleNamespace) -> None:
    """Raises ValueError for another model than MLP and NeuMF, or one whose parts do not fit."""
    expect("pretraining", model.name in ("mlp", "neumf"), "distilled only with model=mlp or neumf", pretraining.name)
    has_alpha = pretraining.alpha is not None
    expected = (
        "a number from 0 to 1, as model=neumf" if model.name == "neumf" else "nothing, as only model=neumf has it"
    )
    expect("pretraining.alpha", has_alpha == (model.name == "neumf"), expected, pretraining.alpha)
    options = model_options(model)
    dims = [model.embedding_dim]
    if model.name == "neumf":
        of_mlp = options["layers"][0] // 2
        dims = [model.embedding_dim - of_mlp - 1, of_mlp]
    expect("model.embedding_dim", min(dims) >= 2, "teachers of at least 2 dimensions, as pretraining=distilled", dims)


def check_penalties(model: SimpleNamespace, grid: SimpleNamespace) -> None:
    """Raises ValueError for a penalty of biases or of own parameters that the model does not have or does not pay."""
    if grid.weights_regularization != [None]:
        is_paid = model_options(model).get("regularize_weights", True)
        why = "nothing, as model.regularize_weights is false"
        expect("grid.weights_regularization", is_paid, why, grid.weights_regularization)
    if grid.bias_regularization != [None]:
        holds_biases = similarity_of(model).holds_biases
        why = f"nothing, as no vector of model={model.name} holds a bias"
        expect("grid.bias_regularization", holds_biases, why, grid.bias_regularization)
