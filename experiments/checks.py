"""Refuses a configuration that could only fail, or mean nothing, later; before anything is compiled or written."""

import math

from omegaconf import DictConfig, OmegaConf

from experiments.config import (
    AXES,
    CONF,
    MODELS,
    OBJECTIVES,
    OPTIMIZERS,
    PHASES,
    PRETRAININGS,
    SELECT_EPOCHS,
    SPLITS,
    TUNE_BY,
    DatasetConfig,
    ModelConfig,
    PretrainingConfig,
    SweepConfig,
)
from experiments.rules import AXIS_RULES, as_list, check_list, check_memory, check_study, expect, expect_name, is_seed


def _check_numbers(config: SweepConfig) -> None:
    least_dim = 2 if config.model.biases else 1
    why = f"an integer >= {least_dim}" + " (with biases, one is the bias)" * (least_dim - 1)
    expect("model.embedding_dim", config.model.embedding_dim >= least_dim, why, config.model.embedding_dim)
    for key in ("num_epochs", "eval_every", "objective.batch_size", "objective.num_negatives"):
        value = OmegaConf.select(OmegaConf.structured(config), key)
        expect(key, value >= 1, "an integer >= 1", value)
    flat = not config.objective.shuffle_examples or config.objective.name == "sampled"
    expect("objective.shuffle_examples", flat, "false unless objective=sampled", True)
    check_memory(config.memory_gb)


def check_dataset(dataset: DatasetConfig) -> None:
    expect_name("dataset.name", dataset.name, sorted(path.stem for path in (CONF / "dataset").glob("*.yaml")))
    expect("dataset.num_negatives", dataset.num_negatives >= 1, "an integer >= 1", dataset.num_negatives)
    expect("dataset.seed", is_seed(dataset.seed), "an integer from 0 to 2147483647", dataset.seed)
    for key, name in (("prefix", "ncf"), ("path", "csv")):
        value = getattr(dataset, key)
        if dataset.name == name:
            what = "FOLDER/NAME of the files NAME.train.rating and so on" if key == "prefix" else "the file"
            expect(f"dataset.{key}", bool(value), f"{what}, as dataset={name}", value)
        else:
            expect(f"dataset.{key}", value is None, f"nothing, as only dataset={name} has one", value)
    # The sizes themselves are checked where the data are drawn.
    is_right = (dataset.synthetic is not None) == (dataset.name == "synthetic")
    expect("dataset.synthetic", is_right, "sizes if, and only if, dataset=synthetic", dataset.synthetic)


def _check_options(group: str, config: ModelConfig | PretrainingConfig, of_name: dict[str, tuple[str, ...]]) -> None:
    """The keys of one name's file in conf/, and no others, are set."""
    expected = of_name[config.name]
    for key in sorted({key for keys in of_name.values() for key in keys}):
        value, takers = getattr(config, key), [name for name, keys in of_name.items() if key in keys]
        if key in expected:
            expect(f"{group}.{key}", value is not None, f"a value, as {group}={config.name}", value)
        else:
            expect(f"{group}.{key}", value is None, f"nothing, as only {group}={' or '.join(takers)} has one", value)


def _check_layers(model: ModelConfig) -> None:
    """That they fit the embedding: a tower's input holds two vectors, NeuMF's the last part of both."""
    layers, width = model.layers, 2 * model.embedding_dim
    if layers is None:
        return
    is_list = isinstance(layers, list) and all(type(layer) is int for layer in layers)
    expect("model.layers", is_list, "a list of integers in brackets, such as [64,32,16,8]", layers)
    if model.name == "mlp":
        fits, first = layers[:1] == [width], f"[{width}, ...], 2 * model.embedding_dim first"
    else:
        fits = bool(layers) and layers[0] % 2 == 0 and layers[0] < width
        first = f"an even number below 2 * model.embedding_dim = {width} first"
    is_tower = len(layers) >= 2 and min(layers) >= 1
    expect("model.layers", fits and is_tower, f"{first}, then the width of each ReLU layer, at least one", layers)


def _check_pretraining(config: SweepConfig) -> None:
    pretraining = config.pretraining
    _check_options("pretraining", pretraining, PRETRAININGS)
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
        epochs, rate = pretraining.num_epochs, pretraining.learning_rate
        expect("pretraining.num_epochs", epochs >= 1, "an integer >= 1", epochs)
        expect("pretraining.learning_rate", math.isfinite(rate) and rate > 0, "a number > 0", rate)


def _check_select_epoch(config: SweepConfig) -> None:
    expect_name("select_epoch", config.select_epoch, SELECT_EPOCHS)
    if config.select_epoch == "holdout":
        is_right, why = config.tune or config.phase != "run", "last or test, as only tune=true looks at a holdout"
    else:
        is_right, why = config.select_epoch == "last" or not config.tune, "last or holdout, as tune=true"
    expect("select_epoch", is_right, why, config.select_epoch)
    is_test = config.select_epoch != "test" or config.split == "test"
    expect("select_epoch", is_test, f"last, as split={config.split}", config.select_epoch)


def check(config: SweepConfig) -> None:
    """Refuses what could only fail, or mean nothing, later.

    Raises:
        ConfigError: naming the key, what was expected and what it got.
    """
    expect_name("model.name", config.model.name, MODELS)
    expect_name("objective.name", config.objective.name, OBJECTIVES)
    expect_name("optimizer.name", config.optimizer.name, OPTIMIZERS)
    expect_name("split", config.split, SPLITS)
    expect_name("phase", config.phase, PHASES)
    expect_name("pretraining.name", config.pretraining.name, PRETRAININGS)
    expect_name("tune_by", config.tune_by, TUNE_BY)
    check_dataset(config.dataset)
    _check_options("model", config.model, MODELS)
    _check_numbers(config)
    _check_layers(config.model)
    _check_pretraining(config)
    _check_select_epoch(config)
    for axis, rule in AXIS_RULES.items():
        check_list(f"grid.{axis}", getattr(config.grid, axis), *rule)
    if config.tune or config.final_seeds:
        check_list("final_seeds", config.final_seeds, *AXIS_RULES["seed"])
    check_study(config.study)


def resolve(config: DictConfig) -> SweepConfig:
    """The plain, checked form of one composed job; every axis of its grid is a list, final_seeds too.

    Raises:
        ConfigError: a value that cannot be.
    """
    plain = OmegaConf.to_object(config)
    assert isinstance(plain, SweepConfig)
    for axis in AXES:
        value = getattr(plain.grid, axis)
        setattr(plain.grid, axis, as_list(value))
    plain.final_seeds = as_list(plain.final_seeds)
    check(plain)
    return plain
