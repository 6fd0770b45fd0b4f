"""A table as a kind of run might have it, its rows, and a disk that fails: what the tests of the store share."""

import csv
import os
from pathlib import Path

import numpy as np

from ncfjax.store import ORIGIN_COLUMNS, Store

EPOCHS = 5
# A table as a kind of run might have it: texts, whole numbers and floats.
COLUMNS = {
    "run_id": str, "status": str, "phase": str, "note": str, "model": str, "embedding_dim": int, "layers": str,
    "regularize_weights": str, "reject_positives": str, "pretraining": str, "learning_rate": float,
    "regularization": float, "seed": int, "num_epochs": int, "select_epoch": str, "epoch": int, "ndcg@10": float,
    "mrr": float, "full_mrr": float, **ORIGIN_COLUMNS,
}  # fmt: skip
NAMES = tuple(COLUMNS)


def store_of(folder: Path) -> Store:
    return Store(folder, COLUMNS)


def a_run(seed: int, /, **changed) -> dict:
    """A row in which every value can be told from its seed."""
    row = dict.fromkeys(COLUMNS) | {"run_id": f"{seed:016x}", "status": "completed", "seed": seed}
    return row | {"model": "dot", "ndcg@10": seed / 3, "command": f'sweep "grid.seed={seed},"'} | changed


def a_curve(seed: int) -> list[dict]:
    return [{"epoch": epoch, "metric": "ndcg@10", "value": seed + epoch / 7} for epoch in range(EPOCHS)]


def some_ranks(seed: int) -> dict[str, np.ndarray]:
    return {"sampled": np.arange(seed, seed + 4), "full": np.arange(4) * seed}


def fill(folder: Path, seeds) -> Store:
    store = store_of(folder)
    for seed in seeds:
        if f"{seed:016x}" not in store.completed():
            store.append(a_run(seed), a_curve(seed), some_ranks(seed))
    return store


def contents(folder: Path) -> dict[str, list[bytes] | bytes]:
    """Everything a reader can see: the tables as sorted lines, the ranks as bytes."""
    tables = {name: sorted((folder / name).read_bytes().splitlines()) for name in ("runs.csv", "curves.csv")}
    return tables | {path.name: path.read_bytes() for path in (folder / "ranks").glob("*.npz")}


# ---- tables of older versions

SINCE_THE_FIRST_VERSION = ("layers", "regularize_weights", "reject_positives", "pretraining", "select_epoch", "epoch")
FIRST_VERSION = [column for column in NAMES if column not in SINCE_THE_FIRST_VERSION]


def as_first_version(folder: Path) -> bytes:
    """Cuts runs.csv to the columns of the first version, and returns it."""
    with open(folder / "runs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(folder / "runs.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, FIRST_VERSION, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return (folder / "runs.csv").read_bytes()


def fill_first_version(folder: Path, seeds) -> bytes:
    fill(folder, seeds)
    return as_first_version(folder)


# ---- disks that fail


def failing(function, at: int, error: int, partial: bool = False):
    """`function`, whose call number `at` fails; a write may have taken half of its data by then."""
    calls = iter(range(10_000))

    def call(file, *args):
        if next(calls) != at:
            return function(file, *args)
        if partial:
            function(file, args[0][: len(args[0]) // 2])
        raise OSError(error, os.strerror(error))

    return call
