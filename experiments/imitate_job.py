"""One job of imitators: the runs of one grid that are still missing, trained block by block and stored as a block ends.

As in job.py, `compile_seconds` is what a block waited until it could train, here with the draw of its pairs (and the
first time its teacher), and `train_seconds` what one of its runs cost.
"""

import itertools
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from experiments import device
from experiments.imitate_config import (
    ImitateConfig,
    ImitatePoint,
    network_config,
    points,
    run_config,
    study_layers,
)
from experiments.imitate_target import rank, sizes_of, source_of, target_cells
from experiments.job import count_runs
from experiments.progress import Progress, progress
from experiments.rows import curve_rows, values_of
from experiments.training import Clock
from ncfjax.evaluation.ranking import Ranks
from ncfjax.store import IMITATION_TYPES, Store, run_id
from ncfjax.training.blocks import Block, State, cut_into_blocks, cut_into_groups
from ncfjax.training.imitation import ImitationSpec
from ncfjax.training.imitation_problem import ImitationMember, ImitationProblem
from ncfjax.training.program import Program

STEP_OVERHEAD = 20_000  # multiplications per pair that a step costs beside its products


def spec_of(config: ImitateConfig) -> ImitationSpec:
    return ImitationSpec(
        embedding_dim=config.embedding_dim,
        layers=tuple(config.layers),
        batch_size=config.batch_size,
        num_epochs=config.num_epochs,
        activation=config.activation,
        product=config.product,
        bilinear=config.bilinear,
        schedule=config.schedule,
    )


def epoch_work(config: ImitateConfig) -> float:
    """Of one run, in multiplications, for progress.py."""
    widths = [(3 if config.product else 2) * config.embedding_dim, *config.layers, 1]
    multiplications = sum(a * b for a, b in itertools.pairwise(widths)) + config.bilinear * config.embedding_dim**2
    return sizes_of(config).num_pairs * (multiplications + STEP_OVERHEAD)


def store_of(config: ImitateConfig) -> Store:
    return Store(Path(config.results_dir) / config.study.name, IMITATION_TYPES)


def id_of(config: ImitateConfig, member: ImitationMember) -> str:
    return run_id(run_config(config, ImitatePoint(*member)))


def name_of(config: ImitateConfig) -> str:
    """ "4000 users d=16 32-16-8"; "ml-1m d=16 32-16-8 gelu product"."""
    what = f"{config.num_users} users" if config.target == "dot" else config.dataset.name
    usual = config.activation == "relu", config.schedule == "constant"
    variant = [name for name, is_usual in zip((config.activation, config.schedule), usual, strict=True) if not is_usual]
    variant += [name for name in ("product", "bilinear") if getattr(config, name)]
    return " ".join([f"{what} d={config.embedding_dim} {'-'.join(map(str, config.layers))}", *variant])


def blocks_of(config: ImitateConfig, done: set[str]) -> list[Block]:
    """The groups of the grid that hold a run which is not done, in blocks.

    Raises:
        ValueError: not even one run fits the memory.
    """
    members = [ImitationMember(*point) for point in points(config)]
    problem = ImitationProblem(source_of(config), spec_of(config))
    memory, limit = problem.memory, device.memory_limit(config.memory_gb)
    groups = cut_into_groups(members, memory, limit, problem.cpu_width)
    pending = [group for group in groups if any(id_of(config, member) not in done for member in group)]
    return cut_into_blocks(pending, max(map(len, groups)), memory, limit)


class Look(NamedTuple):
    """What a block looks like after some epochs."""

    epoch: int
    errors: dict[str, Float[np.ndarray, " members"]]
    diverged: Bool[np.ndarray, " members"]


def train(program: Program, config: ImitateConfig, clock: Clock, bar: Progress) -> tuple[list[Look], State]:
    """Trains a block: a look every `eval_every` epochs and after the last one, and the end."""
    seen, begin = [], program.init()
    for reached in clock.stops(program, begin, config.num_epochs, config.eval_every, bar, name_of(config)):
        seen.append(_look(program, reached))
    return seen, reached


