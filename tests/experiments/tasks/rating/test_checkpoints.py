"""Ratings that are trained step by step and stopped on the way go on, with the same bits."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.cli.compose import configured
from experiments.engine.checkpoints import FOLDER
from experiments.engine.jobs import blocks_of
from experiments.engine.progress import Progress
from experiments.engine.work import Result
from experiments.ratings import ENTRY
from ncfjax.training.program import Program

SETTINGS = (
    "method=gradient",
    "grid.regularization=[0.02,0.05]",
    "method.num_epochs=5",
    "model.embedding_dim=6",
    "eval_every=5",
    "grid.seed=0",
)


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Any]:
    return lambda *more: configured(ENTRY, *SETTINGS, f"results_dir={tmp_path}", *more)


def results(config: Any) -> dict[Any, Result]:
    work = ENTRY.task.opened(config)
    (block,) = blocks_of(ENTRY.task, work, config, set())
    return dict(work.run(block, Progress(1.0, "", io.StringIO(), has_bar=False)))


def test_a_stopped_run_of_ratings_goes_on_and_ends_in_the_same_bits(config, monkeypatch: pytest.MonkeyPatch):
    whole = results(config())
    advance, begun = Program.advance, []

    def stopped(self: Program, state: Any, num_epochs: int) -> Any:
        begun.extend([state.epoch] * bool(num_epochs))
        if num_epochs and state.epoch == 4 and begun.count(4) == 1:
            raise KeyboardInterrupt
        return advance(self, state, num_epochs)

    monkeypatch.setattr(Program, "advance", stopped)
    with pytest.raises(KeyboardInterrupt):
        results(config("checkpoint_every=2"))
    again = results(config("checkpoint_every=2"))
    assert begun[begun.index(4) :] == [4, 4]
    for point, result in whole.items():
        assert again[point].cells["rmse"] == result.cells["rmse"] and again[point].curve == result.curve
        for name, values in result.arrays.items():
            np.testing.assert_array_equal(again[point].arrays[name], values)


def test_a_longer_run_goes_on_from_a_shorter_one(config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    whole = results(config("method.num_epochs=9"))
    results(config("keep_checkpoints=true"))
    assert len(list((tmp_path / "ratings" / FOLDER).iterdir())) == 2
    advance, begun = Program.advance, []

    def noted(self: Program, state: Any, num_epochs: int) -> Any:
        begun.extend([state.epoch] * bool(num_epochs))
        return advance(self, state, num_epochs)

    monkeypatch.setattr(Program, "advance", noted)
    longer = results(config("method.num_epochs=9"))
    assert begun[0] == 5
    for point, result in whole.items():
        assert longer[point].cells["rmse"] == result.cells["rmse"]


def test_methods_that_solve_have_no_checkpoints(refusal):
    expected = "checkpoint_every: expected nothing, as method=alternating is not trained step by step, got 2"
    assert expected in refusal(ENTRY, "method=alternating", "checkpoint_every=2")


def test_checkpoints_are_in_the_estimate_of_memory(config):
    without, kept = (ENTRY.task.opened(config(*more)).memory.each for more in ((), ("checkpoint_every=2",)))
    work = ENTRY.task.opened(config())
    assert kept - without >= 2 * 4 * work.problem.num_parameters
