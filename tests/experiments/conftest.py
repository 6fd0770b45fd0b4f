"""The command line, run in this process, on synthetic data that trains in a moment."""

import io
import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import jax
import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from experiments import sweep
from experiments.cli.compose import checked_jobs
from experiments.cli.entry import EntryPoint, as_hydra_reads_it, check_arguments, parse
from experiments.cli.sweeper import expand
from experiments.engine.checks import ConfigError
from experiments.engine.jobs import Job
from experiments.engine.study import plan
from experiments.entries import columns
from ncfjax.evaluation.columns import COLUMNS
from ncfjax.store import Store
from ncfjax.training.blocks import count_compiles

ROOT = Path(__file__).parents[2]
TINY_DATA = (
    "dataset.synthetic.num_users=30",
    "dataset.synthetic.num_items=60",
    "dataset.synthetic.interactions_per_user=5",
    "dataset.num_negatives=20",
)
TINY = (
    *TINY_DATA,
    "model.embedding_dim=4",
    "grid.learning_rate=0.01",
    "grid.regularization=0.01",
    "grid.seed=0",
    "num_epochs=3",
    "eval_every=2",
)
# A process that a background shell starts ignores Ctrl-C, and so would all that it starts.
HEARS_CTRL_C = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.fixture(autouse=True, scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compiled programs go to a folder of the tests, not to the user's; the devices stay those of the other tests."""
    jax.devices()
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("programs")))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


# ---- commands in this process


@pytest.fixture
def run_entry(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs `python -m experiments.ENTRY ARGUMENTS`, of the entry's module, in this process; returns the exit code."""

    def run(entry: ModuleType, *arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", [f"{entry.ENTRY.name}.py", *map(str, arguments)])
        try:
            entry.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


@pytest.fixture
def run_sweep(run_entry: Callable[..., int]) -> Callable[..., int]:
    return partial(run_entry, sweep)


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Arguments of a sweep of one run that takes a moment."""
    return TINY


@pytest.fixture(scope="session")
def tiny_data() -> tuple[str, ...]:
    """Arguments of any command on synthetic data of 30 users."""
    return TINY_DATA


@pytest.fixture
def run_tiny(run_sweep: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a tiny sweep into a folder, without its figure; further arguments come after its own."""
    monkeypatch.setattr(sweep, "ENTRY", sweep.ENTRY._replace(draw=None))
    return lambda results, *arguments: run_sweep(*TINY, f"results_dir={results}", *arguments)


# ---- whole studies, each run once for all tests of a file


class Finished(NamedTuple):
    """A command that has ended."""

    said: str
    store: Store
    num_compiles: int


@pytest.fixture(scope="module")
def finish(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Finished]:
    """Runs a command in this process, in a folder of its own unless it is given one."""

    def finish(entry: ModuleType, *arguments: str, folder: Path | None = None) -> Finished:
        folder = folder or tmp_path_factory.mktemp("results")
        compiled = count_compiles()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said:
            patch.setattr(sys, "argv", [f"{entry.ENTRY.name}.py", *arguments, f"results_dir={folder}"])
            entry.main()
        store = Store(folder / entry.ENTRY.name, entry.ENTRY.task.all_columns)
        return Finished(said.getvalue(), store, count_compiles() - compiled)

    return finish


@pytest.fixture(scope="session")
def distillation() -> tuple[str, ...]:
    """Arguments of experiments.imitate, of one network that learns from a recommender and takes a moment."""
    return (
        "target=recommender", "dataset=synthetic", "dataset.synthetic.num_users=40", "dataset.synthetic.num_items=60",
        "dataset.synthetic.interactions_per_user=8", "dataset.num_negatives=20", "teacher.learning_rate=0.05",
        "teacher.num_epochs=12", "teacher.batch_size=8", "embedding_dim=4", "pairs_per_user=20", "num_epochs=2",
    )  # fmt: skip


# ---- what a command line means, without running it


@pytest.fixture(scope="session")
def jobs_of() -> Callable[..., list[Job]]:
    """The checked jobs of a command line; what is chosen from conf/ is composed once for all tests."""
    checks = cache(checked_jobs)

    def jobs(entry: EntryPoint, *arguments: str) -> list[Job]:
        check_arguments(entry.task, arguments)
        lines = [as_hydra_reads_it(entry.task, argument) for argument in arguments]
        return plan(entry.task, expand(parse(lines), entry.task), checks(entry))

    return jobs


@pytest.fixture(scope="session")
def id_of(jobs_of: Callable[..., list[Job]]) -> Callable[..., str]:
    """The run_id of a command line of one run."""

    def run_id(entry: EntryPoint, *arguments: str) -> str:
        (job,) = jobs_of(entry, *arguments)
        (only,) = job.runs
        return only

    return run_id


@pytest.fixture(scope="session")
def refusal(jobs_of: Callable[..., list[Job]]) -> Callable[..., str]:
    """Why a command line is wrong."""

    def message(entry: EntryPoint, *arguments: str) -> str:
        with pytest.raises((ConfigError, HydraException, OmegaConfBaseException)) as refused:
            jobs_of(entry, *arguments)
        return str(refused.value)

    return message


# ---- rows of result tables


@pytest.fixture(scope="session")
def make_row() -> Callable[..., dict]:
    """Makes a completed run of an entry point's table; cells that are not given are empty."""
    tables, ids = columns(), itertools.count()

    def make_row(entry: str, **cells: object) -> dict:
        return dict.fromkeys(tables[entry]) | {"run_id": f"{next(ids):016x}", "status": "completed"} | cells

    return make_row


@pytest.fixture(scope="session")
def a_run(make_row: Callable[..., dict]) -> Callable[..., dict]:
    """Makes a run of the study's MovieLens-1M setting."""
    usual = {"phase": "run", "dataset": "ml-1m", "split": "test", "model": "dot", "objective": "expected", "seed": 0,
             "embedding_dim": 16, "learning_rate": 0.002, "regularization": 0.005, "num_negatives": 8,
             "num_epochs": 256} | dict.fromkeys(COLUMNS, 0.7)  # fmt: skip
    return lambda **changed: make_row("sweep", **usual | changed)


@pytest.fixture(scope="session")
def store_runs() -> Callable[..., Store]:
    """Stores runs of an entry point in a folder, without curves and ranks."""
    tables = columns()

    def store_runs(folder: Path, *runs: dict, entry: str = "sweep") -> Store:
        store = Store(folder, tables[entry])
        for run in runs:
            store.append(run, [], {})
        return store

    return store_runs


# ---- commands in processes of their own


@pytest.fixture
def start() -> Callable[..., subprocess.Popen]:
    """Starts `python -m MODULE ARGUMENTS` in a process of its own that Ctrl-C stops."""

    def start(module: str, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-c", HEARS_CTRL_C, module, *arguments]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


@pytest.fixture
def wait_for() -> Callable[[subprocess.Popen, Callable[[], bool]], None]:
    """Waits until something is so while a process runs."""

    def wait_for(process: subprocess.Popen, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not is_so():
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
            time.sleep(0.01)

    return wait_for
