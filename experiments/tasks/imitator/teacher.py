"""The recommender that target=recommender distils: a dot model with biases, fitted to the data set by `expected`."""

from typing import Any, NamedTuple

from experiments.engine.device import memory_limit
from experiments.engine.kept import Kept
from experiments.engine.progress import Progress
from experiments.engine.training import train_block
from experiments.tasks.data import dataset_identity
from experiments.tasks.teacher import teacher_spec
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import Ranking
from ncfjax.models.recommender import Recommender
from ncfjax.store import run_id
from ncfjax.training.blocks import Block, MemoryEstimate
from ncfjax.training.recommender import Member, RecommenderProblem

_fitted = Kept(64)  # more than a grid has seeds: each is a minute's work


class Teacher(NamedTuple):
    """A fitted recommender, and how it ranks the held-out items."""

    model: Recommender
    ranking: Ranking


def teacher_of(config: Any, data: LeaveOneOut, seed: int, bar: Progress) -> Teacher:
    """The teacher of one seed; the last few are kept for the jobs that follow."""
    dim, settings = config.embedding_dim, vars(config.teacher)
    key = run_id(
        {"data": dataset_identity(config.dataset, config.data_dir), "embedding_dim": dim, "seed": seed} | settings
    )
    return _fitted.get(key, lambda: _fit(config, data, seed, bar))


def teacher_memory(config: Any, data: LeaveOneOut) -> MemoryEstimate:
    """Of the fit of one."""
    return _problem_of(config, data).memory


def _problem_of(config: Any, data: LeaveOneOut) -> RecommenderProblem:
    spec = teacher_spec(config.embedding_dim, config.teacher)
    return RecommenderProblem(data, spec, memory_bytes=memory_limit(config.memory_gb))


def _fit(config: Any, data: LeaveOneOut, seed: int, bar: Progress) -> Teacher:
    teacher, dim = config.teacher, config.embedding_dim
    member = Member(teacher.learning_rate, teacher.regularization, teacher.stddev, negative_weight=1.0, seed=seed)
    trained = train_block(
        _problem_of(config, data),
        Block([[member]], 1),
        bar,
        f"teacher d={dim} seed {seed}",
        epoch_work=0.0,  # the bar counts the imitators' work
        num_epochs=teacher.num_epochs,
        eval_every=teacher.num_epochs,
        values=lambda ranks: {},
    )
    (model,), ranking = trained.program.models(trained.state), trained.evaluations[-1].measured
    return Teacher(model, Ranking(*(x[0] for x in ranking)))
