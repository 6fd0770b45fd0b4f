"""The runs of python -m experiments.baselines: a simple method fitted to a data set, under the protocols of the sweep.

`train_seconds` of a row is the time of the fit, with the compiling of a job's first run; `compile_seconds` is empty.
"""

import time
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import jax
from omegaconf import MISSING

from experiments.engine.checks import expect, expect_count, expect_name, expect_options
from experiments.engine.config import SEED, counts, non_negative, positive, set_keys
from experiments.engine.progress import Progress
from experiments.engine.task import Result, Work
from experiments.tasks.data import DatasetConfig, data_cells, data_identity, load_data
from experiments.tasks.ranking import RankedTask, values_of
from ncfjax.baselines.cost import fit_bytes, fit_work, is_finite, num_parameters
from ncfjax.baselines.methods import METHODS
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import num_others, ranks_of
from ncfjax.evaluation.ranking_rules import SELF_NEGATIVES, STRICT, TIES, Rules
from ncfjax.training.blocks import Block, MemoryEstimate


@dataclass
class BaselineConfig:
    name: str = MISSING
    embedding_dim: int | None = None
    block_size: int | None = None
    num_epochs: int | None = None
    num_sweeps: int | None = None


@dataclass
class EvaluationConfig:
    ties: str = MISSING
    self_negatives: str = MISSING


@dataclass
class BaselineKeys:
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)


class BaselineTask(RankedTask):
    """A grid of one baseline."""

    name = "baselines"
    verb = "fit"
    keys = BaselineKeys
    groups = ("baseline", "dataset")
    arguments = ("baseline=popularity,item_knn,ease,slim,ials",)
    axes = (
        counts("num_neighbors"),
        *map(non_negative, ("shrinkage", "l1", "l2")),
        *map(positive, ("regularization", "unobserved_weight")),
        non_negative("nu"),
        positive("stddev"),
        SEED,
    )
    own_columns = {
        "ties": str,  # against | order | favour: the rule of the ranking
        "self_negatives": str,  # masked | counted: its rule for a negative that is the positive
        "note": str,
        "model": str,
        "embedding_dim": int,
        "block_size": int,
        **{axis.name: axis.kind for axis in axes},
        "num_epochs": int,
        "num_sweeps": int,
    }
    always_shown = ("model",)

    def check(self, config: Any) -> None:
        super().check(config)
        baseline, rules = config.baseline, asdict(config.evaluation)
        choice = f"baseline={baseline.name}"
        expect_name("baseline.name", baseline.name, METHODS)
        expect_options("baseline", baseline, {name: method.sizes for name, method in METHODS.items()}, choice)
        expect_options("grid", config.grid, {name: method.hyperparameters for name, method in METHODS.items()}, choice)
        for key in set_keys(baseline).keys() - {"name"}:
            expect_count(f"baseline.{key}", getattr(baseline, key))
        if baseline.block_size:
            why = f"a divisor of baseline.embedding_dim={baseline.embedding_dim}"
            expect("baseline.block_size", baseline.embedding_dim % baseline.block_size == 0, why, baseline.block_size)
        if baseline.name == "slim":
            has_penalty = not (0 in config.grid.l1 and 0 in config.grid.l2)
            expect("grid.l1, grid.l2", has_penalty, "numbers that are not both 0", (config.grid.l1, config.grid.l2))
        for name, valid in (("ties", TIES), ("self_negatives", SELF_NEGATIVES)):
            expect_name(f"evaluation.{name}", rules[name], valid)
        strict = f"ties: {STRICT.ties}, self_negatives: {STRICT.self_negatives}, as tune=true"
        expect("evaluation", Rules(**rules) == STRICT or not config.tune, strict, rules)

    def axes_of(self, config: Any) -> list[Any]:
        return [axis for axis in self.axes if axis.name in METHODS[config.baseline.name].hyperparameters]

    def identity(self, config: Any, point: Any) -> dict[str, Any]:
        run = {"phase": config.phase, "data": data_identity(config), "baseline": config.baseline.name}
        # The rule that everyone has is left out, so that a later rule does not rename the runs that are stored.
        rules = {name: rule for name, rule in asdict(config.evaluation).items() if rule != getattr(STRICT, name)}
        return run | hyperparameters(config, point) | rules

    def label(self, config: Any) -> str:
        dim = config.baseline.embedding_dim
        return f"{config.dataset.name} {config.baseline.name}" + f" d={dim}" * (dim is not None)

    def tuning_group(self, config: Any) -> Hashable:
        return self.data_key(config), config.baseline.name, config.baseline.embedding_dim

    def open(self, config: Any) -> Work:
        return BaselineWork(self, config, load_data(config))


def hyperparameters(config: Any, point: Any) -> Mapping[str, Any]:
    """All that the method is given, by name."""
    sizes = {key: getattr(config.baseline, key) for key in METHODS[config.baseline.name].sizes}
    return sizes | {axis: value for axis, value in point._asdict().items() if value is not None}


class BaselineWork(Work):
    """One job of baselines."""

    one_by_one = True

    def __init__(self, task: BaselineTask, config: Any, data: LeaveOneOut):
        self.task, self.config, self.data, self.name = task, config, data, config.baseline.name
        self.pace_share = METHODS[self.name].share
        self.each = fit_work(train=data.train, **asdict(config.baseline))
        self.memory = MemoryEstimate(0, fit_bytes(self.name, data.train, config.baseline.embedding_dim))
        self.cells = data_cells(config.dataset, data) | asdict(config.evaluation) | {"model": self.name}
        most, others = max(config.grid.num_neighbors or [0]), data.train.num_items - 1
        expected = f"at most {others}, the other items of {config.dataset.name}"
        expect("grid.num_neighbors", most <= others, expected, most)

    def run(self, block: Block, bar: Progress) -> Iterator[Result]:
        (point,), num_epochs = block.members, self.config.baseline.num_epochs
        values, label, seconds, curve = hyperparameters(self.config, point), self.task.label(self.config), 0.0, []
        rules, run_id = Rules(**asdict(self.config.evaluation)), self.task.id_of(self.config, point)
        bar.show(f"{label}, fitting")
        started = time.perf_counter()
        fitted = METHODS[self.name].fit(self.data.train, **values)
        for epoch, scorer in enumerate(fitted if num_epochs else [fitted], start=1):
            jax.block_until_ready(scorer)
            seconds += time.perf_counter() - started
            if epoch % self.config.eval_every == 0 or epoch == (num_epochs or 1):
                ranks = ranks_of(scorer, self.data, rules)
                metrics = values_of(ranks)
                curve += [{"epoch": epoch, "metric": name, "value": value} for name, value in metrics.items()]
            bar.advance(self.each / (num_epochs or 1), f"{label}, epoch {epoch}" if num_epochs else label)
            started = time.perf_counter()
        cells = self.cells | values | {"parameters": num_parameters(scorer), "train_seconds": seconds}
        if is_finite(scorer):
            arrays = {**ranks._asdict(), "num_others": num_others(self.data)}
            yield Result(run_id, cells | metrics, curve if num_epochs else [], arrays)
        else:
            yield Result(run_id, cells, status="diverged")


TASK = BaselineTask()
