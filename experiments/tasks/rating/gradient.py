"""Runs that are trained step by step: a similarity of ncfjax/models under the squared error."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import jax.numpy as jnp

from experiments.engine.checkpoints import checkpoints_of, kept_bytes
from experiments.engine.evaluation import curve_of, metrics_at
from experiments.engine.progress import Progress
from experiments.engine.training import measure, train_block
from experiments.engine.work import Result, Trial, Work
from experiments.tasks.models import model_options
from experiments.tasks.rating import cost
from experiments.tasks.rating.data import data_cells, load_job, ratings_bytes
from experiments.tasks.rating.evaluation import arrays, metrics_of_members, to_predict
from experiments.tasks.rating.task import TASK
from experiments.tasks.saving import SAVED_COPIES, Saver
from ncfjax.models.recommender import Recommender
from ncfjax.ratings.model import CenteredRecommender
from ncfjax.training.blocks import Block
from ncfjax.training.program import Program
from ncfjax.training.rating import RatingProblem, RatingSpec


class GradientWork(Work):
    """One job of models that learn by gradient steps."""

    def __init__(self, config: Any):
        self.config, self.data = config, load_job(config)
        self.saver = Saver(config, self.data.name, self.data.train)
        model, method = config.model, config.method
        options = tuple(model_options(model).items())
        self.spec = RatingSpec(model.embedding_dim, method.batch_size, model.name, options, method.optimizer)
        pairs = to_predict(self.data)
        self.problem = RatingProblem(self.data.train, pairs, self.spec)
        host = ratings_bytes(self.data) + cost.PREDICTED_BYTES * len(pairs)
        each = self.problem.memory.each + kept_bytes(config, self.problem.run)
        each += self.saver.extra_bytes(SAVED_COPIES * 4 * self.problem.num_parameters)
        self.memory, self.cpu_width = self.problem.memory._replace(each=each, host=host), self.problem.cpu_width
        tower = self.spec.similarity.multiplications_per_pair
        self.epoch_work = cost.of_an_epoch(self.data.train, model.embedding_dim, tower)
        self.each = self.epoch_work * method.num_epochs

    def run(self, block: Block, bar: Progress) -> Iterator[tuple[Any, Result]]:
        trained = train_block(
            self.problem,
            block,
            bar,
            f"{self.spec.model} d={self.spec.embedding_dim}",
            epoch_work=self.epoch_work,
            num_epochs=self.config.method.num_epochs,
            eval_every=self.config.eval_every,
            values=lambda predictions: metrics_of_members(predictions, self.data),
            checkpoints=checkpoints_of(TASK, self.config, block.members),
        )
        evaluations, cells = trained.evaluations, data_cells(self.data) | trained.cost
        models = cache(lambda: trained.program.models(trained.state))  # if any is saved
        for i, member in enumerate(block.members):
            curve, last = curve_of(evaluations, i), evaluations[-1]
            if last.diverged[i]:
                yield member, Result(cells, curve, status="diverged", remarks=trained.remarks)
            else:
                values = metrics_at(last, i) | {"epoch": last.epoch}
                save = self.saver.of(
                    "rating", self.spec.model, partial(self._model, models, i), dict(self.spec.options)
                )
                measured = arrays(last.measured[i], self.data)
                yield member, Result(cells | values, curve, measured, save=save, remarks=trained.remarks)

    def _model(self, models: Callable[[], Sequence[Recommender]], i: int) -> CenteredRecommender:
        return CenteredRecommender(jnp.float32(self.problem.mean), models()[i])

    def kind(self) -> str:
        return str((self.spec, len(self.data.train)))

    def trial(self, block: Block) -> Trial:
        num_epochs = self.config.method.num_epochs
        num_evaluations = -(-num_epochs // self.config.eval_every)
        return measure(Program(self.problem, block), self.epoch_work * len(block.members), num_epochs, num_evaluations)
