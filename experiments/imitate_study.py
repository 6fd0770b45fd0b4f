"""One study of imitators from its jobs to its table: plan, check, launch what is missing, summarise.

Everything that can be refused is refused before the first job is launched.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from experiments import device
from experiments.config import ConfigError
from experiments.imitate_config import ImitateConfig, points, run_config
from experiments.imitate_job import blocks_of, epoch_work, name_of, spec_of, store_of
from experiments.imitate_target import sizes_of, source_of
from experiments.job import count_runs
from experiments.jobs import Compose, Job, Launch, announce, count, launch_missing, say
from experiments.progress import duration
from experiments.provenance import origin
from experiments.training import timed_advance
from ncfjax.store import Store, run_id
from ncfjax.training.blocks import Block
from ncfjax.training.imitation_problem import ImitationProblem, memory_estimate
from ncfjax.training.program import Program

_TRIAL_PAIRS = 20_000  # per epoch of a trial, of which a step costs what it costs with more of them
_TRIAL_EPOCHS = 2


def make_job(overrides: list[str], compose: Compose) -> Job:
    config = compose(overrides)
    runs = {run_id(run_config(config, point)): point for point in points(config)}
    return Job(overrides, config, runs, lambda: epoch_work(config) * config.num_epochs)


def plan(all_overrides: Sequence[list[str]], compose: Compose) -> list[Job]:
    """The checked jobs of a study."""
    return [make_job(overrides, compose) for overrides in all_overrides]


def check_runnable(jobs: Sequence[Job], done: set[str]) -> None:
    """Cuts every job into blocks.

    Raises:
        ConfigError: not even one run fits the memory.
    """
    device.prepare()
    for job in jobs:
        try:
            blocks_of(job.config, done)
        except ValueError as error:
            raise ConfigError(f"{name_of(job.config)}: {error}") from error


def run_study(all_overrides: Sequence[list[str]], compose: Compose, launch: Launch) -> None:
    """Runs what is missing, given as the overrides of the jobs, and shows the whole.

    Raises:
        ConfigError, StoreError: before anything is trained.
    """
    jobs = plan(all_overrides, compose)
    store = store_of(jobs[0].config)
    announce(jobs, store.completed(), store.folder)
    if jobs[0].config.dry_run:
        check_runnable([job for job in jobs if job.pending(store.completed())], store.completed())
        return estimate(jobs, store.completed())
    launch_missing(jobs, store, check_runnable, launch, origin("imitate"))
    close(jobs, store)


def close(jobs: Sequence[Job], store: Store) -> None:
    """The table of these jobs' cells, and where everything is."""
    ours = {key for job in jobs for key in job.runs}
    print(_table(jobs[0].config.target, store, ours), flush=True)
    rows = store.runs()
    diverged = int((rows["status"] == "diverged").sum())
    of_them = f", {diverged} diverged" if diverged else ""
    ranks = "" if jobs[0].config.target == "dot" else ", ranks/"
    say(f"results in {store.folder}/: runs.csv ({count(len(rows), 'row')}{of_them}), curves.csv{ranks}")


def _table(target: str, store: Store, ours: set[str]) -> str:
    from experiments import distillation, figure3

    if target == "dot":
        rows = store.runs()
        return figure3.table(rows[rows["run_id"].isin(list(ours))])
    return distillation.table(distillation.cells(store, ours))


def _seconds_of_trial(config: ImitateConfig, block: Block) -> tuple[float, float]:
    """Seconds to compile a block's program, and to train the block for an epoch."""
    started = time.perf_counter()
    program = Program(ImitationProblem(source_of(config), spec_of(config)), block)
    program.compile()
    compiling = time.perf_counter() - started
    state, _ = timed_advance(program, program.init(), 1)  # the first call warms up
    return compiling, timed_advance(program, state, _TRIAL_EPOCHS)[1] / _TRIAL_EPOCHS


def _trial(config: ImitateConfig) -> ImitateConfig:
    """The same network on few pairs of random vectors."""
    num_users = max(_TRIAL_PAIRS // config.pairs_per_user, config.pairs_per_user, 10)
    of_study = {"target": "dot", "dataset": None, "teacher": None, "noise": 0.85, "trivial_rmse": 1.13}
    sizes = {"num_users": num_users, "num_fresh": 1000, "num_epochs": _TRIAL_EPOCHS}
    return replace(config, **of_study, **sizes, drop_last_users=False)


def estimate(jobs: Sequence[Job], done: set[str]) -> None:
    """Prints a line for each job with something to train, and the sum. A block of each shape is tried on few pairs."""
    rates: dict[object, tuple[float, float]] = {}  # of a shape: seconds to compile, and per work of one of its runs
    seconds, shapes = [0.0], set()
    for number, job in enumerate(jobs, start=1):
        config = job.config
        if not job.pending(done):
            continue
        blocks, spec, sizes, trial = blocks_of(config, done), spec_of(config), sizes_of(config), _trial(config)
        shapes_of = [(len(block.groups), block.width) for block in blocks]
        for block, size in zip(blocks, shapes_of, strict=True):
            if (spec, size) not in rates:
                compiling, epoch = _seconds_of_trial(trial, block)
                rates[spec, size] = compiling, epoch / epoch_work(trial)
        seconds.append(sum(rates[spec, size][0] for size in set(shapes_of)))
        seconds[-1] += job.run_work() * sum(rates[spec, size][1] for size in shapes_of)
        shapes |= {(spec, sizes, size) for size in shapes_of}
        most = max(groups * width for groups, width in shapes_of)
        block = (
            f"{len(blocks)} block(s) of up to {most} runs and {memory_estimate(spec, sizes).each * most / 1e9:.2f} GB"
        )
        of = f"job {number}, {name_of(config)}"
        say(f"{of}: {count_runs(blocks)} runs to train in {block}, about {duration(seconds[-1])}")
    teachers = "" if jobs[0].config.target == "dot" else ", without fitting the teachers and ranking"
    say(f"dry run: {len(shapes)} shapes to compile, about {duration(sum(seconds))} one job after the other{teachers}")