def _look(program: Program, state: State) -> Look:
    test, fresh = program.evaluate(state)
    errors = {"rmse_test": test.model, "rmse_dot_test": test.teacher, "rmse_trivial_test": test.trivial}
    if fresh is not None:
        errors |= {"rmse_fresh": fresh.model, "rmse_dot_fresh": fresh.teacher}
    return Look(state.epoch, errors, program.diverged(state))


def store_member(
    store: Store, row: dict[str, Any], seen: list[Look], member: int, ranked: tuple[Ranks, Ranks] | None
) -> None:
    """Stores one run of a block. A diverged one has no errors and no ranks, and a curve as far as it went."""
    sound = [(look.epoch, {name: float(of[member]) for name, of in look.errors.items()})
             for look in seen if not look.diverged[member]]  # fmt: skip
    curve = [line for epoch, values in sound for line in curve_rows(epoch, _learned(values))]
    if seen[-1].diverged[member]:
        store.append(row | {"status": "diverged"}, curve, {})
    else:
        measured, ranks = _ranking(ranked) if ranked else ({}, {})
        store.append(row | {"status": "completed"} | sound[-1][1] | measured, curve, ranks)


def _ranking(ranked: tuple[Ranks, Ranks]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Metrics and ranks of an imitator, and (dot_) of the recommender in whose place it ranks."""
    of_both = {"": ranked[0], "dot_": ranked[1]}
    values = {teacher + name: value for teacher, of in of_both.items() for name, value in values_of(of).items()}
    ranks = {teacher + protocol: of for teacher, both in of_both.items() for protocol, of in both._asdict().items()}
    return {name: value for name, value in values.items() if name in IMITATION_TYPES}, ranks


def _learned(values: dict[str, float]) -> dict[str, float]:
    """Without what predicting 0 is off by, which no epoch changes; the dot product's lines make a curve readable."""
    return {name: value for name, value in values.items() if name != "rmse_trivial_test"}


def run_cells(config: ImitateConfig, point: ImitatePoint) -> dict[str, Any]:
    """The cells that a run's configuration fills."""
    is_study = config.layers == study_layers(config.embedding_dim, config.width_multiplier)
    flags = {name: "true" if getattr(config, name) else "" for name in ("product", "bilinear")}
    return target_cells(config) | network_config(config) | flags | point._asdict() | {
        "run_id": run_id(run_config(config, point)),
        "width_multiplier": config.width_multiplier if is_study else None,
        "layers": "-".join(map(str, config.layers)),
    }  # fmt: skip


def run_block(config: ImitateConfig, block: Block, store: Store, shared: dict[str, Any], bar: Progress) -> None:
    """Draws, compiles, trains, measures and stores some runs that share a program."""
    source = source_of(config, bar)
    started_at, started = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    bar.say(f"{name_of(config)}, compiling")
    program = Program(ImitationProblem(source, spec_of(config)), block)
    program.compile()
    compile_seconds = time.perf_counter() - started
    bar.resume()
    clock = Clock(epoch_work(config) * len(program.members))
    seen, state = train(program, config, clock, bar)
    ranked = rank(config, program, state, bar)
    for i, member in enumerate(program.members):
        row = shared | run_cells(config, ImitatePoint(*member)) | {
            "parameters": program.num_parameters,
            "compile_seconds": compile_seconds,
            "train_seconds": clock.seconds / len(program.members),
            "started_at": started_at,
        }  # fmt: skip
        store_member(store, row, seen, i, ranked[i])
    bar.resume()


def run_job(config: ImitateConfig, provenance: dict[str, str]) -> int:
    """Trains and stores the runs of one job that are not in the tables yet; returns how many."""
    device.prepare()
    store = store_of(config)
    store.check_writable()  # again before every job: a disk that has filled up ends the study before hours are lost
    blocks = blocks_of(config, store.completed())
    shared = dict.fromkeys(IMITATION_TYPES) | {"study": config.study.name, "device": device.name()} | provenance
    total = epoch_work(config) * config.num_epochs * count_runs(blocks)
    with progress(total, f"{name_of(config)}: ") as bar:
        for block in blocks:
            run_block(config, block, store, shared, bar)
    return count_runs(blocks)
