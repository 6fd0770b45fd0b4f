"""make accelerator: does everything run on the device that is there, is it right, and how fast is it?

    results/accelerator/<device>/smoke.csv      a small run of each kind: its command, exit code, seconds
    results/accelerator/<device>/oracles.csv    numbers that a right implementation gives on MovieLens-1M, and ours
    results/accelerator/<device>/speed.csv      seconds of an epoch and of an exact search

A number is right within a tolerance that is stated beside it: that of other rounding and, of trained models, of a seed.
Exit code 1 where a run fails or a number is off. Without MovieLens-1M only the first table is whole. About ten minutes
on two CPU cores.
"""

import csv
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import pandas as pd

from benchmarks.turns import in_turns, seconds
from experiments.engine import device
from ncfjax.data.catalog import load
from ncfjax.retrieval import exact
from ncfjax.training.blocks import cut_into_blocks, cut_into_groups
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem

STUDY = Member(learning_rate=0.002, regularization=0.005, stddev=0.1, negative_weight=1.0, seed=0)
GRID_OF_8 = [STUDY._replace(learning_rate=0.001 * (1 + n)) for n in range(8)]

SMALL = ("num_epochs=4", "eval_every=4", "grid.learning_rate=0.01", "grid.regularization=0.005", "grid.seed=[0,1]")
SMOKE = {
    "expected": ("sweep", "model=dot,gmf,bilinear,cosine,euclid", "model.embedding_dim=8", *SMALL),
    "sampled": (
        "sweep", "model=dot,mlp,neumf,residual,mixture_of_logits", "objective=sampled", "optimizer=adam,lazy_adam",
        "model.embedding_dim=12", *SMALL,
    ),
    "tables over devices": ("sweep", "table_shards={devices}", "model=dot,mlp", "model.embedding_dim=8", *SMALL),
    "iALS over devices": ("baselines", "baseline=ials", "table_shards={devices}"),
    "saved models": ("sweep", "save_models=true", "model.embedding_dim=8", *SMALL),
    "imitate": ("imitate", "num_users=1000", "embedding_dim=8", "num_fresh=10000", "num_epochs=4"),
    "baselines": ("baselines", "baseline=popularity,item_knn,user_knn,ease,slim,ials"),
    "ratings": ("ratings", "+study=first_steps"),
    "retrieval": ("retrieval",),
}  # fmt: skip
# name -> command on MovieLens-1M, column -> expected value, tolerance (design: oracles)
ORACLES = {
    "popularity": (("baselines", "baseline=popularity"), {"hit_ratio@10": 0.4531, "ndcg@10": 0.2541}, 1e-4),
    "EASE": (("baselines", "baseline=ease"), {"hit_ratio@10": 0.7192, "ndcg@10": 0.4494}, 1e-3),
    "iALS d=64": (("baselines", "baseline=ials"), {"hit_ratio@10": 0.7223, "ndcg@10": 0.4447}, 4e-3),
    "MF d=16": (
        (
            "sweep", "grid=study", "model.embedding_dim=16", "objective.batch_size=64", "num_epochs=256",
            "eval_every=256",
        ),
        {"hit_ratio@10": 0.6879, "ndcg@10": 0.4133}, 4e-3,
    ),
}  # fmt: skip


class Smoke(NamedTuple):
    kind: str
    command: str
    exit_code: int
    seconds: float


class Oracle(NamedTuple):
    what: str
    metric: str
    expected: float
    tolerance: float
    got: float
    met: bool


class Speed(NamedTuple):
    what: str
    seconds: float


def run(arguments: Sequence[str], results: Path) -> Smoke:
    entry, *rest = (argument.format(devices=jax.device_count()) for argument in arguments)
    command = [sys.executable, "-m", f"experiments.{entry}", *rest, f"results_dir={results}"]
    start = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        print(ended.stdout[-2000:], ended.stderr[-4000:], file=sys.stderr)
    shown = " ".join(["python -m", f"experiments.{entry}", *rest])
    return Smoke("", shown, ended.returncode, round(time.perf_counter() - start, 1))


