"""One block of runs trained, epoch by epoch, with a look at its metrics now and then.

Clocks live here. Training returns to the host about once a second, to show progress.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import jax
import numpy as np
from jaxtyping import Bool, Float

from experiments.config import SweepConfig
from experiments.progress import Progress, work
from experiments.rows import metrics
from ncfjax.evaluation.ranking import Ranks
from ncfjax.training.blocks import State
from ncfjax.training.program import Program

CALL_SECONDS = 1.0


class Trainable(Protocol):
    """A block's compiled programs."""

    def advance(self, state: State, num_epochs: int) -> State: ...


def timed_advance(program: Trainable, state: State, num_epochs: int) -> tuple[State, float]:
    """The state after some epochs, and the seconds until it was there."""
    start = time.perf_counter()
    state = jax.block_until_ready(program.advance(state, num_epochs))
    return state, time.perf_counter() - start


class Clock:
    """Seconds and epochs of one program so far, from which the length of the next call follows."""

    def __init__(self, epoch_work: float) -> None:
        self.seconds, self.epochs, self.epoch_work = 0.0, 0, epoch_work

    def advance(self, program: Trainable, state: State, stop: int, bar: Progress, name: str) -> State:
        """The state at epoch `stop`."""
        while state.epoch < stop:
            most = CALL_SECONDS * self.epochs / self.seconds if self.epochs else 1
            step = int(np.clip(most, 1, stop - state.epoch))
            state, seconds = timed_advance(program, state, step)
            self.seconds, self.epochs = self.seconds + seconds, self.epochs + step
            bar.advance(step * self.epoch_work, f"{name}, epoch {state.epoch}")
        return state

    def stops(
        self, program: Trainable, state: State, num_epochs: int, eval_every: int, bar: Progress, name: str
    ) -> Iterator[State]:
        """Trains up to epoch `num_epochs`: the states every `eval_every` epochs and after the last one."""
        while state.epoch < num_epochs:
            stop = min(state.epoch - state.epoch % eval_every + eval_every, num_epochs)
            state = self.advance(program, state, stop, bar, name)
            yield state


def epoch_work(program: Program) -> float:
    """Of all members of a block."""
    spec = program.problem.spec
    return work(len(program.members), 1, spec.embedding_dim, dict(spec.options).get("layers", ()))


class Glance(NamedTuple):
    """What a block looks like after some epochs."""

    epoch: int
    seconds: float  # of training so far, without pretraining
    metrics: dict[str, Float[np.ndarray, " members"]]
    diverged: Bool[np.ndarray, " members"]
    ranks: Ranks | None  # dropped where they are not stored


def glances(program: Program, state: State, config: SweepConfig, bar: Progress) -> Iterator[Glance]:
    """Trains a block from `state` on; a glance every `eval_every` epochs and after the last one."""
    clock, name = Clock(epoch_work(program)), f"{config.model.name} d={config.model.embedding_dim}"
    for reached in clock.stops(program, state, config.num_epochs, config.eval_every, bar, name):
        ranks = program.evaluate(reached)
        yield Glance(reached.epoch, clock.seconds, metrics(ranks), np.asarray(program.diverged(reached)), ranks)
