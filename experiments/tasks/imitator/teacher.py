"""The recommender that target=recommender distils: a dot model with biases, fitted to the data set by `expected`."""

from dataclasses import asdict
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.engine.config import set_keys
from experiments.engine.progress import Progress
from experiments.tasks.imitator.config import TeacherConfig
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import Ranks
from ncfjax.models.recommender import Recommender
from ncfjax.store import run_id
from ncfjax.training.blocks import Block
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem

_MOST_KEPT = 64  # more than a grid has seeds: each is a minute's work
_EPOCHS_PER_CALL = 8  # between two looks at the bar, and for Ctrl-C
_fitted: dict[str, "Teacher"] = {}


class Teacher(NamedTuple):
    """A fitted recommender, and how it ranks the held-out items."""

    model: Recommender
    ranks: Ranks


def teacher_of(config: Any, data: LeaveOneOut, seed: int, bar: Progress) -> Teacher:
    """The teacher of one seed; the last few are kept for the jobs that follow."""
    key = run_id(
        {"data": set_keys(config.dataset), "embedding_dim": config.embedding_dim, "seed": seed} | asdict(config.teacher)
    )
    if key not in _fitted:
        if len(_fitted) == _MOST_KEPT:
            del _fitted[next(iter(_fitted))]
        _fitted[key] = _fit(config.teacher, config.embedding_dim, data, seed, bar)
    return _fitted[key]


def _fit(teacher: TeacherConfig, embedding_dim: int, data: LeaveOneOut, seed: int, bar: Progress) -> Teacher:
    options = (("biases", True),)
    spec = Spec(embedding_dim, "expected", teacher.batch_size, teacher.num_negatives, "dot", options, "sgd")
    member = Member(teacher.learning_rate, teacher.regularization, teacher.stddev, negative_weight=1.0, seed=seed)
    program, name = (
        Program(RecommenderProblem(data, spec), Block([[member]], 1)),
        f"teacher d={embedding_dim} seed {seed}",
    )
    bar.show(f"{name}, compiling")
    program.compile()
    state = program.init()
    while state.epoch < teacher.num_epochs:
        state = jax.block_until_ready(program.advance(state, min(_EPOCHS_PER_CALL, teacher.num_epochs - state.epoch)))
        bar.show(f"{name}, epoch {state.epoch}")
    bar.resume()
    (model,) = program.models(state)
    return Teacher(model, Ranks(*(np.asarray(ranks[0]) for ranks in program.evaluate(state))))
