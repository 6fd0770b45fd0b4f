"""python -m benchmarks.scale [MILLIONS] [DATA_DIR]: generated data of ML-20M's size, as large as their split makes it.

    read       a generated ratings.csv of twice as many lines, half of them below 4 stars, and its split
    iALS       one epoch of d=256 (above 50 M events: d=16), compiling left out, against the library implicit
    epochs     of a dot product, d=64: `expected` beside its three products alone, `sampled` beside a loop by numba
    peak       of one process of python -m experiments.baselines that reads, splits, trains one epoch and ranks, beside
               what its dry run plans

10 M events are 137,000 users and 20,000 items; more of them are more users. How active users and how popular items are
is as skewed as in MovieLens-1M, whose quantiles are stretched. Needs the packages of the extra `bench` and, for the
times, a machine with nothing else to do.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from benchmarks.turns import Line, against, duration, in_turns, seconds, show
from experiments.engine import device
from ncfjax.data.interactions import HeldOut, Interactions, LeaveOneOut

EVENTS_PER_USER, NUM_ITEMS, NUM_HELD_OUT = 73, 20_000, 10_000
ROWS_AT_ONCE = 5_000_000
LARGE = 50_000_000  # events from which on a small model is trained
OPTIONS = {"regularization": 0.003, "unobserved_weight": 0.1, "nu": 1.0, "stddev": 0.1, "seed": 0}
REPEATS = 3
TRAINED_DIM, USERS_AT_ONCE = 64, 64
ALS_BAR = 1.2  # times the seconds of implicit
LOOP_BAR = 2.0  # times those of the loop
PEAK_GB = {False: 4.0, True: 12.0}  # by whether the data are large


def stretched(counts: Int[np.ndarray, " n"], size: int) -> Float[np.ndarray, " size"]:
    """As many values with the quantiles of some counts."""
    return np.interp(np.linspace(0, 1, size), np.linspace(0, 1, len(counts)), np.sort(counts))


def write_ratings(path: Path, num_events: int, activity: Int[np.ndarray, " n"], popularity: Int[np.ndarray, " m"]):
    """About `num_events` distinct pairs of 4 stars and as many of 2, user by user as in MovieLens's file."""
    random = np.random.default_rng(0)
    num_users = num_events // EVENTS_PER_USER
    sizes = random.permutation(stretched(activity, num_users))
    sizes = np.maximum(6, 2 * sizes * num_events / sizes.sum()).astype(int)  # 2: half are not events
    shares = random.permutation(stretched(popularity, NUM_ITEMS))
    ends = np.cumsum(shares / shares.sum())
    with path.open("w") as file:
        file.write("userId,movieId,rating,timestamp\n")
        for users in np.array_split(np.arange(num_users), max(1, 2 * num_events // ROWS_AT_ONCE)):
            wanted = np.repeat(users, np.minimum(sizes[users], NUM_ITEMS // 3))
            keys = _distinct_pairs(wanted, ends, random)
            rows = pd.DataFrame({"user": keys // NUM_ITEMS + 1, "item": keys % NUM_ITEMS + 1})
            rows["rating"], rows["time"] = np.where(random.random(len(rows)) < 0.5, 4.0, 2.0), 1_000_000_000
            rows.to_csv(file, header=False, index=False)


def _distinct_pairs(users: np.ndarray, ends: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """An item for every entry of `users`, drawn by popularity; a pair that is there already is drawn again, ten times
    at most."""
    kept = np.zeros(0, np.int64)
    for _ in range(10):
        items = np.minimum(np.searchsorted(ends, random.random(len(users))), len(ends) - 1)
        drawn = np.concatenate([kept, users.astype(np.int64) * len(ends) + items])
        is_first = np.zeros(len(drawn), bool)
        is_first[np.unique(drawn, return_index=True)[1]] = True
        kept, users = drawn[is_first], users[~is_first[len(kept) :]]
        if not len(users):
            break
    return np.sort(kept)


def command(folder: Path, dim: int, *more: str) -> list[str]:
    """One epoch of iALS, as a user runs it."""
    return [
        sys.executable, "-m", "experiments.baselines", "dataset=ml-20m", f"data_dir={folder}", "baseline=ials",
        f"baseline.embedding_dim={dim}", "baseline.num_epochs=1", f"results_dir={folder / 'results'}", *more,
    ]  # fmt: skip


def peaks(folder: Path, dim: int, bar: float) -> Iterator[Line]:
    planned = subprocess.run(command(folder, dim, "dry_run=true"), capture_output=True, text=True, check=True)
    plan = re.search(r"of up to 1 run and ([\d.]+ .B), about (.*)", planned.stdout + planned.stderr)
    start = time.perf_counter()
    run = subprocess.run(command(folder, dim), capture_output=True, text=True, check=True)
    taken, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    what = f"read, split, one epoch of iALS d={dim}, rank"
    yield Line(f"{what}: peak memory, planned {plan[1]}", f"{peak:.2f} GB", f"<= {bar:g} GB", peak <= bar)
    yield Line(f"its seconds, Python's and XLA's start included; planned about {plan[2]}", duration(taken))
    print(run.stdout, file=sys.stderr)


def epochs(train, dim: int) -> Iterator[Line]:
    from benchmarks.baselines import their_seconds  # here: implicit is in the extra `bench`
    from ncfjax.baselines.ials import ials_epochs

    ours = ials_epochs(train, **OPTIONS, embedding_dim=dim, block_size=dim, num_epochs=REPEATS + 1)
    theirs, taken = in_turns(their_seconds(train, dim), partial(seconds, _next_of(ours)), repeats=REPEATS)
    what = f"iALS d={dim}: an epoch of exact solutions, against implicit"
    yield against(what, taken, theirs, 1 / ALS_BAR)


def trained(train: Interactions) -> Iterator[Line]:
    """Epochs of one member, as a run has them."""
    from benchmarks.loops import fresh_tables, numba_epoch  # here: numba is in the extra `bench`
    from benchmarks.sweep import NUM_NEGATIVES, STUDY, Epoch

    positive, negative = np.setdiff1d(np.arange(train.num_items), train.items[train.users == 0])[:2]
    held_out = HeldOut(np.array([0]), np.array([positive]), np.array([[negative]]))  # nobody is ranked
    data = LeaveOneOut("generated", "test", train, held_out, "file")
    of_dim = f"d={TRAINED_DIM}: an epoch"
    taken, bare = in_turns(
        partial(seconds, Epoch(data, "expected", TRAINED_DIM, [STUDY])),
        partial(seconds, bare_products(train.num_users, train.num_items)),
        repeats=REPEATS,
    )
    measured = f"{duration(taken)} beside {duration(bare)}: {taken / bare:.2f} times"
    yield Line(f"`expected`, {of_dim}, beside its three products alone", measured)
    tables = fresh_tables(train.num_users, train.num_items, TRAINED_DIM)
    order = np.random.default_rng(0).permutation(len(train))
    rates = np.float32(STUDY.learning_rate), np.float32(STUDY.regularization)
    loop = partial(numba_epoch, *tables, train.users, train.items, order, NUM_NEGATIVES, *rates)
    epoch = Epoch(data, "sampled", TRAINED_DIM, [STUDY])
    taken, theirs = in_turns(partial(seconds, epoch), partial(seconds, loop), repeats=REPEATS)
    measured = f"{duration(taken)} against {duration(theirs)}: {taken / theirs:.2f} times its time"
    what = f"`sampled`, {of_dim}, against a numba loop on one core"
    yield Line(what, measured, f"<= {LOOP_BAR:g} times", taken <= LOOP_BAR * theirs)


def bare_products(num_users: int, num_items: int) -> Callable:
    """What no epoch of `expected` can do without: scores of every pair, and what they pull at both tables."""
    num_blocks = num_users // USERS_AT_ONCE
    p = jnp.ones((num_blocks, USERS_AT_ONCE, TRAINED_DIM)) / TRAINED_DIM
    q = jnp.ones((num_items, TRAINED_DIM)) / TRAINED_DIM

    @jax.jit
    def run(p, q):
        def step(pull, block):
            scores = jnp.inner(block, q)
            return pull + scores.T @ block, scores @ q

        return jax.lax.scan(step, jnp.zeros_like(q), p)

    return lambda: run(p, q)


def _next_of(models: Iterator) -> Callable:
    return lambda: next(models).item[...]


def measure(num_events: int, data_dir: str) -> Iterator[Line]:
    from ncfjax.data.catalog import load
    from ncfjax.data.user_catalog import load_held_out_users

    train = load("ml-1m", data_dir=data_dir or None).train
    is_large = num_events > LARGE
    dim = 16 if is_large else 256
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_ratings(folder / "ratings.csv", num_events, np.bincount(train.users), np.bincount(train.items))
        yield from peaks(folder, dim, PEAK_GB[is_large])
        start = time.perf_counter()
        data = load_held_out_users("ml-20m", data_dir=folder, num_held_out=NUM_HELD_OUT).test
        taken = time.perf_counter() - start
        size = (folder / "ratings.csv").stat().st_size / 1e6
        what = f"{len(data.train):,} events of {data.train.num_users:,} users and {data.train.num_items:,} items"
        yield Line(f"read {size:,.0f} MB and split: {what} to train on", duration(taken))
    if not is_large:
        yield from trained(data.train)
        yield from epochs(data.train, dim)


def main() -> None:
    device.prepare()
    num_events = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 10_000_000
    show(measure(num_events, sys.argv[2] if len(sys.argv) > 2 else os.environ.get("NCFJAX_DATA", "")))


if __name__ == "__main__":
    main()
