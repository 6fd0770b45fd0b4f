"""The runs of python -m experiments.sweep: a recommender trained on a data set, evaluated under both protocols."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from experiments.engine.config import SEED, non_negative, positive
from experiments.engine.progress import Progress
from experiments.engine.task import Result, Trial, Work
from experiments.engine.training import Evaluation, curve_of, measure, metrics_at, train_block
from experiments.tasks.data import data_cells, load_data
from experiments.tasks.ranking import RankedTask, metrics
from experiments.tasks.recommender import config as configs
from experiments.tasks.recommender.references import reference_id, reference_names, reference_results
from experiments.tasks.recommender.start import joined_files, start
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.training.blocks import Block
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem

# What an epoch costs beside the products, in embedding dimensions: at 192 an epoch takes 4 times as long as at 16.
OVERHEAD_DIM = 40
MULTIPLICATIONS_PER_DIM = 16  # of a tower, per example


class RecommenderTask(RankedTask):
    """A grid of recommenders."""

    name = "sweep"
    axes = (
        positive("learning_rate"),
        non_negative("regularization"),
        positive("stddev"),
        non_negative("negative_weight"),
        SEED,
    )
    groups = ("dataset", "model", "pretraining", "objective", "optimizer", "grid")
    arguments = ("+study=synthetic",)
    always_shown = ("model", "embedding_dim")
    one_per_study = frozenset({"select_epoch"})

    @cached_property
    def keys(self) -> type:
        return configs.sweep_keys()

    @cached_property
    def own_columns(self) -> dict[str, type]:
        return configs.columns()

    def register(self) -> None:
        OmegaConf.register_new_resolver("pick", configs.pick, replace=True)

    def check(self, config: Any) -> None:
        super().check(config)
        configs.check(config)

    def identity(self, config: Any, point: Any) -> dict[str, Any]:
        return configs.identity(config, point)

    def label(self, config: Any) -> str:
        pretrained = "" if config.pretraining.name == "none" else f", pretraining={config.pretraining.name}"
        size = f"d={config.model.embedding_dim}"
        return f"{config.dataset.name} {config.model.name} {size} {config.objective.name}{pretrained}"

    def tuning_group(self, config: Any) -> Hashable:
        return self.data_key(config), config.model.name, config.model.embedding_dim, config.pretraining.name

    def open(self, config: Any) -> Work:
        return RecommenderWork(self, config, load_data(config))

    def reference_ids(self, config: Any) -> set[str]:
        return {reference_id(config, name) for name in reference_names(config)}

    def chosen_epoch(self, epoch: int) -> list[str]:
        return [f"num_epochs={epoch}"] if epoch else []

    def epoch_rule(self, config: Any) -> str:
        return "last" if config.select_epoch == "last" else "all"


def spec_of(config: Any) -> Spec:
    """What is fixed when a job's program is compiled."""
    return Spec(
        model=config.model.name,
        embedding_dim=config.model.embedding_dim,
        options=tuple(configs.model_options(config.model).items()),
        objective=config.objective.name,
        optimizer=config.optimizer.name,
        batch_size=config.objective.batch_size,
        num_negatives=config.objective.num_negatives,
        reject_positives=config.objective.reject_positives,
        shuffle_examples=config.objective.shuffle_examples,
    )


class RecommenderWork(Work):
    """One job of recommenders."""

    def __init__(self, task: RecommenderTask, config: Any, data: LeaveOneOut):
        self.task, self.config, self.data = task, config, data
        self.spec, pretraining = spec_of(config), config.pretraining
        self.problem = RecommenderProblem(data, self.spec, pretrained=pretraining.name == "trained")
        self.memory, self.cpu_width = self.problem.memory, self.problem.cpu_width
        tower = self.spec.similarity.multiplications_per_pair / MULTIPLICATIONS_PER_DIM
        self.epoch_work = self.spec.embedding_dim + OVERHEAD_DIM + tower  # of one member
        self.each = self.epoch_work * (config.num_epochs + (pretraining.num_epochs or 0))
        if pretraining.name == "keras":
            joined_files(config, data)  # what is wrong with the files shows before anything is trained

    def run(self, block: Block, bar: Progress) -> Iterator[Result]:
        trained = train_block(
            self.problem,
            block,
            bar,
            f"{self.spec.model} d={self.spec.embedding_dim}",
            epoch_work=self.epoch_work,
            num_epochs=self.config.num_epochs,
            eval_every=self.config.eval_every,
            values=metrics,
            start=lambda program: start(self.config, self.data, program, block, self.epoch_work, bar),
            keeps_all=self.config.select_epoch == "test",
        )
        for i, member in enumerate(block.members):
            yield self._result(member, i, trained.evaluations, trained.cost)

    def _result(self, member: Member, i: int, evaluations: Sequence[Evaluation], cost: dict[str, Any]) -> Result:
        """One run. A diverged one has no metrics and no ranks, and a curve as far as it went."""
        run_id = self.task.id_of(self.config, member)
        cells, curve = self.cells | member._asdict() | cost, curve_of(evaluations, i)
        if evaluations[-1].diverged[i]:
            return Result(run_id, cells, curve, status="diverged")
        chosen = self._chosen(evaluations, i)
        ranks = {protocol: np.asarray(ranks[i]) for protocol, ranks in chosen.measured._asdict().items()}
        return Result(run_id, cells | metrics_at(chosen, i) | {"epoch": chosen.epoch}, curve, ranks)

    def _chosen(self, evaluations: Sequence[Evaluation], i: int) -> Evaluation:
        """The last; or, as NCF's code reports, the first with the highest HR@10 on test."""
        if self.config.select_epoch != "test":
            return evaluations[-1]
        return max(evaluations, key=lambda evaluation: evaluation.values["hit_ratio@10"][i])

    @cached_property
    def cells(self) -> dict[str, Any]:
        """What a run's configuration fills."""
        config = self.config
        return data_cells(config.dataset, self.data) | {
            "model": config.model.name,
            "embedding_dim": config.model.embedding_dim,
            **configs.model_cells(config.model),
            "objective": config.objective.name,
            "batch_size": config.objective.batch_size,
            "num_negatives": config.objective.num_negatives,
            "reject_positives": "true" if config.objective.reject_positives else "",
            "shuffle_examples": "true" if config.objective.shuffle_examples else "",
            "optimizer": config.optimizer.name,
            "pretraining": _pretraining(config.pretraining),
            "num_epochs": config.num_epochs,
            "select_epoch": "" if config.select_epoch == "last" else config.select_epoch,
        }

    def references(self, done: set[str]) -> Iterable[Result]:
        return reference_results(self.config, self.data, done)

    def kind(self) -> Hashable:
        config = self.config
        parts = self.task.data_key(config), config.model.name, asdict(config.objective), asdict(config.optimizer)
        return str((*parts, config.num_epochs / config.eval_every))

    def trial(self, block: Block) -> Trial:
        num_epochs, num_evaluations = self.config.num_epochs, -(-self.config.num_epochs // self.config.eval_every)
        program = Program(self.problem, block)
        return measure(program, self.epoch_work * len(block.members), num_epochs, num_evaluations)


def _pretraining(pretraining: configs.PretrainingConfig) -> str:
    if pretraining.name == "trained":
        how = f"{pretraining.num_epochs} epochs, learning_rate={pretraining.learning_rate:g}, "
    else:
        how = "".join(f"{branch}={content[:8]}, " for branch, content in configs.weight_files(pretraining).items())
    return "" if pretraining.name == "none" else f"{pretraining.name}, {how}alpha={pretraining.alpha:g}"


TASK = RecommenderTask()
