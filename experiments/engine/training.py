"""A block of runs trained by one program, epoch by epoch, and evaluated now and then.

Clocks live here. Training returns to the host about once a second, to show progress. `compile_seconds` of a row is what
its block waited until it could train; `train_seconds` is the block's training time, without compiling and evaluating,
divided by its number of runs: what a run cost, not how long it took.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from experiments.engine.checkpoints import Checkpoints
from experiments.engine.evaluation import Evaluation
from experiments.engine.processes import common
from experiments.engine.progress import Progress, log
from experiments.engine.work import Trial, seconds_of
from ncfjax.training.blocks import Block, State
from ncfjax.training.program import Problem, Program

CALL_SECONDS = 1.0
_TRIAL_SECONDS = 1.0


def timed_advance(program: Program, state: State, num_epochs: int) -> tuple[State, float]:
    """The state after some epochs, and the seconds until it was there."""
    return timed(lambda: program.advance(state, num_epochs))


def timed(make: Callable[[], State]) -> tuple[State, float]:
    """A state, and the seconds until it was there."""
    start = time.perf_counter()
    state = jax.block_until_ready(make())
    return state, time.perf_counter() - start


class Clock:
    """Seconds and epochs of one program so far, from which the length of the next call follows."""

    def __init__(self, program: Program, epoch_work: float, bar: Progress, name: str) -> None:
        self.program, self.epoch_work, self.bar, self.name = program, epoch_work, bar, name
        self.seconds, self.epochs = 0.0, 0

    def advance(self, state: State, stop: int) -> State:
        """The state at epoch `stop`."""
        while state.epoch < stop:
            most = CALL_SECONDS * self.epochs / self.seconds if self.epochs else 1
            step = int(common(np.clip(most, 1, stop - state.epoch)))
            state, seconds = timed_advance(self.program, state, step)
            self.seconds, self.epochs = self.seconds + seconds, self.epochs + step
            self.bar.advance(step * self.epoch_work, f"{self.name}, epoch {state.epoch}")
        return state

    def stops(self, state: State, num_epochs: int, every: Iterable[int]) -> Iterator[State]:
        """The state given, then those that are trained of it, up to epoch `num_epochs`: after each multiple of one of
        `every`, and after the last epoch."""
        yield state
        while state.epoch < num_epochs:
            stop = min(state.epoch - state.epoch % step + step for step in every)
            state = self.advance(state, min(stop, num_epochs))
            yield state


class Start(NamedTuple):
    """The state before the first epoch, and the seconds that it took beside those of the program."""

    state: State
    seconds: float = 0.0
    compile_seconds: float = 0.0


class Trained(NamedTuple):
    """A block at its end."""

    program: Program
    state: State
    evaluations: list[Evaluation]
    cost: dict[str, Any]  # cells of each of its rows
    remarks: Sequence[str] = ()  # for `note` of each


def train_block(
    problem: Problem,
    block: Block,
    bar: Progress,
    name: str,
    *,
    epoch_work: float,
    num_epochs: int,
    eval_every: int,
    values: Callable[[Any], Mapping[str, Float[np.ndarray, " members"]]],
    start: Callable[[Program], Start] | None = None,
    keeps_all: bool = False,
    measures_start: bool = False,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Compiles, trains and evaluates the runs of a block.

    Args:
        epoch_work: of one run.
        values: metrics of what the program's `evaluate` gives.
        start: where training begins; by default with fresh models.
        keeps_all: whether `measured` is kept of every evaluation; else of the last one alone.
        measures_start: whether what training begins with is evaluated too, as epoch 0.
        checkpoints: where a block goes on that was stopped, and what is kept of this one.
    """
    bar.show(f"{name}, compiling")
    started = time.perf_counter()
    program = Program(problem, block)
    program.compile()
    compile_seconds = time.perf_counter() - started
    bar.resume()
    epochs = _Epochs(num_epochs, eval_every, measures_start)
    resumed = checkpoints and checkpoints.restored(program, epochs.evaluated)
    if resumed:
        began, evaluations = Start(resumed.state, resumed.seconds), resumed.evaluations
        bar.skip(resumed.state.epoch * epoch_work * len(block.members))
        log(f"{name}: goes on after epoch {resumed.state.epoch} of {num_epochs}")
    else:
        began, evaluations = start(program) if start else Start(program.init()), []
    bar.resume()
    clock, first = Clock(program, epoch_work * len(block.members), bar, name), began.state.epoch
    every = [eval_every, *([checkpoints.every] if checkpoints and checkpoints.every else [])]
    for state in clock.stops(began.state, num_epochs, every):
        if epochs.is_evaluated(state.epoch):
            if evaluations and not keeps_all:
                evaluations[-1] = evaluations[-1]._replace(measured=None)
            measured = program.evaluate(state)
            evaluations.append(Evaluation(state.epoch, values(measured), program.diverged(state), measured))
        if checkpoints and state.epoch > first and checkpoints.is_due(state.epoch, num_epochs):
            checkpoints.save(program, state, evaluations, began.seconds + clock.seconds)
    cost = {
        "parameters": problem.num_parameters,
        "compile_seconds": compile_seconds + began.compile_seconds,
        "train_seconds": (began.seconds + clock.seconds) / len(block.members),
    }
    return Trained(program, state, evaluations, cost, checkpoints.remarks if checkpoints else ())


class _Epochs(NamedTuple):
    """After which epochs a block is evaluated."""

    num_epochs: int
    eval_every: int
    measures_start: bool

    def is_evaluated(self, epoch: int) -> bool:
        if epoch in (0, self.num_epochs):
            return epoch > 0 or self.measures_start
        return epoch % self.eval_every == 0

    @property
    def evaluated(self) -> list[int]:
        return [epoch for epoch in range(self.num_epochs + 1) if self.is_evaluated(epoch)]


def measure(program: Program, epoch_work: float, num_epochs: int, num_evaluations: int) -> Trial:
    """Compiles a block's program, trains it for about a second and evaluates it once."""
    compiling = seconds_of(program.compile)
    state, warming = timed_advance(program, program.init(), 1)
    # The first call warms up, which is nothing beside an epoch that takes longer than the trial.
    training, epochs = (warming, 1) if common(warming >= _TRIAL_SECONDS) else (0.0, 0)
    while common(training < _TRIAL_SECONDS and epochs < num_epochs):
        state, seconds = timed_advance(program, state, 1)
        training, epochs = training + seconds, epochs + 1
    evaluating = seconds_of(lambda: program.evaluate(state)) * num_evaluations / num_epochs
    return Trial(compiling, (training / epochs + evaluating) / epoch_work)
