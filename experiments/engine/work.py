"""One job whose data are read, its configuration translated once: what it costs, and how its runs are made."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from experiments.engine.memory import COMPILING
from experiments.engine.progress import Progress
from ncfjax.training.blocks import Block, MemoryEstimate, memory_bytes

_SIDE = 2048  # of the product whose pace is measured


def seconds_of(action: Callable[[], object]) -> float:
    """How long it takes until its arrays are there."""
    start = time.perf_counter()
    jax.block_until_ready(action())
    return time.perf_counter() - start


class Result(NamedTuple):
    """One run as it ended."""

    cells: Mapping[str, Any]  # column -> value, beside those that a configuration fills; what is left out is empty
    curve: Sequence[Mapping[str, Any]] = ()  # rows of epoch, metric, value
    arrays: Mapping[str, Any] = {}  # per-user arrays, kept beside the table
    status: str = "completed"  # | diverged
    save: Callable[[Path, Mapping[str, Any]], None] | None = None  # writes its model into a folder, with its row
    remarks: Sequence[str] = ()  # what its result makes worth telling, for `note`


class Trial(NamedTuple):
    """What a job costs, measured: seconds to compile a shape, and per unit of work, evaluations included."""

    compiling: float
    per_work: float


class Work(ABC):
    """One job whose data are read, and its configuration translated."""

    each: float  # the work of one of its runs, in units that add up over a study's jobs
    memory: MemoryEstimate  # of a run
    reading: int = 0  # bytes that it took to read its data, measured
    pace_share: float = 1.0  # of the pace of a large matrix product, where work is in multiply-adds
    cpu_width: int = 1  # most runs of one seed that one device of a CPU trains at once
    not_counted: str = ""  # what a dry run leaves out
    plan: Sequence[str] = ()  # what a dry run says beside time and memory
    one_by_one: ClassVar[bool] = False  # a run is a block, for a method that has no grid in one program

    @abstractmethod
    def run(self, block: Block, bar: Progress) -> Iterator[tuple[Any, Result]]:
        """Trains a block of runs, and tells of each member how it ended."""

    def kind(self) -> Hashable:
        """Jobs of one kind share a trial."""
        return self.pace_share

    def trial(self, block: Block) -> Trial:
        """Measured on the first block of the first job of a kind: here the pace of a large matrix product."""
        square, product = jnp.ones((_SIDE, _SIDE)), jax.jit(jnp.matmul)
        seconds_of(lambda: product(square, square))  # compiles
        return Trial(0.0, seconds_of(lambda: product(square, square)) / (_SIDE**3 * self.pace_share))

    def most_bytes(self, blocks: Sequence[Block]) -> int:
        """Of the largest block; on a CPU of the process that reads, compiles and trains, beside its imports."""
        largest = max(memory_bytes(self.memory, block) for block in blocks)
        return max(self.reading, largest) + COMPILING if jax.default_backend() == "cpu" else largest

    def references(self, done: set[str]) -> Iterator[tuple[str, Result]]:
        """Rows that no training changes, beside which the runs are read, by run_id: those that are not done."""
        return iter(())
