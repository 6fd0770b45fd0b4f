"""dry_run=true: what a study would do, what it needs, and about how long it takes. Nothing is written.

    seconds of a job = shapes * seconds to compile one + runs * work of a run * seconds per work

The seconds are those of a `Trial`, which the first job of each kind makes on the spot; a study of many kinds measures
some of them, as whoever asks waits for it.
"""

import time
from collections.abc import Collection, Hashable, Sequence

from experiments.engine.jobs import Job, blocks_of, check_runnable, num_runs
from experiments.engine.processes import common, together
from experiments.engine.progress import duration, log, pluralize
from experiments.engine.task import Task
from experiments.engine.work import Trial
from ncfjax.training.blocks import size_text

TRIALS_SECONDS = 15.0  # after so many no other kind is tried


def _mean(trials: Sequence[Trial]) -> Trial:
    return Trial(*(sum(values) / len(trials) for values in zip(*trials, strict=True)))


def job_seconds(block_sizes: Sequence[int], work_of_a_run: float, trial: Trial) -> float:
    """Of blocks that are run one after the other; those of one size share their programs."""
    return len(set(block_sizes)) * trial.compiling + sum(block_sizes) * work_of_a_run * trial.per_work


def estimate(task: Task, jobs: Sequence[Job], done: set[str], afterwards: Collection[str] = ()) -> None:
    """Prints a line for each job with something to run, and the sum; `afterwards` is what follows them.

    Raises:
        ConfigError: what would stop the study before it begins.
    """
    todo = {number: job for number, job in enumerate(jobs, start=1) if job.pending(done)}
    with together():
        check_runnable(task, list(todo.values()), done)
    trials: dict[Hashable, Trial] = {}
    measured: list[Trial] = []
    total, num_shapes, not_counted, started = 0.0, 0, set(afterwards), time.perf_counter()
    for number, job in todo.items():
        work = task.opened(job.config)
        blocks = blocks_of(task, work, job.config, done)
        if work.kind() not in trials:
            is_late = measured and common(time.perf_counter() - started > TRIALS_SECONDS)
            trials[work.kind()] = _mean(measured) if is_late else work.trial(blocks[0])
            measured += [] if is_late else [trials[work.kind()]]
        sizes = [len(block.members) for block in blocks]
        seconds = job_seconds(sizes, work.each, trials[work.kind()])
        not_counted |= {work.not_counted} - {""}
        total, num_shapes = total + seconds, num_shapes + len(set(sizes)) * (trials[work.kind()].compiling > 0)
        needed = f"{pluralize(len(blocks), 'block')} of up to {pluralize(max(sizes), 'run')}"
        needed += f" and {size_text(work.most_bytes(blocks))}"
        name = f"job {number}, {task.label(job.config)}"
        for line in work.plan:
            log(f"job {number}, {line}")
        log(f"{name}: {pluralize(num_runs(blocks), 'run')} to {task.verb} in {needed}, about {duration(seconds)}")
    if getattr(jobs[0].config, "tune", False):
        not_counted.add("the winners' final runs")
    rest = f"; not counted: {', '.join(sorted(not_counted))}" if not_counted else ""
    if num_guessed := len(trials) - len(measured):
        rest += f"; at the mean pace of the others: {num_guessed} of {len(trials)} kinds of jobs"
    shapes = f"{pluralize(num_shapes, 'shape')} to compile, " * (num_shapes > 0)
    log(f"dry run: {shapes}about {duration(total)} one job after the other{rest}")
