"""Jobs of a command, whatever they train: which of their runs are missing, and how those are launched."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.progress import progress
from ncfjax.store import Store

Compose = Callable[[list[str]], Any]  # the checked configuration of one job, from its overrides
Launch = Callable[[list[list[str]], dict[str, str]], None]  # of the overrides of all jobs, and their provenance


@dataclass(frozen=True)
class Job:
    """A checked job: what it is launched with, and its runs."""

    overrides: list[str]
    config: Any
    runs: dict[str, Any]  # run_id -> point
    run_work: Callable[[], float]  # of one of them, see progress.py; not asked for where all are done

    def pending(self, done: set[str]) -> list[Any]:
        return [point for key, point in self.runs.items() if key not in done]

    def work(self, done: set[str]) -> float:
        pending = self.pending(done)
        return self.run_work() * len(pending) if pending else 0.0


def say(line: str) -> None:
    print(f"ncfjax: {line}", flush=True)


def count(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


def announce(jobs: Sequence[Job], done: set[str], folder: Path, before: str = "", after: str = "") -> None:
    """One line on what there is to do; `before` and `after` say what is special about the jobs."""
    num_runs, num_pending = sum(len(job.runs) for job in jobs), sum(len(job.pending(done)) for job in jobs)
    state = f"{num_pending} to train, {num_runs - num_pending} done before" if num_pending else "all done before"
    say(f"{count(len(jobs), before + 'job')}, {count(num_runs, 'run')}: {state}{after} -> {folder}/")


def launch_missing(
    jobs: Sequence[Job],
    store: Store,
    check_runnable: Callable[[Sequence[Job], set[str]], None],
    launch: Launch,
    provenance: dict[str, str],
) -> None:
    """Launches the jobs that have something to train.

    Raises:
        ConfigError, StoreError: before anything is trained or, the folder aside, written.
    """
    done = store.completed()
    todo = [job for job in jobs if job.pending(done)]
    if todo:
        check_runnable(todo, done)
        store.check_writable()
        with progress(sum(job.work(done) for job in todo)):
            launch([job.overrides for job in todo], provenance)
