"""A block trained by one program: which seconds its rows are told, and when it is evaluated."""

import io
from typing import NamedTuple

import numpy as np
import pytest

from experiments.engine import training
from experiments.engine import work as work_module
from experiments.engine.evaluation import curve_of, metrics_at
from experiments.engine.progress import Progress
from experiments.engine.training import Start, measure, train_block
from experiments.engine.work import Trial

COMPILE, EPOCH, EVALUATE = 5.0, 2.0, 3.0  # seconds


class State(NamedTuple):
    epoch: int


class Block(NamedTuple):
    members: list[str]


class Problem:
    num_parameters = 42


class Program:
    """Takes its time, on a clock that only it moves; its third epoch lets the second member diverge."""

    def __init__(self, problem: Problem, block: Block):
        self.block = block
        self.calls: list[tuple[str, int]] = []

    def _pass(self, seconds: float, what: str, number: int = 0) -> None:
        training.time.now += seconds
        self.calls.append((what, number))

    def compile(self) -> None:
        self._pass(COMPILE, "compile")

    def init(self) -> State:
        return State(0)

    def advance(self, state: State, num_epochs: int) -> State:
        self._pass(EPOCH * num_epochs, "advance", num_epochs)
        return State(state.epoch + num_epochs)

    def evaluate(self, state: State) -> np.ndarray:
        self._pass(EVALUATE, "evaluate", state.epoch)
        return np.arange(len(self.block.members)) + 10.0 * state.epoch

    def diverged(self, state: State) -> np.ndarray:
        return np.arange(len(self.block.members)) == 1 if state.epoch >= 3 else np.zeros(len(self.block.members), bool)


class Clock:
    """`time`, for a test."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def program(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(training, "time", clock)
    monkeypatch.setattr(work_module, "time", clock)
    monkeypatch.setattr(training, "Program", Program)


@pytest.fixture
def bar():
    return Progress(1.0, "", io.StringIO(), has_bar=False)


def train(bar, members: str = "abcd", num_epochs: int = 5, **more):
    return train_block(
        Problem(),
        Block(list(members)),
        bar,
        "name",
        epoch_work=1.0,
        num_epochs=num_epochs,
        eval_every=more.pop("eval_every", 2),
        values=lambda measured: {"x": measured, "y": -measured},
        **more,
    )


def test_a_row_costs_its_share_of_the_training_time_and_waits_for_the_whole_compilation(bar):
    assert train(bar, "abcd").cost == {"parameters": 42, "compile_seconds": COMPILE, "train_seconds": 5 * EPOCH / 4}
    assert train(bar, "a").cost["train_seconds"] == 5 * EPOCH


def test_what_is_trained_before_the_first_epoch_counts_too(bar):
    cost = train(bar, "ab", start=lambda program: Start(program.init(), seconds=20.0, compile_seconds=7.0)).cost
    assert cost["compile_seconds"] == COMPILE + 7 and cost["train_seconds"] == (20 + 5 * EPOCH) / 2


def test_a_block_is_evaluated_now_and_then_and_after_its_last_epoch(bar):
    assert [evaluation.epoch for evaluation in train(bar, num_epochs=5, eval_every=2).evaluations] == [2, 4, 5]
    assert [evaluation.epoch for evaluation in train(bar, num_epochs=4, eval_every=2).evaluations] == [2, 4]
    assert [evaluation.epoch for evaluation in train(bar, num_epochs=4, eval_every=9).evaluations] == [4]
    start = {"start": lambda program: Start(State(3))}
    assert [evaluation.epoch for evaluation in train(bar, num_epochs=5, eval_every=2, **start).evaluations] == [4, 5]


def test_training_returns_about_once_a_second(bar, monkeypatch):
    monkeypatch.setattr(training, "CALL_SECONDS", 4 * EPOCH)
    trained = train(bar, num_epochs=10, eval_every=10)
    assert [number for what, number in trained.program.calls if what == "advance"] == [1, 4, 4, 1]


def test_what_was_measured_is_kept_of_the_last_evaluation_or_of_all(bar):
    assert [e.measured is None for e in train(bar).evaluations] == [True, True, False]
    assert not any(e.measured is None for e in train(bar, keeps_all=True).evaluations)


def test_a_member_has_its_own_values_and_a_curve_as_far_as_it_went(bar):
    evaluations = train(bar, "ab").evaluations
    assert metrics_at(evaluations[0], 1) == {"x": 21.0, "y": -21.0}
    assert [(row["epoch"], row["metric"], row["value"]) for row in curve_of(evaluations, 1)] == [
        (2, "x", 21.0), (2, "y", -21.0)
    ]  # fmt: skip
    assert [row["epoch"] for row in curve_of(evaluations, 0, ["x"])] == [2, 4, 5]


def test_a_trial_measures_compiling_and_training_with_its_share_of_the_evaluations():
    trial = measure(Program(Problem(), Block(["a"])), epoch_work=4.0, num_epochs=10, num_evaluations=5)
    assert trial == Trial(COMPILE, (EPOCH + EVALUATE * 5 / 10) / 4.0)


def test_an_epoch_that_takes_longer_than_a_trial_is_trained_once():
    program = Program(Problem(), Block(["a"]))
    measure(program, 1.0, num_epochs=10, num_evaluations=5)
    assert EPOCH > training._TRIAL_SECONDS and [n for what, n in program.calls if what == "advance"] == [1]


def test_a_trial_takes_no_more_epochs_than_a_run(monkeypatch):
    monkeypatch.setattr(training, "_TRIAL_SECONDS", 100 * EPOCH)
    program = Program(Problem(), Block(["a"]))
    measure(program, 1.0, num_epochs=3, num_evaluations=1)
    assert sum(number for what, number in program.calls if what == "advance") == 1 + 3, "the first warms up"


def test_the_pace_of_a_method_is_a_share_of_that_of_a_matrix_product(monkeypatch):
    class Fitted(work_module.Work):
        pace_share = 0.5

        def run(self, block, bar):
            yield from ()

    seconds = iter([9.0, 2.0])  # the first compiles
    monkeypatch.setattr(work_module, "seconds_of", lambda action: next(seconds))
    monkeypatch.setattr(work_module, "_SIDE", 10)
    assert Fitted().trial(Block(["a"])) == Trial(0.0, 2.0 / (1000 * 0.5)) and Fitted().kind() == 0.5
