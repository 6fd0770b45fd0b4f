"""dry_run=true: what a study would do, what it needs, and about how long it takes. Nothing is written.

    seconds of a job = shapes * seconds to compile one + runs * work of a run * seconds per work

The seconds are those of a `Trial`, which the first job of each kind makes on the spot.
"""

from collections.abc import Hashable, Sequence

from experiments.engine.jobs import Job, blocks_of, check_runnable, num_runs
from experiments.engine.progress import duration, log, pluralize
from experiments.engine.task import Task
from experiments.engine.work import Trial
from ncfjax.training.blocks import memory_bytes


def job_seconds(block_sizes: Sequence[int], work_of_a_run: float, trial: Trial) -> float:
    """Of blocks that are run one after the other; those of one size share their programs."""
    return len(set(block_sizes)) * trial.compiling + sum(block_sizes) * work_of_a_run * trial.per_work


def estimate(task: Task, jobs: Sequence[Job], done: set[str]) -> None:
    """Prints a line for each job with something to run, and the sum.

    Raises:
        ConfigError: what would stop the study before it begins.
    """
    todo = {number: job for number, job in enumerate(jobs, start=1) if job.pending(done)}
    check_runnable(task, list(todo.values()), done)
    trials: dict[Hashable, Trial] = {}
    total, num_shapes, not_counted = 0.0, 0, set()
    for number, job in todo.items():
        work = task.opened(job.config)
        blocks = blocks_of(task, work, job.config, done)
        if work.kind() not in trials:
            trials[work.kind()] = work.trial(blocks[0])
        sizes = [len(block.members) for block in blocks]
        seconds = job_seconds(sizes, work.each, trials[work.kind()])
        not_counted |= {work.not_counted} - {""}
        total, num_shapes = total + seconds, num_shapes + len(set(sizes)) * (trials[work.kind()].compiling > 0)
        needed = f"{pluralize(len(blocks), 'block')} of up to {pluralize(max(sizes), 'run')}"
        needed += f" and {max(memory_bytes(work.memory, block) for block in blocks) / 1e9:.2f} GB"
        name = f"job {number}, {task.label(job.config)}"
        log(f"{name}: {pluralize(num_runs(blocks), 'run')} to {task.verb} in {needed}, about {duration(seconds)}")
    if getattr(jobs[0].config, "tune", False):
        not_counted.add("the winners' final runs")
    rest = f"; not counted: {', '.join(sorted(not_counted))}" if not_counted else ""
    shapes = f"{pluralize(num_shapes, 'shape')} to compile, " * (num_shapes > 0)
    log(f"dry run: {shapes}about {duration(total)} one job after the other{rest}")
