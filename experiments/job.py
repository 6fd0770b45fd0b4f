"""One job: the runs of one grid that are still missing, trained block by block and stored as soon as a block ends.

Clocks live here. `compile_seconds` is what a block waited until it could train; `train_seconds` is the block's training
time, without compiling and evaluating, divided by its number of runs: what a run cost, not how long it took.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from experiments import device
from experiments.config import Point, SweepConfig, points, run_config
from experiments.progress import Progress, progress, work
from experiments.references import store_references
from experiments.rows import curve_rows, data_cells, metrics, run_cells
from ncfjax.data.catalog import load
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.data.splits import holdout
from ncfjax.data.synthetic import SyntheticOptions
from ncfjax.evaluation.ranking import Ranks
from ncfjax.store import Store, run_id
from ncfjax.training.grid import Block, Member, Program, State, cut_into_blocks, cut_into_groups
from ncfjax.training.loop import Spec

CALL_SECONDS = 1.0  # training returns to the host about this often, to show progress


@lru_cache(maxsize=1)
def _load(synthetic: SyntheticOptions | None, **names: Any) -> LeaveOneOut:
    paths = {key: Path(names[key]) if names[key] else None for key in ("prefix", "path", "data_dir")}
    return load(**(names | paths), synthetic=synthetic)


def load_data(config: SweepConfig) -> LeaveOneOut:
    """The data set in the split that the job asks for; the last one loaded is kept.

    Raises:
        ValueError, OSError: a file is not there or not as expected.
    """
    names = asdict(config.dataset) | {"data_dir": config.data_dir}
    synthetic = names.pop("synthetic")
    data = _load(SyntheticOptions(**synthetic) if synthetic else None, **names)
    if config.split == "test":
        return data
    # The study's script draws one candidate more for the holdout than the test files have: 100 beside their 99.
    return holdout(data, num_negatives=config.dataset.num_negatives + 1, seed=config.dataset.seed)


def spec_of(config: SweepConfig) -> Spec:
    return Spec(
        model=config.model.name,
        embedding_dim=config.model.embedding_dim,
        biases=config.model.biases,
        objective=config.objective.name,
        optimizer=config.optimizer.name,
        batch_size=config.objective.batch_size,
        num_negatives=config.objective.num_negatives,
    )


def blocks_of(config: SweepConfig, data: LeaveOneOut, done: set[str]) -> list[Block]:
    """The groups of the grid that hold a run which is not done, in blocks.

    The whole grid is cut into groups, not what is missing of it: so a run is trained beside the same runs whenever it
    is trained.
    """
    members, limit = [Member(*point) for point in points(config)], device.memory_limit(config.memory_gb)
    groups = cut_into_groups(members, spec_of(config), data, limit)
    pending = [group for group in groups if any(id_of(config, member) not in done for member in group)]
    return cut_into_blocks(pending, max(map(len, groups)), spec_of(config), data, limit)


def count_runs(blocks: list[Block]) -> int:
    return sum(len(group) for block in blocks for group in block.groups)


def id_of(config: SweepConfig, member: Member) -> str:
    return run_id(run_config(config, Point(*member)))


def timed_advance(program: Program, state: State, num_epochs: int) -> tuple[State, float]:
    """The state after some epochs, and the seconds until it was there."""
    start = time.perf_counter()
    state = jax.block_until_ready(program.advance(state, num_epochs))
    return state, time.perf_counter() - start


class Glance(NamedTuple):
    """What a block looks like after some epochs."""

    epoch: int
    seconds: float  # of training so far
    metrics: dict[str, Float[np.ndarray, " members"]]
    diverged: Bool[np.ndarray, " members"]


def train(program: Program, config: SweepConfig, num_members: int, bar: Progress) -> Iterator[tuple[Glance, Ranks]]:
    """Trains a block; a glance, and the ranks behind it, every `eval_every` epochs and after the last one."""
    state, epoch, seconds = program.init(), 0, 0.0
    bar.resume()
    while epoch < config.num_epochs:
        stop = min(epoch - epoch % config.eval_every + config.eval_every, config.num_epochs)
        step = 1 if epoch == 0 else int(np.clip(CALL_SECONDS * epoch / seconds, 1, stop - epoch))
        state, taken = timed_advance(program, state, step)
        epoch, seconds = epoch + step, seconds + taken
        what = f"{config.model.name} d={config.model.embedding_dim}, epoch {epoch} of {config.num_epochs}"
        bar.advance(work(num_members, step, config.model.embedding_dim), what)
        if epoch == stop:
            ranks = program.ranks(state)
            yield Glance(epoch, seconds, metrics(ranks), np.asarray(program.diverged(state))), ranks


def store_member(store: Store, row: dict[str, Any], glances: list[Glance], last_ranks: Ranks, member: int) -> None:
    """Stores one run of a block. A diverged one has no metrics and no ranks, and a curve as far as it went."""
    seen = [
        (glance, {name: float(values[member]) for name, values in glance.metrics.items()})
        for glance in glances
        if not glance.diverged[member]
    ]
    curve = [line for glance, values in seen for line in curve_rows(glance.epoch, values)]
    if glances[-1].diverged[member]:
        store.append(row | {"status": "diverged"}, curve, {})
    else:
        ranks = {protocol: np.asarray(of[member]) for protocol, of in last_ranks._asdict().items()}
        store.append(row | seen[-1][1], curve, ranks)


def run_block(
    config: SweepConfig, data: LeaveOneOut, block: Block, store: Store, shared: dict[str, Any], bar: Progress
) -> None:
    """Compiles, trains, evaluates and stores some runs that share a program."""
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    bar.say(f"{config.model.name} d={config.model.embedding_dim}, compiling")
    start = time.perf_counter()
    program = Program(data, spec_of(config), block)
    program.compile()
    compile_seconds = time.perf_counter() - start
    glances = []
    for glance, ranks in train(program, config, len(program.members), bar):  # noqa: B007  (the last ranks are stored)
        glances.append(glance)
    for i, member in enumerate(program.members):
        row = shared | run_cells(config, Point(*member)) | {
            "run_id": id_of(config, member),
            "parameters": program.num_parameters,
            "compile_seconds": compile_seconds,
            "train_seconds": glances[-1].seconds / len(program.members),
            "started_at": started_at,
        }  # fmt: skip
        store_member(store, row, glances, ranks, i)


def run_job(config: SweepConfig, provenance: dict[str, str]) -> int:
    """Trains and stores the runs of one job that are not in the tables yet; returns how many."""
    device.prepare()
    store = Store(Path(config.results_dir) / config.study.name)
    store.check_writable()  # again before every job: a disk that has filled up ends the sweep before hours are lost
    done = store.completed()
    data = load_data(config)
    shared = data_cells(config, data) | provenance
    store_references(store, config, data, shared)
    blocks = blocks_of(config, data, done)
    total = work(count_runs(blocks), config.num_epochs, config.model.embedding_dim)
    with progress(total, f"{config.model.name} d={config.model.embedding_dim}: ") as bar:
        for block in blocks:
            run_block(config, data, block, store, shared, bar)
    return count_runs(blocks)
