"""The command line, run in this process, on synthetic data that trains in a moment."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import jax
import pytest

from experiments import study, sweep
from experiments.study import Job

ROOT = Path(__file__).parents[2]
TINY = (
    "model.embedding_dim=4",
    "dataset.synthetic.num_users=30",
    "dataset.synthetic.num_items=60",
    "dataset.synthetic.interactions_per_user=5",
    "dataset.num_negatives=20",
    "grid.learning_rate=0.01",
    "grid.regularization=0.01",
    "grid.seed=0",
    "num_epochs=3",
    "eval_every=2",
)


@pytest.fixture(autouse=True, scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compiled programs go to a folder of the tests, not to the user's; the devices stay those of the other tests."""
    jax.devices()
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("programs")))


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


@pytest.fixture
def jobs_of(run_sweep: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Job]]:
    """The checked jobs of a command, which is not carried out."""

    def jobs(*arguments: object) -> list[Job]:
        planned: list[Job] = []
        monkeypatch.setattr(
            study, "run_study", lambda overrides, compose, launch: planned.extend(study.plan(overrides, compose))
        )
        assert run_sweep(*arguments) == 0
        monkeypatch.undo()
        return planned

    return jobs


@pytest.fixture
def start() -> Callable[..., subprocess.Popen]:
    """Starts `python -m MODULE ARGUMENTS` in a process of its own."""

    def start(module: str, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", module, *arguments]
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


@pytest.fixture
def tiny() -> tuple[str, ...]:
    """Arguments of a sweep of one run that takes a moment."""
    return TINY


@pytest.fixture
def run_tiny(run_sweep: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a tiny sweep into a folder, without its figure; further arguments come after its own."""
    monkeypatch.setattr("experiments.figure2.draw_figure2", lambda runs, folder: [])
    return lambda results, *arguments: run_sweep(*TINY, f"results_dir={results}", *arguments)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"
