"""What a kind of run hands the engine; the engine does the rest: plan, refuse, resume, launch, tune, estimate, sum up.

A task is what is different about a kind of run before its data are read: keys, ranges, what makes a run what it is.
Its `open` reads them, and returns a `Work`. JAX takes a second to import: only the modules of the works need it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from experiments.engine.checks import ConfigError, expect
from experiments.engine.config import (
    AXIS,
    CHECKPOINTS,
    COMMON,
    CONF,
    PROCESSES,
    SAVING,
    Choice,
    as_config,
    check_zipped,
    dotted,
    nested,
    pick,
    points,
    read_key,
    tunable,
)
from experiments.engine.memory import measured
from ncfjax.keys import REQUIRED, Key, nearest, one_of
from ncfjax.store import ORIGIN_COLUMNS, Store, run_id

if TYPE_CHECKING:
    from experiments.engine.work import Work

Compose = Callable[[list[str]], Any]  # the checked configuration of one job, from its overrides
Draw = Callable[[Store], Sequence[object]]  # of a study's tables, at its end; returns the files that it wrote
Table = Callable[[Store, set[str]], str]  # of the runs of a study, by their ids


class DataName(NamedTuple):
    """What rows call a data set, and the content of its files."""

    name: str
    content: str
    where: str  # the override that names it: "dataset.path=ratings.csv"


class Task(ABC):
    """A kind of run. The class attributes state it; see tasks/baseline for the smallest."""

    name: ClassVar[str]  # python -m experiments.NAME, conf/NAME.yaml, conf/study/NAME/
    keys: ClassVar[Mapping[str, Key]]  # by dotted name, beside those that every study has; those of `grid.` are axes
    choices: ClassVar[Sequence[Choice]] = ()  # keys that go with the value of another one
    groups: ClassVar[tuple[str, ...]]  # the folders of conf/ that a command chooses from
    open_groups: ClassVar[tuple[str, ...]] = ()  # those whose files say which keys there are; `check` reads them
    arguments: ClassVar[tuple[str, ...]]  # of a command without any
    tune_by: ClassVar[tuple[str, ...]] = ()  # metrics that may choose on the holdout; none: it is not tuned
    saves_models: ClassVar[bool] = False  # whether a Result of its runs says how its model is saved
    has_checkpoints: ClassVar[bool] = False  # whether runs of it can go on in the middle of their training
    is_distributed: ClassVar[bool] = False  # whether several processes may train its runs together
    one_per_study: ClassVar[frozenset[str]] = frozenset()  # further keys that cannot differ between jobs
    # Of its table, in order, beside run_id, status, phase, study and the origin: the type of the cells, or the name of
    # the key that fills them.
    columns: Mapping[str, type | str]
    outcomes: frozenset[str]  # those of them that a run ends with; the others tell runs apart
    shown: Mapping[str, str]  # metric -> its name in the table that closes a study, best first by `best_by`
    best_by: tuple[str, ...] = ()  # of shown, the best first; rows that lack the first are ordered by the next
    lowest_is_best: ClassVar[bool] = False  # of tune_by and best_by: errors
    averaged_over: ClassVar[Mapping[str, str]] = {"seed": "seeds"}  # columns that no setting is -> how many there were
    always_shown: tuple[str, ...]  # columns that every line of that table begins with
    verb: ClassVar[str] = "train"

    # ---- what a task says of a configuration

    @abstractmethod
    def check(self, config: Any) -> None:
        """Refuses what could only fail, or mean nothing, later: all that the ranges of the keys cannot say.

        Raises:
            ValueError: naming the key, what was expected and what it got.
        """

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
    def open(self, config: Any) -> "Work":
        """Reads the data, and translates the configuration.

        Raises:
            ValueError: a file is not there, or not as expected; what the data themselves forbid.
        """

    def data_name(self, config: Any) -> DataName | None:
        """Of the files that a job reads, before it reads them; None where there are none, or none yet."""
        return None

    def algorithm(self, config: Any) -> int:
        """Raised when the same configuration gives other numbers than before."""
        return 1

    def reference_ids(self, config: Any) -> set[str]:
        """The run_ids of the rows that `Work.references` gives."""
        return set()

    def checkpoint_id(self, config: Any, point: Any) -> str:
        """What names the checkpoints of a run: that of a run which is the same up to the shorter one's end."""
        return self.id_of(config, point)

    def checkpointed_epochs(self, config: Any) -> int:
        """How many epochs a run has that can go on in the middle of its training; 0 where it cannot."""
        return config.num_epochs if self.has_checkpoints else 0

    # ---- tuning

    def tuning_group(self, config: Any) -> Hashable:
        """What a winner is the winner of."""
        raise TypeError(f"{self.name}: expected a task that is tuned to say what a winner is the winner of")

    def chosen_epoch(self, epoch: int) -> list[str]:
        """The overrides that make a final run end at the epoch that the holdout chose."""
        return []

    def shortened(self, config: Any, parts: int) -> list[str]:
        """The overrides that make a run end after 1 / `parts` of its epochs; none where it has no epochs."""
        return []

    def epoch_rule(self, config: Any) -> str:
        """last | all: which evaluations of a tuning run compete on the holdout."""
        return "last"

    # ---- what follows

    def register(self) -> None:
        """Makes known to Hydra what the files in conf/ compute with."""
        OmegaConf.register_new_resolver("pick", pick, replace=True)

    @property
    def _common_keys(self) -> dict[str, Key]:
        """Those that all jobs have."""
        tuning, saving = tunable(self.tune_by) if self.tune_by else {}, SAVING if self.saves_models else {}
        checkpoints = CHECKPOINTS if self.has_checkpoints else {}
        processes = PROCESSES if self.is_distributed else {}
        return {**self.keys, **COMMON, **tuning, **saving, **checkpoints, **processes}

    @cached_property
    def all_keys(self) -> dict[str, Key]:
        """Of a configuration, but for those of the open groups."""
        return {name: key for choice in self.choices for name, key in choice.keys.items()} | self._common_keys

    @cached_property
    def texts(self) -> frozenset[str]:
        """The keys whose values are names and paths."""
        return frozenset(name for name, key in self.all_keys.items() if key.kind is str)

    def schema(self, folders: Sequence[Path] = (CONF,)) -> dict[str, Any]:
        """All keys by dotted name, those of the open groups' files in some folders too: their defaults, or None."""
        files = [file for folder in folders for group in self.open_groups for file in (folder / group).glob("*.yaml")]
        open_keys = {f"{file.parent.name}.{key}": None for file in files for key in OmegaConf.load(file)}
        defaults = {name: key.default for name, key in self._common_keys.items() if key.default is not REQUIRED}
        return dict.fromkeys(self.all_keys) | open_keys | defaults

    def resolve(self, config: DictConfig) -> Any:
        """The plain, checked form of one composed job: every axis that it has is a list, final_seeds too.

        Raises:
            ConfigError: a value that cannot be.
        """
        given = dotted(OmegaConf.to_container(config, resolve=True))
        try:
            return self._read(dict.fromkeys(self.all_keys) | given)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def _read(self, values: dict[str, Any]) -> Any:
        for choice in self.choices:  # before the keys of a choice that this kind of run does not have
            if values[choice.key] is not None:
                one_of(*choice.options).read(choice.key, values[choice.key])
        for name, value in values.items():
            if name not in self.all_keys and name.partition(".")[0] not in self.open_groups:
                raise ConfigError(f"{name}: no such key, {nearest(name, self.all_keys)}")
            # A command line keeps the text (cli/typed.py); of a file of conf/ a number is all that is left of it.
            is_rewritten = name in self.texts and type(value) in (int, float, bool)
            expect(name, not is_rewritten, "a text, in quotes where it could be read as a number", value)
        is_zipped = values.get("zip") is True
        for choice in self.choices:
            choice.read(values, is_zipped)
        values |= {name: read_key(key, name, values[name], is_zipped) for name, key in self._common_keys.items()}
        config = as_config(nested(values))
        if is_zipped:
            check_zipped(config.grid)
        needs_seeds = self.tune_by and config.tune and getattr(config.grid, "seed", None)
        expect("final_seeds", not needs_seeds or bool(config.final_seeds), "at least one, as tune=true", [])
        self.check(config)
        return config

    def points(self, config: Any) -> list[Any]:
        """The runs of one job, the last axis varying fastest."""
        return points(config.grid, is_zipped=getattr(config, "zip", False))

    def id_of(self, config: Any, point: Any) -> str:
        """The run_id of one run."""
        version = {} if (number := self.algorithm(config)) == 1 else {"algorithm": number}
        return run_id(self.identity(config, point) | version)

    def cells(self, config: Any, point: Any) -> dict[str, Any]:
        """What a configuration fills of the row of a run."""
        values = dotted(config) | {AXIS + name: value for name, value in point._asdict().items()}
        sources = {column: name for column, name in self.columns.items() if isinstance(name, str)}
        return {column: self.all_keys[name].cell(values[name]) for column, name in sources.items()}

    def store(self, config: Any) -> Store:
        """The tables of the job's study."""
        return Store(Path(config.results_dir) / config.study.name, self.all_columns)

    @property
    def all_columns(self) -> dict[str, type]:
        """Of runs.csv, in order."""
        phase = {"phase": str} if self.tune_by else {}  # run | tune | final
        own = {column: self.all_keys[x].column if isinstance(x, str) else x for column, x in self.columns.items()}
        return {"run_id": str, "status": str, **phase, "study": str, **own, **ORIGIN_COLUMNS}

    def opened(self, config: Any) -> "Work":
        """`open`, whose refusals name the job, and whose memory is measured."""
        try:
            work, taken = measured(f"{self.name} {self.data_key(config)}", lambda: self.open(config))
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(f"{self.label(config)}: {error}") from error
        work.reading = taken
        return work

    def settings(self, rows: pd.DataFrame) -> list[str]:
        """The columns in which some rows may be runs of other settings: all that a configuration fills, but the seed.

        So a key that a table does not know of yet splits its lines, and is never averaged as if it were a seed.
        """
        there = ["phase", *self.columns] if self.tune_by else list(self.columns)
        return [column for column in there if column not in {*self.outcomes, *self.averaged_over} and column in rows]
