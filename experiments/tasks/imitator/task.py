"""The runs of python -m experiments.imitate: a network learns the scores of a teacher, and is measured against it.

`compile_seconds` of a row holds the draw of its pairs too and, the first time, the fit of its teacher.
"""

from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from experiments.engine.config import SEED, positive, set_keys
from experiments.engine.progress import Progress
from experiments.engine.task import Result, Task, Trial, Work
from experiments.engine.training import curve_of, measure, metrics_at, train_block
from experiments.tasks.data import WHOLE_DATASET
from experiments.tasks.imitator import config as configs
from experiments.tasks.imitator.target import DotTarget, target_of
from ncfjax.models.imitator import study_layers
from ncfjax.training.blocks import Block
from ncfjax.training.imitation import ImitationSpec
from ncfjax.training.imitation_problem import ImitationProblem, Measured
from ncfjax.training.program import Program

STEP_OVERHEAD = 20_000  # multiplications per pair that a step costs beside its products
_TRIAL_PAIRS = 20_000  # per epoch of a trial, of which a step costs what it costs with more of them
_TRIAL_EPOCHS = 2
# Without what predicting 0 is off by, which no epoch changes; the dot product's lines make a curve readable.
_CURVES = ("rmse_test", "rmse_dot_test", "rmse_fresh", "rmse_dot_fresh")


class ImitatorTask(Task):
    """A grid of imitators."""

    name = "imitate"
    keys = configs.ImitateKeys
    axes = (positive("learning_rate"), SEED)
    groups = ("target", "dataset")
    arguments = ("num_users=1000,2000", "embedding_dim=8", "num_fresh=10000")
    needs = dict.fromkeys(("dataset", "teacher"), ("target", "recommender"))
    one_per_study = frozenset({"target"})
    columns, outcomes = configs.COLUMNS, configs.OUTCOMES
    shown = {"rmse_test": "RMSE", "rmse_dot_test": "dot RMSE", "rmse_fresh": "fresh RMSE", "hit_ratio@10": "HR@10"}
    always_shown = ("target", "embedding_dim", "layers")

    def whole_schema(self) -> Any:
        return self.schema(dataset=WHOLE_DATASET, teacher=configs.TeacherConfig())

    def check(self, config: Any) -> None:
        configs.check(config)

    def identity(self, config: Any, point: Any) -> dict[str, Any]:
        return configs.identity(config, point)

    def label(self, config: Any) -> str:
        """ "4000 users d=16 32-16-8"; "ml-1m d=16 32-16-8 gelu product"."""
        what = f"{config.num_users} users" if config.target == "dot" else config.dataset.name
        usual = {"activation": "relu", "schedule": "constant"}
        variant = [getattr(config, name) for name, value in usual.items() if getattr(config, name) != value]
        variant += [name for name in ("product", "bilinear") if getattr(config, name)]
        layers = "-".join(map(str, configs.layers_of(config)))
        return " ".join([f"{what} d={config.embedding_dim} {layers}", *variant])

    def data_key(self, config: Any) -> str:
        return str(set_keys(config.dataset)) if config.dataset else ""

    def open(self, config: Any) -> Work:
        return ImitatorWork(self, config)


def spec_of(config: Any) -> ImitationSpec:
    """What is fixed when a job's program is compiled."""
    return ImitationSpec(
        embedding_dim=config.embedding_dim,
        layers=tuple(configs.layers_of(config)),
        batch_size=config.batch_size,
        num_epochs=config.num_epochs,
        activation=config.activation,
        product=config.product,
        bilinear=config.bilinear,
        schedule=config.schedule,
    )


class ImitatorWork(Work):
    """One job of imitators."""

    def __init__(self, task: ImitatorTask, config: Any):
        self.task, self.config = task, config
        self.spec, self.target = spec_of(config), target_of(config)
        self.problem = ImitationProblem(self.target.source, self.spec)
        self.not_counted = self.target.not_counted
        self.memory, self.cpu_width = self.problem.memory, self.problem.cpu_width
        self.epoch_work = _epoch_work(self.problem)  # of one member
        self.each = self.epoch_work * self.spec.num_epochs
        is_study = list(self.spec.layers) == study_layers(config.embedding_dim, config.width_multiplier)
        flags = {name: "true" if getattr(config, name) else "" for name in ("product", "bilinear")}
        self.cells = self.target.cells | configs.network(config) | flags
        self.cells |= {"width_multiplier": config.width_multiplier if is_study else None}
        self.cells |= {"layers": "-".join(map(str, self.spec.layers))}

    def run(self, block: Block, bar: Progress) -> Iterator[Result]:
        trained = train_block(
            ImitationProblem(self.target.pair_source(bar), self.spec),
            block,
            bar,
            self.task.label(self.config),
            epoch_work=self.epoch_work,
            num_epochs=self.spec.num_epochs,
            eval_every=self.config.eval_every,
            values=_errors,
        )
        last, models = trained.evaluations[-1], trained.program.models(trained.state)
        for i, (member, imitator) in enumerate(zip(block.members, models, strict=True)):
            cells, curve = self.cells | member._asdict() | trained.cost, curve_of(trained.evaluations, i, _CURVES)
            run_id = self.task.id_of(self.config, member)
            if last.diverged[i]:  # no errors and no ranks, and a curve as far as it went
                yield Result(run_id, cells, curve, status="diverged")
            else:
                ranking, ranks = self.target.rank(imitator, member.seed, bar)
                yield Result(run_id, cells | metrics_at(last, i) | ranking, curve, ranks)
        bar.resume()

    def kind(self) -> Hashable:
        return self.spec

    def trial(self, block: Block) -> Trial:
        """Of the same network on few pairs of random vectors: teachers are not fitted, and nothing is ranked."""
        config = self.config
        num_users = max(_TRIAL_PAIRS // config.pairs_per_user, config.pairs_per_user, 10)
        study = {"target": "dot", "dataset": None, "teacher": None, "noise": 0.85, "trivial_rmse": 1.13}
        sizes = {"num_users": num_users, "num_fresh": 1000, "drop_last_users": False}
        problem = ImitationProblem(DotTarget(replace(config, **study, **sizes)).source, self.spec)
        epoch_work = _epoch_work(problem) * len(block.members)
        return measure(Program(problem, block), epoch_work, _TRIAL_EPOCHS, num_evaluations=0)


def _epoch_work(problem: ImitationProblem) -> float:
    """Of one run, in multiplications."""
    return problem.source.sizes.num_pairs * (problem.multiplications_per_pair + STEP_OVERHEAD)


def _errors(measured: Measured) -> dict[str, Float[np.ndarray, " members"]]:
    test, fresh = measured
    errors = {"rmse_test": test.model, "rmse_dot_test": test.teacher, "rmse_trivial_test": test.trivial}
    if fresh is not None:
        errors |= {"rmse_fresh": fresh.model, "rmse_dot_fresh": fresh.teacher}
    return errors


TASK = ImitatorTask()
