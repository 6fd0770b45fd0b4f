"""dry_run=true: what a sweep would do, what it needs, and about how long it takes. Nothing is written.

    seconds of a job ~ compiles + work * (seconds per work of a like job) + evaluations

Jobs are alike if they differ at most in `embedding_dim` and the grid; of each kind the first one with something to
train is compiled, trained for a few epochs and evaluated once. Work grows with `embedding_dim + OVERHEAD_DIM`, see
progress.py.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import NamedTuple

from experiments import device
from experiments.config import SweepConfig, data_config
from experiments.datasets import load_data
from experiments.job import blocks_of, count_runs, spec_of
from experiments.jobs import Job, say
from experiments.pretraining import is_pretrained
from experiments.progress import duration, job_work
from experiments.training import timed_advance
from ncfjax.training.program import Program
from ncfjax.training.recommender import RecommenderProblem

_TRIAL_SECONDS = 1.0


class Rate(NamedTuple):
    """Seconds of a program: to compile it, and per unit of work (`work`) to train and to evaluate."""

    compiling: float
    training: float
    evaluating: float


def _kind(config: SweepConfig) -> str:
    return str((data_config(config), config.model.name, asdict(config.objective), asdict(config.optimizer)))


def _epochs(config: SweepConfig) -> int:
    """Of a run, pretraining included."""
    return config.num_epochs + (config.pretraining.num_epochs or 0)


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(program: Program, config: SweepConfig, num_members: int) -> Rate:
    """Compiles a block's program, trains it for about a second and evaluates it once."""
    compiling = _seconds(program.compile)
    state, _ = timed_advance(program, program.init(), 1)  # the first call warms up
    training, epochs = 0.0, 0
    while training < _TRIAL_SECONDS and epochs < config.num_epochs:
        state, seconds = timed_advance(program, state, 1)
        training, epochs = training + seconds, epochs + 1
    one_epoch = job_work(config, num_members) / _epochs(config)
    return Rate(compiling, training / epochs / one_epoch, _seconds(lambda: program.evaluate(state)) / one_epoch)


def job_seconds(config: SweepConfig, block_sizes: Sequence[int], rate: Rate) -> float:
    one_epoch = job_work(config, sum(block_sizes)) / _epochs(config)
    num_evaluations = -(-config.num_epochs // config.eval_every)
    per_work = _epochs(config) * rate.training + num_evaluations * rate.evaluating
    return len(set(block_sizes)) * rate.compiling + one_epoch * per_work


def estimate(jobs: Sequence[Job], done: set[str]) -> None:
    """Prints a line for each job with something to train, and the sum."""
    device.prepare()
    rates: dict[str, Rate] = {}
    seconds, shapes = [0.0], set()
    for number, job in enumerate(jobs, start=1):
        config = job.config
        if not job.pending(done):
            continue
        data = load_data(config)
        blocks = blocks_of(config, data, done)
        sizes = [count_runs([block]) for block in blocks]
        program = Program(RecommenderProblem(data, spec_of(config), is_pretrained(config)), blocks[0])
        if _kind(config) not in rates:
            rates[_kind(config)] = measure(program, config, sizes[0])
        seconds.append(job_seconds(config, sizes, rates[_kind(config)]))
        shapes |= {(str(data_config(config)), spec_of(config), size) for size in sizes}
        of = f"job {number}, {data.name} {config.model.name} d={config.model.embedding_dim} {config.objective.name}"
        gigabytes = program.memory_bytes() / 1e9
        block = f"{len(blocks)} block(s) of up to {max(sizes)} runs and {gigabytes:.2f} GB"
        say(f"{of}: {sum(sizes)} runs to train in {block}, about {duration(seconds[-1])}")
    rest = "; the winners' final runs are not counted" if jobs[0].config.tune else ""
    say(f"dry run: {len(shapes)} shapes to compile, about {duration(sum(seconds))} one job after the other{rest}")
