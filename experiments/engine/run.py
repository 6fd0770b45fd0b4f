"""One job: the runs of one grid that are still missing, block by block, stored as soon as a block ends."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from experiments.engine import device
from experiments.engine.jobs import blocks_of, num_runs
from experiments.engine.progress import progress
from experiments.engine.task import Task
from experiments.engine.work import Result
from ncfjax.store import Store


def run_job(task: Task, config: Any, provenance: Mapping[str, str]) -> int:
    """Runs and stores the runs of one job that are not in the tables yet; returns how many."""
    device.prepare()
    store = task.store(config)
    store.check_writable()  # again before every job: a disk that has filled up ends the study before hours are lost
    done = store.completed()
    work = task.opened(config)
    shared = {"study": config.study.name, "device": device.name(), **provenance}
    if task.tune_by:
        shared["phase"] = config.phase
    for run_id, result in work.references(done):
        _append(store, run_id, shared, result, _now())
    blocks = blocks_of(task, work, config, done)
    with progress(work.each * num_runs(blocks), f"{task.label(config)}: ") as bar:
        for block in blocks:
            started_at = _now()
            for point, result in work.run(block, bar):
                _append(store, task.id_of(config, point), shared | task.cells(config, point), result, started_at)
    return num_runs(blocks)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _append(store: Store, run_id: str, cells: Mapping[str, Any], result: Result, started_at: str) -> None:
    row = dict.fromkeys(store.columns) | dict(cells) | {"started_at": started_at} | dict(result.cells)
    row |= {"run_id": run_id, "status": result.status}
    store.append(row, list(result.curve), dict(result.arrays))
