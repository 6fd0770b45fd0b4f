"""One block of runs trained, epoch by epoch, with a look at its metrics now and then.

Clocks live here. Training returns to the host about once a second, to show progress.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from experiments.config import SweepConfig
from experiments.progress import Progress, work
from experiments.rows import metrics
from ncfjax.evaluation.ranking import Ranks
from ncfjax.training.grid import Program, State

CALL_SECONDS = 1.0


def timed_advance(program: Program, state: State, num_epochs: int) -> tuple[State, float]:
    """The state after some epochs, and the seconds until it was there."""
    start = time.perf_counter()
    state = jax.block_until_ready(program.advance(state, num_epochs))
    return state, time.perf_counter() - start


class Clock:
    """Seconds and epochs of one program so far, from which the length of the next call follows."""

    def __init__(self) -> None:
        self.seconds, self.epochs = 0.0, 0

    def advance(self, program: Program, state: State, stop: int, bar: Progress, name: str) -> State:
        """The state at epoch `stop`."""
        while state.epoch < stop:
            most = CALL_SECONDS * self.epochs / self.seconds if self.epochs else 1
            step = int(np.clip(most, 1, stop - state.epoch))
            state, seconds = timed_advance(program, state, step)
            self.seconds, self.epochs = self.seconds + seconds, self.epochs + step
            layers = dict(program.spec.options).get("layers", ())
            done = work(len(program.members), step, program.spec.embedding_dim, layers)
            bar.advance(done, f"{name}, epoch {state.epoch}")
        return state


class Glance(NamedTuple):
    """What a block looks like after some epochs."""

    epoch: int
    seconds: float  # of training so far, without pretraining
    metrics: dict[str, Float[np.ndarray, " members"]]
    diverged: Bool[np.ndarray, " members"]
    ranks: Ranks | None  # dropped where they are not stored


def glances(program: Program, state: State, config: SweepConfig, bar: Progress) -> Iterator[Glance]:
    """Trains a block from `state` on; a glance every `eval_every` epochs and after the last one."""
    clock, name = Clock(), f"{config.model.name} d={config.model.embedding_dim}"
    while state.epoch < config.num_epochs:
        stop = min(state.epoch - state.epoch % config.eval_every + config.eval_every, config.num_epochs)
        state = clock.advance(program, state, stop, bar, name)
        ranks = program.ranks(state)
        yield Glance(stop, clock.seconds, metrics(ranks), np.asarray(program.diverged(state)), ranks)
