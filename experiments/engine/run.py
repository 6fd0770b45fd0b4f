"""One job: the runs of one grid that are still missing, block by block, stored as soon as a block ends."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from experiments.engine import device, models
from experiments.engine.checkpoints import FOLDER, checkpoints_of
from experiments.engine.jobs import blocks_of, check_unchanged, num_runs
from experiments.engine.names import check_names
from experiments.engine.processes import all_there, is_first, same, wait
from experiments.engine.progress import progress
from experiments.engine.task import Task
from experiments.engine.work import Result
from ncfjax.data.notes import with_remarks
from ncfjax.store import Store


def run_job(task: Task, config: Any, provenance: Mapping[str, str]) -> int:
    """Runs and stores the runs of one job that are not in the tables yet; returns how many."""
    device.prepare()
    store = task.store(config)
    if is_first():
        store.check_writable()  # again before every job: a disk that has filled up ends the study before hours are lost
    check_names(task, [config], store)  # again: a file may have changed since the study began
    done, keeps_models = models.completed(config, store), models.keeps_models(config)
    run_ids = {point: task.id_of(config, point) for point in task.points(config)}
    work = task.opened(config)
    check_unchanged(task, config, run_ids)
    shared = {"study": config.study.name, "device": device.described(), **provenance}
    if task.tune_by:
        shared["phase"] = config.phase
    for run_id, result in work.references(store.completed()):
        if is_first():
            store.append(_row(store, run_id, shared, result, _now()), list(result.curve), dict(result.arrays))
    blocks = blocks_of(task, work, config, done)
    same("missing runs", (run_ids[point] for block in blocks for point in block.members))
    with progress(work.each * num_runs(blocks), f"{task.label(config)}: ") as bar:
        for block in blocks:
            started_at = _now()
            for point, result in all_there(work.run(block, bar)):
                run_id = run_ids[point]  # of the files as they were read
                row = _row(store, run_id, shared | task.cells(config, point), result, started_at)
                if not is_first():
                    continue
                if keeps_models and result.status == "completed" and run_id not in done:
                    models.save(store, run_id, row, result)
                store.append(row, list(result.curve), dict(result.arrays))
            _forget(task, config, block.members)
    _forget(task, config, list(run_ids))  # what an earlier command has left too
    wait()  # what the first has written, all have before the next job
    return num_runs(blocks)


def _forget(task: Task, config: Any, points: Sequence[Any]) -> None:
    """Removes the checkpoints of runs that are done, unless they are to be kept."""
    num_epochs = task.checkpointed_epochs(config)
    is_any = num_epochs and (task.store(config).folder / FOLDER).is_dir()  # else no run need be named
    if is_any and not config.keep_checkpoints:
        checkpoints_of(task, config, points).remove(num_epochs)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _row(store: Store, run_id: str, cells: Mapping[str, Any], result: Result, started_at: str) -> dict[str, Any]:
    row = dict.fromkeys(store.columns) | dict(cells) | {"started_at": started_at} | dict(result.cells)
    if result.remarks:
        row["note"] = with_remarks(row["note"] or "", result.remarks)
    return row | {"run_id": run_id, "status": result.status}
