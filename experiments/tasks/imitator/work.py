"""The runs of python -m experiments.imitate: a network learns the scores of a teacher, and is measured against it.

`compile_seconds` of a row holds the draw of its pairs too and, the first time, the fit of its teacher.
"""

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from experiments.engine.checkpoints import checkpoints_of, kept_bytes
from experiments.engine.evaluation import curve_of, metrics_at
from experiments.engine.progress import Progress
from experiments.engine.training import measure, train_block
from experiments.engine.work import Result, Trial, Work
from experiments.tasks.imitator.config import layers_of
from experiments.tasks.imitator.target import target_of
from experiments.tasks.imitator.task import TASK
from ncfjax.data.dot_pairs import DotPairOptions
from ncfjax.training.blocks import Block
from ncfjax.training.imitation import ImitationSpec
from ncfjax.training.imitation_problem import ImitationMember, ImitationProblem, Measured
from ncfjax.training.imitation_task import dot_source
from ncfjax.training.program import Program

STEP_OVERHEAD = 20_000  # multiplications per pair that a step costs beside its products
_TRIAL_PAIRS = 20_000  # per epoch of a trial, of which a step costs what it costs with more of them
_TRIAL_EPOCHS = 2
# Without what predicting 0 is off by, which no epoch changes; the dot product's lines make a curve readable.
_CURVES = ("rmse_test", "rmse_dot_test", "rmse_fresh", "rmse_dot_fresh")


def spec_of(config: Any) -> ImitationSpec:
    """What is fixed when a job's program is compiled."""
    values = {name: getattr(config, name) for name in ImitationSpec._fields}
    return ImitationSpec(**values | {"layers": layers_of(config)})


class ImitatorWork(Work):
    """One job of imitators."""

    def __init__(self, config: Any):
        self.config = config
        self.spec, self.target = spec_of(config), target_of(config)
        self.problem = ImitationProblem(self.target.source, self.spec, self.target.ranking_bytes(self.spec.layers))
        self.not_counted = self.target.not_counted
        memory = self.problem.memory
        memory = memory._replace(each=memory.each + kept_bytes(config, self.problem.run))
        self.memory, self.cpu_width = self.target.with_teachers(memory), self.problem.cpu_width
        self.epoch_work = _epoch_work(self.problem)  # of one member
        self.each = self.epoch_work * self.spec.num_epochs

    def run(self, block: Block, bar: Progress) -> Iterator[tuple[ImitationMember, Result]]:
        self.target.bar = bar
        trained = train_block(
            self.problem,
            block,
            bar,
            TASK.label(self.config),
            epoch_work=self.epoch_work,
            num_epochs=self.spec.num_epochs,
            eval_every=self.config.eval_every,
            values=_errors,
            checkpoints=checkpoints_of(TASK, self.config, block.members),
        )
        last, models = trained.evaluations[-1], trained.program.models(trained.state)
        for i, (member, imitator) in enumerate(zip(block.members, models, strict=True)):
            cells, curve = self.target.cells | trained.cost, curve_of(trained.evaluations, i, _CURVES)
            if last.diverged[i]:  # no errors and no ranks, and a curve as far as it went
                yield member, Result(cells, curve, status="diverged", remarks=trained.remarks)
            else:
                ranked = self.target.rank(imitator, member.seed)
                cells |= metrics_at(last, i) | ranked.cells
                yield member, Result(cells, curve, ranked.ranks, remarks=[*ranked.remarks, *trained.remarks])
        bar.resume()

    def kind(self) -> Hashable:
        return self.spec

    def trial(self, block: Block) -> Trial:
        """Of the same network on few pairs of random vectors: teachers are not fitted, and nothing is ranked."""
        config = self.config
        num_users = max(_TRIAL_PAIRS // config.pairs_per_user, config.pairs_per_user, 10)
        options = DotPairOptions(num_users, config.embedding_dim, config.pairs_per_user, num_fresh=1000)
        problem = ImitationProblem(dot_source(options), self.spec)
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
