"""One job: the runs of one grid that are still missing, trained block by block and stored as soon as a block ends.

Clocks live here. `compile_seconds` is what a block waited until it could train; `train_seconds` is the block's training
time, without compiling and evaluating, divided by its number of runs: what a run cost, not how long it took.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from experiments import device
from experiments.config import Point, SweepConfig, points, run_config
from experiments.datasets import load_data
from experiments.pretraining import is_pretrained, start
from experiments.progress import Progress, job_work, progress
from experiments.references import store_references
from experiments.rows import curve_rows, data_cells, run_cells
from experiments.training import Glance, glances
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.store import Store, run_id
from ncfjax.training.blocks import Block, cut_into_blocks, cut_into_groups
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem


def spec_of(config: SweepConfig) -> Spec:
    model = config.model
    options = {"biases": model.biases, "layers": model.layers, "regularize_weights": model.regularize_weights}
    return Spec(
        model=model.name,
        embedding_dim=model.embedding_dim,
        options=tuple(
            (key, tuple(value) if isinstance(value, list) else value)
            for key, value in options.items()
            if value is not None
        ),
        objective=config.objective.name,
        optimizer=config.optimizer.name,
        batch_size=config.objective.batch_size,
        num_negatives=config.objective.num_negatives,
        reject_positives=config.objective.reject_positives,
        shuffle_examples=config.objective.shuffle_examples,
    )


def blocks_of(config: SweepConfig, data: LeaveOneOut, done: set[str]) -> list[Block]:
    """The groups of the grid that hold a run which is not done, in blocks.

    The whole grid is cut into groups, not what is missing of it: so a run is trained beside the same runs whenever it
    is trained.
    """
    problem = RecommenderProblem(data, spec_of(config), is_pretrained(config))
    memory, limit = problem.memory, device.memory_limit(config.memory_gb)
    groups = cut_into_groups([Member(*point) for point in points(config)], memory, limit, problem.cpu_width)
    pending = [group for group in groups if any(id_of(config, member) not in done for member in group)]
    return cut_into_blocks(pending, max(map(len, groups)), memory, limit)


def count_runs(blocks: list[Block]) -> int:
    return sum(len(group) for block in blocks for group in block.groups)


def id_of(config: SweepConfig, member: Member) -> str:
    return run_id(run_config(config, Point(*member)))


def _chosen(values: list[dict[str, float]], select_epoch: str) -> int:
    """Place of the last glance; or, as NCF's code reports, of the first with the highest HR@10."""
    if select_epoch != "test":
        return len(values) - 1
    return max(range(len(values)), key=lambda i: values[i]["hit_ratio@10"])


def store_member(store: Store, row: dict[str, Any], seen: list[Glance], member: int) -> None:
    """Stores one run of a block. A diverged one has no metrics and no ranks, and a curve as far as it went."""
    sound = [glance for glance in seen if not glance.diverged[member]]
    values = [{name: float(of[member]) for name, of in glance.metrics.items()} for glance in sound]
    curve = [line for glance, of in zip(sound, values, strict=True) for line in curve_rows(glance.epoch, of)]
    if seen[-1].diverged[member]:
        store.append(row | {"status": "diverged"}, curve, {})
    else:
        chosen = _chosen(values, row["select_epoch"])
        ranks = {protocol: np.asarray(of[member]) for protocol, of in sound[chosen].ranks._asdict().items()}
        store.append(row | values[chosen] | {"epoch": sound[chosen].epoch}, curve, ranks)


def run_block(
    config: SweepConfig, data: LeaveOneOut, block: Block, store: Store, shared: dict[str, Any], bar: Progress
) -> None:
    """Compiles, trains, evaluates and stores some runs that share a program."""
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    bar.say(f"{config.model.name} d={config.model.embedding_dim}, compiling")
    started = time.perf_counter()
    program = Program(RecommenderProblem(data, spec_of(config), is_pretrained(config)), block)
    program.compile()
    compile_seconds = time.perf_counter() - started
    bar.resume()
    started_from = start(config, data, program, block, bar)
    bar.resume()
    seen: list[Glance] = []
    for glance in glances(program, started_from.state, config, bar):
        if seen and config.select_epoch != "test":
            seen[-1] = seen[-1]._replace(ranks=None)  # those of the last epoch are stored
        seen.append(glance)
    seconds = started_from.seconds + seen[-1].seconds
    for i, member in enumerate(program.members):
        row = shared | run_cells(config, Point(*member)) | {
            "run_id": id_of(config, member),
            "parameters": program.num_parameters,
            "compile_seconds": compile_seconds + started_from.compile_seconds,
            "train_seconds": seconds / len(program.members),
            "started_at": started_at,
        }  # fmt: skip
        store_member(store, row, seen, i)


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
    with progress(job_work(config, count_runs(blocks)), f"{config.model.name} d={config.model.embedding_dim}: ") as bar:
        for block in blocks:
            run_block(config, data, block, store, shared, bar)
    return count_runs(blocks)
