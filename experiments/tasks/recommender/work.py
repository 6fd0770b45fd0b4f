"""The runs of python -m experiments.sweep: recommenders trained, and evaluated under both protocols."""

from collections.abc import Hashable, Iterator, Sequence
from functools import cache, cached_property
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np

from experiments.engine.checkpoints import checkpoints_of, kept_bytes
from experiments.engine.checks import expect
from experiments.engine.device import check_devices, memory_limit
from experiments.engine.evaluation import Evaluation, curve_of, metrics_at
from experiments.engine.memory import held_bytes
from experiments.engine.processes import num_processes
from experiments.engine.progress import Progress
from experiments.engine.training import measure, train_block
from experiments.engine.work import Result, Trial, Work
from experiments.tasks.data import data_cells, load_data
from experiments.tasks.models import model_options
from experiments.tasks.ranking import metrics, remarks_of, shares_of, values_of
from experiments.tasks.recommender.config import FROM_DOT, PRETRAININGS, weight_files
from experiments.tasks.recommender.plan import plan_of
from experiments.tasks.recommender.residual import ablation_cells, share_cells
from experiments.tasks.recommender.start import joined_files, start, teachers
from experiments.tasks.recommender.task import TASK, reference_id, reference_names
from experiments.tasks.saving import SAVED_COPIES, Saver
from ncfjax.baselines.popularity import fit_popularity
from ncfjax.cost import cost
from ncfjax.evaluation.ranking import Ranking, ranking_of
from ncfjax.training.blocks import Block
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem

# What an epoch costs beside the products, in embedding dimensions: at 192 an epoch takes 4 times as long as at 16.
OVERHEAD_DIM = 40
MULTIPLICATIONS_PER_DIM = 16  # of a tower, per example


def spec_of(config: Any) -> Spec:
    """What is fixed when a job's program is compiled."""
    return Spec(
        model=config.model.name,
        embedding_dim=config.model.embedding_dim,
        options=tuple(model_options(config.model).items()),
        objective=config.objective.name,
        optimizer=config.optimizer.name,
        batch_size=config.objective.batch_size,
        num_negatives=config.objective.num_negatives,
        reject_positives=config.objective.reject_positives,
        shuffle_examples=bool(config.objective.shuffle_examples),
    )


def members_of(block: Block) -> Block:
    """A block of points of a grid as one of members: an axis that a job does not have has its default."""

    def member(point: Any) -> Member:
        return Member(**{axis: value for axis, value in point._asdict().items() if value is not None})

    return Block([[member(point) for point in group] for group in block.groups], block.width)