def smoke(folder: Path) -> Iterator[Smoke]:
    for kind, arguments in SMOKE.items():
        yield run(arguments, folder / kind.replace(" ", "-"))._replace(kind=kind)


def oracles(folder: Path) -> Iterator[Oracle]:
    for name, ((entry, *rest), expected, tolerance) in ORACLES.items():
        results = folder / name.replace(" ", "-")
        ended = run([entry, "dataset=ml-1m", *rest], results)
        rows = None
        if not ended.exit_code:
            rows = pd.read_csv(results / entry / "runs.csv")
            rows = rows[rows["model"] != "popularity"] if entry == "sweep" else rows
        for metric, value in expected.items():
            got = float("nan") if rows is None else float(rows[metric].iloc[0])
            yield Oracle(name, metric, value, tolerance, round(got, 4), abs(got - value) <= tolerance)


def speed(data) -> Iterator[Speed]:
    for objective in ("expected", "sampled"):
        for dim in (16, 64, 192):
            (taken,) = in_turns(lambda o=objective, d=dim: _epoch(data, o, d, [STUDY]), repeats=1)
            yield Speed(f"an epoch, {objective}, d={dim}", taken)
    (taken,) = in_turns(lambda: _epoch(data, "expected", 16, GRID_OF_8), repeats=1)
    yield Speed("an epoch of 8 members, expected, d=16", taken)
    items, queries = (jax.random.normal(jax.random.key(n), (rows, 64)) for n, rows in ((0, 1_000_000), (1, 256)))
    index = exact.build(items)
    for count in (1, 256):
        (taken,) = in_turns(lambda n=count: seconds(lambda: exact.search(index, queries[:n], 10)), repeats=5)
        yield Speed(f"the 10 best of 1,000,000 items, d=64, {count} at once", taken)


def _epoch(data, objective: str, dim: int, members) -> float:
    """Seconds of one, the second of two, over all blocks of the members."""
    problem = RecommenderProblem(data, Spec(dim, objective, {"sampled": 512, "expected": 64}[objective], 8))
    limit = device.memory_limit(None)
    groups, taken = cut_into_groups(members, problem.memory, limit, problem.cpu_width), 0.0
    for block in cut_into_blocks(groups, max(map(len, groups)), problem.memory, limit):
        program = Program(problem, block)
        state = program.advance(program.init(), 1)
        jax.block_until_ready(state.train_states)  # else what is timed waits for it
        taken += seconds(lambda p=program, s=state: p.advance(s, 1).train_states)
    return taken


def write(path: Path, lines: Iterable[NamedTuple]) -> list:
    """A table, a line as soon as it is there."""
    rows = []
    with path.open("w", newline="") as file:
        for row in lines:
            if not rows:
                csv.writer(file).writerow(row._fields)
            csv.writer(file).writerow(row)
            file.flush()
            print(f"ncfjax: {path.stem}: {', '.join(map(str, row))}", flush=True)
            rows.append(row)
    return rows


def main() -> None:
    device.prepare()
    jnp.zeros(1).block_until_ready()
    name = re.sub(r"\W+", "-", device.name()).strip("-").lower()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results") / "accelerator" / name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        failed = [one.kind for one in write(folder / "smoke.csv", smoke(Path(temporary))) if one.exit_code]
        try:
            data = load("ml-1m", data_dir=Path(os.environ["NCFJAX_DATA"]) if "NCFJAX_DATA" in os.environ else None)
        except ValueError as error:
            print(f"ncfjax: no oracles and no speed: {error}")
        else:
            failed += [one.what for one in write(folder / "oracles.csv", oracles(Path(temporary))) if not one.met]
            write(folder / "speed.csv", speed(data))
    print(f"ncfjax: {device.name()}: tables in {folder}/" + f"; wrong: {', '.join(failed)}" * bool(failed))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
