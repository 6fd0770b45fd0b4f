"""The jobs of a study: which of their runs are missing, whether those can be run, and how they are launched."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from experiments.engine import device, models
from experiments.engine.checks import ConfigError
from experiments.engine.processes import is_first, num_processes, same, together, wait
from experiments.engine.progress import Progress, log, pluralize, progress
from experiments.engine.task import Compose, Task
from experiments.engine.work import Work
from ncfjax.store import Store
from ncfjax.table import StoreError
from ncfjax.training.blocks import Block, cut_into_blocks, cut_into_groups, size_text

GLANCE = 5.0  # seconds between looks at the table
_UNSURE = 500_000_000  # of the bytes that reading took: imports are in them, and pages of earlier jobs
Launch = Callable[[list[list[str]], dict[str, str]], None]  # of the overrides of all jobs, and their provenance


@dataclass(frozen=True)
class Job:
    """A checked job: what it is launched with, and its runs."""

    overrides: list[str]
    config: Any
    runs: dict[str, Any] = field(repr=False)  # run_id -> point

    def pending(self, done: set[str]) -> list[Any]:
        return [point for run_id, point in self.runs.items() if run_id not in done]


def make_job(task: Task, overrides: list[str], compose: Compose) -> Job:
    config = compose(overrides)
    return Job(overrides, config, {task.id_of(config, point): point for point in task.points(config)})


def announce(task: Task, jobs: Sequence[Job], store: Store) -> None:
    """One line on what there is to do."""
    done, rows = models.completed(jobs[0].config, store), store.completed()
    runs = {run_id for job in jobs for run_id in job.runs}  # two jobs of a search may share some
    num_runs, num_pending = len(runs), len(runs - done)
    num_again = num_pending - len(runs - rows)
    again = f" ({num_again} of them again, as no model of theirs was saved)" * bool(num_again)
    done_before = f"{num_pending} to {task.verb}{again}, {num_runs - num_pending} done before"
    state = done_before if num_pending else "all done before"
    is_tuning = getattr(jobs[0].config, "tune", False)
    kind, then = ("tuning job", ", then the winners' final runs") if is_tuning else ("job", "")
    log(f"{pluralize(len(jobs), kind)}, {pluralize(num_runs, 'run')}: {state}{then} -> {store.folder}/")


def blocks_of(task: Task, work: Work, config: Any, done: set[str]) -> list[Block]:
    """The groups of the grid that hold a missing run, in blocks that fit the memory.

    The whole grid is cut into groups, not what is missing of it: so a run is trained beside the same runs whenever it
    is trained.

    Raises:
        ConfigError: not even one run fits the memory, or its data did not.
    """
    members, limit = task.points(config), device.memory_limit(config.memory_gb)
    if config.memory_gb is not None and work.reading > limit / num_processes() + _UNSURE:
        taken = f"{size_text(work.reading)}, which reading its data took"
        raise ConfigError(f"{task.label(config)}: memory_gb: expected at least {taken}, got {size_text(limit)}")
    pending = {member for member in members if task.id_of(config, member) not in done}
    try:
        groups = cut_into_groups(members, work.memory, limit, work.cpu_width)
        if work.one_by_one:
            return [Block([[member]], 1) for member in members if member in pending]
        todo = [group for group in groups if pending & set(group)]
        return cut_into_blocks(todo, max(map(len, groups)), work.memory, limit)
    except ValueError as error:
        raise ConfigError(f"{task.label(config)}: {error}") from error


def num_runs(blocks: Sequence[Block]) -> int:
    return sum(len(block.members) for block in blocks)


def check_runnable(task: Task, jobs: Sequence[Job], done: set[str]) -> dict[str, float]:
    """Reads every data set once and cuts every job into blocks, so that what is wrong shows before anything is run.

    Returns the work of each run that is missing, by its run_id.

    Raises:
        ConfigError: a file is not there or not as expected; not even one run fits the memory.
    """
    device.prepare()
    missing = {}
    for job in sorted(jobs, key=lambda job: task.data_key(job.config)):
        work = task.opened(job.config)
        blocks_of(task, work, job.config, done)
        missing |= {run_id: work.each for run_id in job.runs if run_id not in done}
    return missing


def check_unchanged(task: Task, config: Any, run_ids: Mapping[Any, str]) -> None:
    """Raises ConfigError where the files of a job are others than when its runs, point -> run_id, were named."""
    if any(task.id_of(config, point) != run_id for point, run_id in run_ids.items()):
        expected = "files that stay as they are while they are read"
        raise ConfigError(f"{task.label(config)}: expected {expected}, got others than before: start again")


@contextmanager
def _watched(config: Any, missing: Mapping[str, float], store: Store, bar: Progress) -> Iterator[None]:
    """Tells how many of the missing runs are stored, run_id -> work, while a launcher has them made elsewhere."""
    is_over = threading.Event()

    def watch() -> None:
        seen = 0
        while not is_over.wait(GLANCE) and not bar.done:  # work in this process is told as it is done
            with suppress(StoreError, OSError):  # told in the end
                stored = missing.keys() & models.completed(config, store)
                if len(stored) > seen and not bar.done:
                    seen = len(stored)
                    bar.elsewhere(sum(missing[run_id] for run_id in stored), f"{seen} of {len(missing)} runs stored")

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def launch_missing(task: Task, jobs: Sequence[Job], store: Store, launch: Launch, provenance: dict[str, str]) -> None:
    """Launches the jobs that have something to run.

    Raises:
        ConfigError, StoreError: before anything is run or, the folder aside, written.
    """
    done = models.completed(jobs[0].config, store) if jobs else set()
    todo = [job for job in jobs if job.pending(done)]
    same("tables (results_dir has to be one folder)", (job.pending(done) for job in todo))
    if todo:
        with together():
            missing = check_runnable(task, todo, done)
            for job in todo:
                check_unchanged(task, job.config, {point: run_id for run_id, point in job.runs.items()})
        with together():
            if is_first():
                store.check_writable()
        config = todo[0].config
        with progress(sum(missing.values())) as bar, _watched(config, missing, task.store(config), bar):
            launch([job.overrides for job in todo], provenance)
        wait()
        stored = store.completed()
        if lost := sum(len(job.pending(stored)) for job in todo):
            raise StoreError(
                f"{store.folder}: expected {pluralize(lost, 'row')} more: the launcher's jobs have ended and wrote "
                "elsewhere, as on a machine without this folder"
            )