class RecommenderWork(Work):
    """One job of recommenders."""

    def __init__(self, config: Any):
        self.config, self.data = config, load_data(config)
        self.data_cells = data_cells(config, self.data)  # now: its files may change while it is trained
        self.saver = Saver(config, self.data.name, self.data.train)
        self.spec, pretraining = spec_of(config), config.pretraining
        check_devices("table_shards", config.table_shards)
        how = {
            "pretrained": pretraining.name in ("trained", *FROM_DOT),
            "memory_bytes": memory_limit(config.memory_gb),
            "table_shards": config.table_shards,
            "precision": config.precision,
        }
        self.problem = RecommenderProblem(self.data, self.spec, **how)
        is_spread = num_processes() == 1 or config.table_shards in (1, jax.device_count())
        expected = f"1, or all {jax.device_count()} devices of {num_processes()} processes"
        expect("table_shards", is_spread, expected, config.table_shards)
        self.plan = plan_of(self.problem.run)
        each = self.problem.memory.each + kept_bytes(config, self.problem.run)
        each += self.saver.extra_bytes(SAVED_COPIES * 4 * self.problem.num_parameters)
        self.memory = self.problem.memory._replace(each=each, host=held_bytes(self.data))
        self.cpu_width = self.problem.cpu_width
        tower = self.spec.similarity.multiplications_per_pair / MULTIPLICATIONS_PER_DIM
        self.epoch_work = self.spec.embedding_dim + OVERHEAD_DIM + tower  # of one member
        is_trained = pretraining.name == "trained"
        self.each = self.epoch_work * max(1, config.num_epochs + is_trained * (pretraining.num_epochs or 0))
        if pretraining.name in FROM_DOT:
            self.not_counted = "the dot products that are trained first"
            memories = [RecommenderProblem(self.data, part).memory.each for part in teachers(self.spec, pretraining)]
            self.memory = self.memory._replace(each=max(each, *memories))
        if pretraining.name == "keras":
            joined_files(config, self.data)  # what is wrong with the files shows before anything is trained

    def run(self, block: Block, bar: Progress) -> Iterator[tuple[Any, Result]]:
        points, block = block.members, members_of(block)
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
            measures_start=self.config.pretraining.name in FROM_DOT,
            checkpoints=checkpoints_of(TASK, self.config, points),
        )
        models = cache(lambda: trained.program.models(trained.state))  # if any is saved, or looked into
        if num_processes() > 1 and self.saver.keeps:
            models()  # some of each lies in every process, and the first alone will ask
        for i, point in enumerate(points):
            result = self._result(i, trained.evaluations, trained.cost)
            result = result._replace(remarks=[*result.remarks, *trained.remarks])
            is_last = self.config.select_epoch != "test"  # else the row is of another epoch's model
            if self.spec.model == "residual" and result.status == "completed" and is_last:
                cells = share_cells(models()[i])
                if self.config.phase != "tune":  # scoring every pair for the item means takes as long as evaluating
                    cells |= ablation_cells(models()[i], self.data, self.problem.memory_bytes)
                result = result._replace(cells=result.cells | cells)
            save = self.saver.of("recommender", self.spec.model, lambda i=i: models()[i], dict(self.spec.options))
            yield point, result._replace(save=save)

    def _result(self, i: int, evaluations: Sequence[Evaluation], cost: dict[str, Any]) -> Result:
        """One run. A diverged one has no metrics and no ranks, and a curve as far as it went."""
        cells, curve = self.cells | cost, curve_of(evaluations, i)
        if evaluations[-1].diverged[i]:
            return Result(cells, curve, status="diverged")
        chosen = self._chosen(evaluations, i)
        ranking = Ranking(*(np.asarray(array[i]) for array in chosen.measured))
        cells |= metrics_at(chosen, i) | shares_of(ranking) | {"epoch": chosen.epoch}
        return Result(cells, curve, ranking.ranks._asdict(), remarks=remarks_of(cells, self.data))

    def _chosen(self, evaluations: Sequence[Evaluation], i: int) -> Evaluation:
        """The last; or, as NCF's code reports, the first with the highest HR@10 on test."""
        if self.config.select_epoch != "test":
            return evaluations[-1]
        return max(evaluations, key=lambda evaluation: evaluation.values["hit_ratio@10"][i])

    @cached_property
    def cells(self) -> dict[str, Any]:
        dim, similarity = self.spec.embedding_dim, self.spec.similarity
        counted = {
            "predictive_factors": similarity.predictive_factors(dim),
            "multiplications": cost(similarity, dim, self.data.train.num_items).per_score.multiplications,
        }
        return self.data_cells | counted | {"pretraining": _pretraining(self.config.pretraining)}

    def references(self, done: set[str]) -> Iterator[tuple[str, Result]]:
        """Where the numbers of a table begin, and on synthetic data where they must end."""
        for name in reference_names(self.config):
            if (run_id := reference_id(self.config, name)) not in done:
                scorer = self.data.oracle if name == "oracle" else fit_popularity(self.data.train)
                ranking = ranking_of(scorer, self.data, memory_bytes=self.problem.memory_bytes)
                cells = self.data_cells | {"phase": "run", "split": self.config.split, "model": name}
                cells |= values_of(ranking) | shares_of(ranking)
                yield run_id, Result(cells, arrays=ranking.ranks._asdict(), remarks=remarks_of(cells, self.data))

    def kind(self) -> Hashable:
        config = self.config
        parts = TASK.data_key(config), config.model.name, vars(config.objective), config.optimizer.name
        return str((*parts, config.num_epochs / config.eval_every))

    def trial(self, block: Block) -> Trial:
        num_epochs = max(self.config.num_epochs, 1)
        num_evaluations = -(-num_epochs // self.config.eval_every)
        program = Program(self.problem, members_of(block))
        return measure(program, self.epoch_work * len(block.members), num_epochs, num_evaluations)


def _pretraining(pretraining: SimpleNamespace) -> str:
    if pretraining.name in FROM_DOT:
        set_to = ((key, getattr(pretraining, key)) for key in PRETRAININGS[pretraining.name])
        return ", ".join([pretraining.name, *(f"{key}={value:g}" for key, value in set_to if value is not None)])
    if pretraining.name == "trained":
        how = f"{pretraining.num_epochs} epochs, learning_rate={pretraining.learning_rate:g}, "
    else:
        how = "".join(f"{branch}={content[:8]}, " for branch, content in weight_files(pretraining).items())
    return "" if pretraining.name == "none" else f"{pretraining.name}, {how}alpha={pretraining.alpha:g}"
