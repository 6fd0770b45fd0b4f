"""A made-up kind of run that trains by arithmetic: what the engine does with any task shows in milliseconds.

    score on the holdout = 100 - 10 |rate - 2| - |epoch - 4| - size - seed / 100      best at rate 2, after epoch 4
    score on test        = 100 - 10 |rate - 3| - epoch - size - seed / 100            best at rate 3, at once

A rate from 1000 on diverges. `beside` names the runs of a run's group, from which it gets what a real run gets from
those that it is compiled with: bits.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from experiments.engine.checkpoints import checkpoints_of
from experiments.engine.config import nested
from experiments.engine.jobs import Job
from experiments.engine.progress import Progress
from experiments.engine.run import run_job
from experiments.engine.study import plan, run_study
from experiments.engine.task import Task
from experiments.engine.work import Result, Trial, Work
from ncfjax.keys import COUNT, POSITIVE, SEED, Key, one_of
from ncfjax.saved.checkpoints import epochs_of
from ncfjax.store import Store
from ncfjax.training.blocks import Block, MemoryEstimate

RUN_WORK = 6.0  # of an epoch
COMPILING, PER_WORK = 100.0, 0.5  # seconds, as a trial measures them
DEFAULTS = {
    "study": {"name": "toy"}, "results_dir": "results", "eval_every": 2, "split": "test", "tune_by": "score",
    "final_seeds": [0], "size": 1, "num_epochs": 6, "grid": {"rate": 1.0, "seed": 0},
}  # fmt: skip


class ToyTask(Task):
    """A grid of rates and seeds."""

    name = "toy"
    keys = {
        "size": Key(int, lambda size: True, "an integer"), "num_epochs": COUNT,
        "epoch_rule": one_of("last", "all", default="last"),
        "data": Key(str, bool, "a text", default="there"),  # where they cannot be read: missing
        "pause": Key(float, lambda pause: pause >= 0, "a number >= 0", default=0.0),  # seconds of a run
        "grid.rate": POSITIVE, "grid.seed": SEED,
    }  # fmt: skip
    groups = ()
    arguments = ()
    tune_by = ("score",)
    columns = {
        "split": "split", "kind": str, "size": "size", "layers": str, "rate": "grid.rate", "seed": "grid.seed",
        "num_epochs": "num_epochs", "epoch": int, "score": float, "beside": str,
    }  # fmt: skip
    outcomes = frozenset({"epoch", "score", "beside"})
    shown = {"score": "Score"}
    best_by = ("score",)
    always_shown = ("kind", "size")

    def __init__(self) -> None:
        self.opened_data: list[str] = []
        self.trained: list[Block] = []

    def check(self, config: Any) -> None:
        pass

    def identity(self, config: Any, point: Any) -> dict[str, Any]:
        static = {"phase": config.phase, "data": [config.data, config.split], "size": config.size}
        return static | {"num_epochs": config.num_epochs} | point._asdict()

    def label(self, config: Any) -> str:
        return f"toy of size {config.size}"

    def data_key(self, config: Any) -> str:
        return f"{config.data} {config.split}"

    def open(self, config: Any) -> Work:
        if config.data == "missing":
            raise ValueError("data: expected data, got none")
        self.opened_data.append(config.data)
        return ToyWork(self, config)

    def reference_ids(self, config: Any) -> set[str]:
        return set() if config.phase == "tune" else {"zero"}

    def tuning_group(self, config: Any) -> Hashable:
        return config.data

    def chosen_epoch(self, epoch: int) -> list[str]:
        return [f"num_epochs={epoch}"]

    def shortened(self, config: Any, parts: int) -> list[str]:
        return [f"num_epochs={-(-config.num_epochs // parts)}"]

    def epoch_rule(self, config: Any) -> str:
        return config.epoch_rule


class SavingToyTask(ToyTask):
    """The same, whose runs leave a model: a file that says what the row says."""

    saves_models = True
    fails = False

    def open(self, config: Any) -> Work:
        return SavingToyWork(self, config)


class KeepingToyTask(ToyTask):
    """The same, that keeps what a longer run goes on from: an empty file."""

    has_checkpoints = True

    def checkpoint_id(self, config: Any, point: Any) -> str:
        return f"{config.phase}-{point.rate:g}"

    def open(self, config: Any) -> Work:
        return KeepingToyWork(self, config)


def score(config: Any, point: Any, epoch: int) -> float:
    best_rate, best_epoch = (2.0, 4) if config.split == "holdout" else (3.0, 0)
    return 100.0 - 10 * abs(point.rate - best_rate) - abs(epoch - best_epoch) - config.size - point.seed / 100


def diverges(point: Any) -> bool:
    return point.rate >= 1000


class ToyWork(Work):
    """One job of the made-up task."""

    memory = MemoryEstimate(1_000_000, 1_000_000)
    cpu_width = 2

    def __init__(self, task: ToyTask, config: Any):
        self.task, self.config = task, config
        self.each = RUN_WORK * config.num_epochs

    def run(self, block: Block, bar: Progress) -> Iterator[tuple[Any, Result]]:
        self.task.trained.append(block)
        beside = {member: " ".join(str(m.rate) for m in group) for group in block.groups for member in group}
        for member in block.members:
            time.sleep(self.config.pause)
            bar.advance(self.each, self.task.label(self.config))
            yield member, self._result(member, beside[member])

    def _result(self, point: Any, beside: str) -> Result:
        config, epochs = self.config, range(self.config.eval_every, self.config.num_epochs + 1, self.config.eval_every)
        evaluated = sorted({*epochs, config.num_epochs})
        cells = {"kind": "toy", "beside": beside}
        if diverges(point):
            return Result(cells, status="diverged")
        curve = [{"epoch": e, "metric": "score", "value": score(config, point, e)} for e in evaluated]
        cells |= {"epoch": config.num_epochs, "score": score(config, point, config.num_epochs)}
        return Result(cells, curve, {"full": np.arange(config.size)})

    def references(self, done: set[str]) -> Iterator[tuple[str, Result]]:
        for key in self.task.reference_ids(self.config) - done:
            yield key, Result({"kind": key, "phase": "run", "split": self.config.split, "score": 0.0})

    def kind(self) -> Hashable:
        return self.config.data

    def trial(self, block: Block) -> Trial:
        return Trial(COMPILING, PER_WORK)


class SavingToyWork(ToyWork):
    """One job of the made-up task that saves."""

    def run(self, block: Block, bar: Progress) -> Iterator[tuple[Any, Result]]:
        for member, result in super().run(block, bar):
            yield member, result._replace(save=self._save)

    def _save(self, folder: Path, row: Mapping[str, Any]) -> None:
        if self.task.fails:
            raise OSError("the disk is full")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").write_text(json.dumps(dict(row)))


class KeepingToyWork(ToyWork):
    """One job of the made-up task that keeps its last epochs, and tells what it found."""

    def run(self, block: Block, bar: Progress) -> Iterator[tuple[Any, Result]]:
        kept = checkpoints_of(self.task, self.config, block.members)
        kept.folder.mkdir(parents=True, exist_ok=True)
        for (point, result), name in zip(super().run(block, bar), kept.names, strict=True):
            there = sorted(epochs_of(kept.folder, name))
            if self.config.keep_checkpoints:
                (kept.folder / f"{name}-{self.config.num_epochs}.npz").touch()
            yield point, result._replace(cells=result.cells | {"beside": f"goes on from {there}"})


def compose(task: Task, overrides: Sequence[str]) -> Any:
    """The checked configuration of one job; the engine leaves it to Hydra how it is made."""
    config = OmegaConf.merge(nested(task.schema()), DEFAULTS, OmegaConf.from_dotlist(list(overrides)))
    return task.resolve(config)


def overrides_of(arguments: dict[str, Any]) -> list[list[str]]:
    """A job for each product of the tuples; a list is the value of one job."""
    choices = [
        [f"{key}={value}" for value in (values if isinstance(values, tuple) else (values,))]
        for key, values in arguments.items()
    ]
    return [list(job) for job in itertools.product(*choices)]


def run_toy(task: Task, arguments: dict[str, Any], **more: Any) -> None:
    """A study of the made-up task in this process, its jobs one after the other."""

    def launch(jobs: list[list[str]], provenance: dict[str, str]) -> None:
        for overrides in jobs:
            run_job(task, compose(task, overrides), provenance)

    words = [f"{key}={value}" for key, value in arguments.items()]
    run_study(task, overrides_of(arguments), lambda overrides: compose(task, overrides), launch, words, **more)


@pytest.fixture
def task() -> ToyTask:
    return ToyTask()


@pytest.fixture
def saving_task() -> SavingToyTask:
    return SavingToyTask()


@pytest.fixture
def run(task: ToyTask, results: Path) -> Callable[..., None]:
    """Runs a study into the folder of results: run({"size": (1, 2), "grid.rate": [1, 2]}) are two jobs of two runs."""

    def run(arguments: dict[str, Any] | None = None, folder: Path = results, **more: Any) -> None:
        run_toy(task, {"results_dir": folder} | (arguments or {}), **more)

    return run


@pytest.fixture
def planned(task: ToyTask) -> Callable[..., list[Job]]:
    """The checked jobs of a study."""
    return lambda arguments: plan(task, overrides_of(arguments), lambda overrides: compose(task, overrides))


@pytest.fixture
def store(task: ToyTask, results: Path) -> Store:
    return Store(results / "toy", task.all_columns)


@pytest.fixture
def without_clocks() -> Callable[[Store], pd.DataFrame]:
    """The rows of a store but for what differs between two commands that train the same."""

    def rows(store: Store) -> pd.DataFrame:
        return store.runs().drop(columns=["started_at", "command"]).sort_values("run_id", ignore_index=True)

    return rows


@pytest.fixture
def bare_config(task: ToyTask) -> Callable[..., Any]:
    """The checked configuration of one job, given its overrides."""
    return lambda *overrides: compose(task, overrides)


@pytest.fixture
def toy_command() -> list[str]:
    """What a process of its own runs: this file, then the folder of the results and a pause."""
    return [sys.executable, "-c", "import runpy, sys; runpy.run_path(sys.argv[1])['main'](*sys.argv[2:])", __file__]


def main(folder: str, pause: str, saving: str = "") -> None:
    jax.devices()  # as many as the tests have
    arguments = {"results_dir": folder, "size": (1, 2), "grid.rate": [1, 2], "pause": pause}
    run_toy(SavingToyTask() if saving else ToyTask(), arguments | ({"save_models": "true"} if saving else {}))
