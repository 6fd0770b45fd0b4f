"""What a kind of run hands the engine; the engine does the rest: plan, refuse, resume, launch, tune, estimate, sum up.

Task    what is different about a kind of run before its data are read: keys, ranges, what makes a run what it is
Work    one job whose data are read, its configuration translated once: what it costs, and how its runs are made
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from experiments.engine.checks import ConfigError, expect, expect_count, expect_folder, expect_name, is_number
from experiments.engine.config import (
    PHASES,
    SEED,
    SPLITS,
    Axis,
    TunableConfig,
    as_list,
    check_axis,
    keys_of,
    points,
    study_schema,
)
from experiments.engine.progress import Progress
from ncfjax.store import ORIGIN_COLUMNS, Store, run_id
from ncfjax.training.blocks import Block, MemoryEstimate

_SIDE = 2048  # of the product whose pace is measured


def seconds_of(action: Callable[[], object]) -> float:
    """How long it takes until its arrays are there."""
    start = time.perf_counter()
    jax.block_until_ready(action())
    return time.perf_counter() - start


class Result(NamedTuple):
    """One run as it ended."""

    run_id: str
    cells: Mapping[str, Any]  # column -> value; columns that are left out are empty
    curve: Sequence[Mapping[str, Any]] = ()  # rows of epoch, metric, value
    arrays: Mapping[str, Any] = {}  # per-user arrays, kept beside the table
    status: str = "completed"  # | diverged


class Trial(NamedTuple):
    """What a job costs, measured: seconds to compile a shape, and per unit of work, evaluations included."""

    compiling: float
    per_work: float


class Work(ABC):
    """One job whose data are read, and its configuration translated."""

    each: float  # the work of one of its runs, in units that add up over a study's jobs
    memory: MemoryEstimate  # of a run
    pace_share: float = 1.0  # of the pace of a large matrix product, where work is in multiply-adds
    cpu_width: int = 1  # most runs of one seed that one device of a CPU trains at once
    not_counted: str = ""  # what a dry run leaves out
    one_by_one: ClassVar[bool] = False  # a run is a block, for a method that has no grid in one program

    @abstractmethod
    def run(self, block: Block, bar: Progress) -> Iterator[Result]:
        """Trains a block of runs, and tells how each ended."""

    def kind(self) -> Hashable:
        """Jobs of one kind share a trial."""
        return self.pace_share

    def trial(self, block: Block) -> Trial:
        """Measured on the first block of the first job of a kind: here the pace of a large matrix product."""
        square, product = jnp.ones((_SIDE, _SIDE)), jax.jit(jnp.matmul)
        seconds_of(lambda: product(square, square))  # compiles
        return Trial(0.0, seconds_of(lambda: product(square, square)) / (_SIDE**3 * self.pace_share))

    def references(self, done: set[str]) -> Iterable[Result]:
        """Rows that no training changes, beside which the runs are read: those that are not done."""
        return ()


class Task(ABC):
    """A kind of run. The class attributes state it; see tasks/baseline for the smallest."""

    name: ClassVar[str]  # python -m experiments.NAME, conf/NAME.yaml, conf/study/NAME/
    keys: ClassVar[type]  # a dataclass of its typed keys, beside those that every study has
    axes: ClassVar[tuple[Axis, ...]]  # of grid.*
    groups: ClassVar[tuple[str, ...]]  # the folders of conf/ that a command chooses from
    arguments: ClassVar[tuple[str, ...]]  # of a command without any
    needs: ClassVar[Mapping[str, tuple[str, str]]] = {}  # first part of a key -> the choice that it goes with
    tune_by: ClassVar[tuple[str, ...]] = ()  # metrics that may choose on the holdout; none: it is not tuned
    one_per_study: ClassVar[frozenset[str]] = frozenset()  # further keys that cannot differ between jobs
    columns: Mapping[str, type]  # of its table, in order, beside run_id, status, phase, study and the origin
    outcomes: frozenset[str]  # those of them that a run ends with; the others tell runs apart
    shown: Mapping[str, str]  # metric -> its name in the table that closes a study, best first by `best_by`
    best_by: str | None = None  # of shown, the highest first
    always_shown: tuple[str, ...]  # columns that every line of that table begins with
    verb: ClassVar[str] = "train"

    # ---- what a task says of a configuration

    @abstractmethod
    def check(self, config: Any) -> None:
        """Refuses what could only fail, or mean nothing, later: all that the ranges of the axes cannot say."""

    @abstractmethod
    def identity(self, config: Any, point: Any) -> dict[str, Any]:
        """What makes a run what it is; it is hashed. Two runs are the same run where this is the same."""

    @abstractmethod
    def label(self, config: Any) -> str:
        """ "ml-1m dot d=16": a job in the lines that a study prints."""

    @abstractmethod
    def data_key(self, config: Any) -> str:
        """Jobs of equal keys read the same data."""

    @abstractmethod
    def open(self, config: Any) -> Work:
        """Reads the data, and translates the configuration.

        Raises:
            ConfigError: a file is not there, or not as expected; what the data themselves forbid.
        """

    def axes_of(self, config: Any) -> Sequence[Axis]:
        """The axes that a job has."""
        return self.axes

    def algorithm(self, config: Any) -> int:
        """Raised when the same configuration gives other numbers than before."""
        return 1

    def reference_ids(self, config: Any) -> set[str]:
        """The run_ids of the rows that `Work.references` gives."""
        return set()

    # ---- tuning

    def tuning_group(self, config: Any) -> Hashable:
        """What a winner is the winner of."""
        raise TypeError(f"{self.name}: expected a task that is tuned to say what a winner is the winner of")

    def chosen_epoch(self, epoch: int) -> list[str]:
        """The overrides that make a final run end at the epoch that the holdout chose; none where it has no choice."""
        return []

    def epoch_rule(self, config: Any) -> str:
        """last | all: which evaluations of a tuning run compete on the holdout."""
        return "last"

    # ---- what follows

    def register(self) -> None:  # noqa: B027, most need nothing
        """Makes known to Hydra what the task's files in conf/ compute with."""

    @cached_property
    def schema(self) -> type:
        return study_schema(self.keys, self.axes, tunable=bool(self.tune_by))

    @property
    def list_keys(self) -> frozenset[str]:
        """Keys of which a list is the value of one job."""
        return frozenset({*(f"grid.{axis.name}" for axis in self.axes), "final_seeds"})

    @property
    def all_columns(self) -> dict[str, type]:
        """Of runs.csv, in order."""
        phase = {"phase": str} if self.tune_by else {}  # run | tune | final
        return {"run_id": str, "status": str, **phase, "study": str, **self.columns, **ORIGIN_COLUMNS}

    def whole_schema(self) -> Any:
        """The schema with every part that can be null."""
        return self.schema()

    def settable_keys(self) -> list[str]:
        """Every key that a command may set, in order; `phase` is the study's own."""
        return [key for key in keys_of(self.whole_schema()) if key != "phase"]

    def resolve(self, config: DictConfig) -> Any:
        """The plain, checked form of one composed job: every axis that it has is a list, final_seeds too.

        Raises:
            ConfigError: a value that cannot be.
        """
        plain = OmegaConf.to_object(config)
        for axis in self.axes:
            if (value := getattr(plain.grid, axis.name)) is not None:
                setattr(plain.grid, axis.name, as_list(value))
        self._check_common(plain)
        self.check(plain)
        for axis in self.axes_of(plain):
            check_axis(axis, f"grid.{axis.name}", as_list(getattr(plain.grid, axis.name)))
        if self.tune_by:
            self._check_tuning(plain)
        return plain

    def _check_common(self, config: Any) -> None:
        expect_folder("study.name", config.study.name)
        expect_count("eval_every", config.eval_every)
        is_limit = config.memory_gb is None or is_number(config.memory_gb, above=0)
        expect("memory_gb", is_limit, "a number > 0, or null", config.memory_gb)

    def _check_tuning(self, config: TunableConfig) -> None:
        expect_name("split", config.split, SPLITS)
        expect_name("phase", config.phase, PHASES)
        expect_name("tune_by", config.tune_by, self.tune_by)
        config.final_seeds = as_list(config.final_seeds)
        if SEED in self.axes_of(config) and (config.tune or config.final_seeds):
            check_axis(SEED, "final_seeds", config.final_seeds)

    def points(self, config: Any) -> list[Any]:
        """The runs of one job, the last axis varying fastest."""
        return points(self.axes_of(config), config.grid)

    def id_of(self, config: Any, point: Any) -> str:
        """The run_id of one run."""
        version = {} if (number := self.algorithm(config)) == 1 else {"algorithm": number}
        return run_id(self.identity(config, point) | version)

    def store(self, config: Any) -> Store:
        """The tables of the job's study."""
        return Store(Path(config.results_dir) / config.study.name, self.all_columns)

    def opened(self, config: Any) -> Work:
        """`open`, whose refusals name the job."""
        try:
            return self.open(config)
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(f"{self.label(config)}: {error}") from error

    def settings(self, rows: pd.DataFrame) -> list[str]:
        """The columns in which some rows may be runs of other settings: all that a configuration fills, but the seed.

        So a key that a table does not know of yet splits its lines, and is never averaged as if it were a seed.
        """
        there = ["phase", *self.columns] if self.tune_by else list(self.columns)
        return [column for column in there if column not in self.outcomes and column != "seed" and column in rows]
