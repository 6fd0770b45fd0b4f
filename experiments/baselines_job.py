"""One job of baselines: the runs of one grid that are still missing, fitted one after the other and stored at once.

Clocks live here. `train_seconds` is the time of the fit, with the compiling of a job's first run; `compile_seconds` is
empty.
"""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import device
from experiments.baselines_config import BaselinePoint, BaselinesConfig, parameters, points, run_config
from experiments.baselines_fit import fits, num_parameters, num_steps, work
from experiments.datasets import load_data
from experiments.progress import Progress, progress
from experiments.rows import curve_rows, note_of, values_of
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import Scorer, num_others, ranks_of
from ncfjax.evaluation.ranking_rules import Rules
from ncfjax.store import BASELINE_TYPES, Store, run_id


def store_of(config: BaselinesConfig) -> Store:
    return Store(Path(config.results_dir) / config.study.name, BASELINE_TYPES)


def id_of(config: BaselinesConfig, point: BaselinePoint) -> str:
    return run_id(run_config(config, point))


def name_of(config: BaselinesConfig) -> str:
    """ "ml-1m ease"; "ml-1m ials d=64"."""
    dim = config.baseline.embedding_dim
    return f"{config.dataset.name} {config.baseline.name}" + f" d={dim}" * (dim is not None)


def data_cells(config: BaselinesConfig, data: LeaveOneOut) -> dict[str, Any]:
    """A row that knows its study, data set, rules and machine; every other cell is empty."""
    return dict.fromkeys(BASELINE_TYPES) | asdict(config.evaluation) | {
        "phase": config.phase,
        "study": config.study.name,
        "dataset": data.name,
        "split": data.split,
        "negatives": data.negatives,
        "note": note_of(config.dataset, data),
        "model": config.baseline.name,
        "device": device.name(),
    }  # fmt: skip


def is_finite(scorer: Scorer) -> bool:
    leaves = [leaf for leaf in jax.tree.leaves(scorer) if np.issubdtype(leaf.dtype, np.floating)]
    return all(bool(np.isfinite(np.asarray(leaf)).all()) for leaf in leaves)


def store_run(
    config: BaselinesConfig,
    data: LeaveOneOut,
    point: BaselinePoint,
    store: Store,
    shared: dict[str, Any],
    bar: Progress,
) -> None:
    """Fits, measures and stores one run. A diverged one has no metrics and no ranks."""
    started_at, seconds = datetime.now(UTC).isoformat(timespec="seconds"), 0.0
    told, step, curve = parameters(config, point), work(config, data.train) / num_steps(config), []
    rules, name = Rules(**asdict(config.evaluation)), name_of(config)
    bar.say(f"{name}, fitting")
    started = time.perf_counter()
    for epoch, scorer in enumerate(fits(config.baseline.name, data.train, told), start=1):
        scorer = jax.block_until_ready(scorer)
        seconds += time.perf_counter() - started
        is_last = epoch == num_steps(config)
        if is_last or epoch % config.eval_every == 0:
            ranks = ranks_of(scorer, data, rules)
            curve += curve_rows(epoch, values_of(ranks)) if config.baseline.num_epochs else []
        bar.advance(step, f"{name}, epoch {epoch}" if config.baseline.num_epochs else name)
        started = time.perf_counter()
    row = shared | told | {
        "run_id": id_of(config, point),
        "parameters": num_parameters(scorer),
        "train_seconds": seconds,
        "started_at": started_at,
    }  # fmt: skip
    if is_finite(scorer):
        stored = {**ranks._asdict(), "num_others": num_others(data)}
        store.append(row | {"status": "completed"} | values_of(ranks), curve, stored)
    else:
        store.append(row | {"status": "diverged"}, [], {})


def run_job(config: BaselinesConfig, provenance: dict[str, str]) -> int:
    """Fits and stores the runs of one job that are not in the tables yet; returns how many."""
    device.prepare()
    store = store_of(config)
    store.check_writable()  # again before every job: a disk that has filled up ends the study before hours are lost
    done = store.completed()
    missing = [point for point in points(config) if id_of(config, point) not in done]
    data = load_data(config)
    shared = data_cells(config, data) | provenance
    with progress(work(config, data.train) * len(missing), f"{name_of(config)}: ") as bar:
        for point in missing:
            store_run(config, data, point, store, shared, bar)
    return len(missing)
