"""The recommender that a network learns from."""

import io

import jax
import numpy as np
import pytest

from experiments.cli.compose import configured
from experiments.engine.kept import Kept
from experiments.engine.progress import Progress
from experiments.imitate import ENTRY
from experiments.tasks.data import load_test_split
from experiments.tasks.imitator import teacher as module
from experiments.tasks.imitator.teacher import teacher_of
from ncfjax.evaluation.ranking import ranking_of
from ncfjax.training.blocks import Block
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem

pytestmark = pytest.mark.slow  # XLA compiles


@pytest.fixture
def teacher(distillation, monkeypatch):
    """The teacher of a seed, of a command with further arguments; none is kept from other tests."""
    monkeypatch.setattr(module, "_fitted", Kept(64))
    bar = Progress(1.0, "", io.StringIO(), has_bar=False)

    def teacher(seed: int, *arguments: str, of: tuple[str, ...] = distillation):
        config = configured(ENTRY, *of, *arguments)
        return teacher_of(config, load_test_split(config.dataset, None), seed, bar)

    return teacher


@pytest.fixture
def data(distillation):
    return load_test_split(configured(ENTRY, *distillation).dataset, None)


def test_it_is_trained_for_all_its_epochs_with_the_seed_of_its_run(teacher, data):
    """12 epochs, which are more than one call."""
    spec = Spec(4, "expected", 8, 8, "dot", (("biases", True),), "sgd")
    for seed in (3, 4):
        block = Block([[Member(0.05, 0.005, 0.1, negative_weight=1.0, seed=seed)]], 1)
        program = Program(RecommenderProblem(data, spec), block)
        state = program.init()
        for _ in range(12):
            state = program.advance(state, 1)
        (expected,) = program.models(state)
        for ours, theirs in zip(jax.tree.leaves(teacher(seed).model), jax.tree.leaves(expected), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_strengths_weigh_what_it_learns_from(teacher, table):
    few = ("target=recommender", *table, "embedding_dim=4", "teacher.num_epochs=3")
    without, weighted = (teacher(3, *more, of=few).model.item[...] for more in ((), ("dataset.strength=true",)))
    assert np.abs(weighted - without).max() > 1e-4


def test_its_ranks_are_those_of_its_model(teacher, data):
    fitted = teacher(3)
    for ours, theirs in zip(fitted.ranking, ranking_of(fitted.model, data), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_it_is_fitted_once_for_all_networks_that_learn_from_it(teacher):
    first = teacher(3)
    assert teacher(3, "pairs_per_user=7", "layers=[4]", "noise=1") is first
    for other in ((4,), (3, "teacher.num_epochs=1"), (3, "embedding_dim=2"), (3, "dataset.seed=1")):
        assert teacher(*other) is not first


def test_the_last_few_are_kept(teacher, monkeypatch):
    monkeypatch.setattr(module, "_fitted", Kept(2))
    first, second = teacher(0), teacher(1)
    teacher(2)
    assert teacher(1) is second and teacher(0) is not first
