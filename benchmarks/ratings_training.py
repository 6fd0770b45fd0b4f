"""python -m benchmarks.ratings_training [DATA_DIR]: training on explicit ratings, against loops and a library.

Epochs of `gradient` are measured on 20 million generated ratings, as many users and items as Netflix has and as skewed;
what they reach, and `alternating`, on a random tenth of MovieLens-1M. Every figure is a median over repeats; what is
compared takes turns. Each has a process of its own, which sleeps while others are measured and whose peak memory
is that of nothing else. Compiling and reading are not counted. It needs a machine with nothing else to do, and about
ten minutes on two cores.

The peers: Koren's loop, compiled by numba, on one core (loops.py), and the SVD of scikit-surprise, the same loop in
Cython with a constant rate, at the rate and penalty with which it predicts best. They were looked for on the ratings
that are predicted, which favours it: rates of .005 to .01, penalties of .06 to .08, up to 80 epochs.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.turns import Line, against, duration, in_turns, peak_gb, show
from experiments.engine import device
from ncfjax.data.rating_catalog import load_ratings
from ncfjax.data.rating_splits import RatingSplit, random_share
from ncfjax.data.ratings import STARS, Ratings
from ncfjax.evaluation.regression import rmse
from ncfjax.ratings.alternating import alternating_iterations
from ncfjax.training.blocks import Block, cut_into_groups
from ncfjax.training.program import Program
from ncfjax.training.rating import RatingMember, RatingProblem, RatingSpec

NUM_RATINGS, NUM_USERS, NUM_ITEMS = 20_000_000, 480_189, 17_770
USER_SPREAD, ITEM_SPREAD, LARGEST_SHARE = 1.25, 2.15, 0.0023  # Netflix's: mean over median 2.2 and 10; its top movie
ARRAYS = ("users", "items", "values")

BATCH_SIZE = 256  # the default of conf/method/gradient.yaml
DIM = 101  # 100 factors and the bias
SMALL_DIM = 64  # the default of conf/method/alternating.yaml
GENERATED = RatingMember(0.005, 0.97, 0.06, 0.01, 0.1, seed=0)
ML_1M = RatingMember(0.02, 0.96, 0.06, 0.01, 0.1, seed=0)  # of conf/study/ratings/ratings_ml-1m.yaml
NUM_EPOCHS = 60
ALTERNATING = {
    "biases": True, "regularization": 2.0, "bias_regularization": 1.0, "nu": 0.4, "stddev": 0.1, "seed": 0,
    "num_iterations": 5,
}  # fmt: skip  # what the study chose on the holdout at d=101
SURPRISE = {"n_factors": 100, "n_epochs": 65, "lr_all": 0.005, "reg_all": 0.06, "random_state": 0}
REPEATS = 3


class Fit(NamedTuple):
    """What is left of a fit, or of its first iterations."""

    seconds: float
    rmse: float


class Measured:
    """`prepare(*arguments)` in a process of its own; what that returns is called there again and again."""

    def __init__(self, prepare: Callable, *arguments: Any):
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _prepare, (prepare, arguments))

    def __call__(self) -> Any:
        return self._pool.submit(_call).result()

    def peak_gb(self) -> float:
        return self._pool.submit(peak_gb).result()

    def __enter__(self) -> "Measured":
        return self

    def __exit__(self, *_) -> None:
        self._pool.shutdown()


_prepared: list[Callable] = []


def _prepare(prepare: Callable, arguments: tuple) -> None:
    _prepared[:] = [prepare(*arguments)]


def _call() -> Any:
    return _prepared[0]()


def write_ratings(folder: Path) -> Callable[[], None]:
    """Distinct pairs of log-normal users and items in random order, as arrays in `folder`, whenever it is called."""

    def write() -> None:
        rng = np.random.default_rng(0)
        users, items = rng.lognormal(0, USER_SPREAD, NUM_USERS), rng.lognormal(0, ITEM_SPREAD, NUM_ITEMS)
        items = np.minimum(items, LARGEST_SHARE * items.sum())
        keys = np.empty(0, np.int64)
        while len(keys) < NUM_RATINGS:
            drawn = [_draw(rng, weights, NUM_RATINGS // 4) for weights in (users, items)]
            keys = np.sort(np.concatenate([keys, drawn[0] * NUM_ITEMS + drawn[1]]))
            keys = keys[np.diff(keys, prepend=-1) > 0]  # np.unique goes by a hash table, which takes a minute
        keys = rng.permutation(keys)[:NUM_RATINGS]
        values = rng.integers(1, 6, NUM_RATINGS).astype(np.float32)
        for name, array in zip(ARRAYS, (*np.divmod(keys, NUM_ITEMS), values), strict=True):
            np.save(folder / f"{name}.npy", array if name == "values" else array.astype(np.int32))

    return write


def _draw(rng: np.random.Generator, weights: np.ndarray, count: int) -> np.ndarray:
    bounds = np.cumsum(weights)
    return np.minimum(np.searchsorted(bounds, bounds[-1] * rng.random(count)), len(weights) - 1)


def program_of(train: Ratings, pairs: Ratings, embedding_dim: int, members: list[RatingMember]) -> Program:
    """All members in one block."""
    problem = RatingProblem(train, pairs, RatingSpec(embedding_dim, BATCH_SIZE))
    groups = cut_into_groups(members, problem.memory, device.memory_limit(None), problem.cpu_width)
    return Program(problem, Block(groups, max(map(len, groups))))


def our_epoch(folder: Path, embedding_dim: int, num_members: int) -> Callable[[], float]:
    """Seconds of one more epoch; the first one compiles."""
    device.prepare()
    train = Ratings(*(np.load(folder / f"{name}.npy") for name in ARRAYS), NUM_USERS, NUM_ITEMS, STARS)
    rates = GENERATED.learning_rate * 1.2 ** np.arange(num_members)
    members = [GENERATED._replace(learning_rate=float(rate)) for rate in rates]
    program = program_of(train, train.where(np.arange(1)), embedding_dim, members)
    state = program.init()

    def epoch() -> float:
        nonlocal state
        start = time.perf_counter()
        state = program.advance(state, 1)
        jax.block_until_ready(state.train_states)
        return time.perf_counter() - start

    return epoch


def loop_epoch(folder: Path, embedding_dim: int) -> Callable[[], float]:
    """Seconds of one more epoch of the loop, whose order is drawn beforehand."""
    from benchmarks.loops import fresh_tables, numba_ratings_epoch  # numba is not to count in our own memory

    users, items, values = (np.load(folder / f"{name}.npy") for name in ARRAYS)
    values -= values.mean(dtype=np.float64)
    *tables, _ = fresh_tables(NUM_USERS, NUM_ITEMS, embedding_dim)
    order = np.random.default_rng(0).permutation(NUM_RATINGS).astype(np.int32)
    rates = np.float32([GENERATED.learning_rate, GENERATED.regularization, GENERATED.bias_regularization])

    def epoch() -> float:
        start = time.perf_counter()
        numba_ratings_epoch(*tables, users, items, values, order, *rates)
        return time.perf_counter() - start

    return epoch


def ml_1m(data_dir: str) -> RatingSplit:
    return random_share(load_ratings("ml-1m", data_dir=data_dir or None), share=0.1, seed=0)


def error(predictions: np.ndarray, split: RatingSplit) -> float:
    return rmse(STARS.clip(predictions), split.test.values)


def our_gradient(data_dir: str) -> Callable[[], Fit]:
    """A whole run as the study has it; it is compiled beforehand."""
    device.prepare()
    split = ml_1m(data_dir)
    program = program_of(split.train, split.test, DIM, [ML_1M])
    program.compile()

    def fit() -> Fit:
        start = time.perf_counter()
        state = program.advance(program.init(), NUM_EPOCHS)
        jax.block_until_ready(state.train_states)
        taken = time.perf_counter() - start
        return Fit(taken, error(program.evaluate(state)[0], split))

    return fit


def loop_gradient(data_dir: str) -> Callable[[], Fit]:
    """The same run by the loop; orders are not counted."""
    from benchmarks.loops import fresh_tables, numba_ratings_epoch

    split = ml_1m(data_dir)
    train, test = split.train, split.test
    mean = train.values.mean(dtype=np.float64)
    residuals = (train.values - mean).astype(np.float32)

    def one_epoch(tables, order, epoch: int) -> float:
        rate = ML_1M.learning_rate * ML_1M.decay**epoch
        rates = np.float32([rate, ML_1M.regularization, ML_1M.bias_regularization])
        start = time.perf_counter()
        numba_ratings_epoch(*tables, train.users, train.items, residuals, order, *rates)
        return time.perf_counter() - start

    def fresh():
        return fresh_tables(train.num_users, train.num_items, DIM)[:-1]

    one_epoch(fresh(), np.arange(1, dtype=np.int32), 0)  # compiles

    def fit() -> Fit:
        tables, rng, taken = fresh(), np.random.default_rng(0), 0.0
        for epoch in range(NUM_EPOCHS):
            taken += one_epoch(tables, rng.permutation(len(train)).astype(np.int32), epoch)
        user, item, user_bias, item_bias = tables
        users, items = test.users, test.items
        factors = np.sum(user[users] * item[items], axis=1)
        return Fit(taken, error(mean + user_bias[users] + item_bias[items] + factors, split))

    return fit


def our_alternating(data_dir: str, embedding_dim: int) -> Callable[[], list[Fit]]:
    """A fit up to each of its iterations, the layout of the ratings included; the first one compiles."""
    device.prepare()
    jax.config.update("jax_enable_compilation_cache", False)  # what it takes to compile is told
    split = ml_1m(data_dir)

    def fit() -> list[Fit]:
        fits, taken, start = [], 0.0, time.perf_counter()
        for model in alternating_iterations(split.train, embedding_dim=embedding_dim, **ALTERNATING):
            jax.block_until_ready(model)
            taken += time.perf_counter() - start
            fits.append(Fit(taken, error(model.predict(split.test.users, split.test.items), split)))
            start = time.perf_counter()
        return fits

    return fit


def surprise_svd(data_dir: str) -> Callable[[], Fit]:
    """A fit of scikit-surprise's SVD, on one core."""
    import pandas as pd
    from surprise import SVD, Dataset, Reader
    from surprise.accuracy import rmse as their_rmse

    split = ml_1m(data_dir)
    table = pd.DataFrame({name: getattr(split.train, name) for name in ARRAYS})
    train = Dataset.load_from_df(table, Reader(rating_scale=(STARS.minimum, STARS.maximum))).build_full_trainset()
    test = list(zip(*(getattr(split.test, name).tolist() for name in ARRAYS), strict=True))

    def fit() -> Fit:
        start = time.perf_counter()
        model = SVD(**SURPRISE).fit(train)
        taken = time.perf_counter() - start
        return Fit(taken, their_rmse(model.test(test), verbose=False))

    return fit


def medians(rows: list[tuple[Fit, ...]]) -> list[Fit]:
    """Of fits that were repeated, one after the other in `rows`."""
    return [
        Fit(*(statistics.median(values) for values in zip(*column, strict=True))) for column in zip(*rows, strict=True)
    ]


def times_its_time(what: str, ours: float, theirs: float, bar: float | None, note: str = "") -> Line:
    measured = f"{duration(ours)} against {duration(theirs)}{note}: {ours / theirs:.2f} times"
    return Line(what, measured) if bar is None else Line(what, measured, f"<= {bar:g} times", ours <= bar * theirs)


def memory(measured: Measured, bar: float | None = 2.0) -> Line:
    taken, what = measured.peak_gb(), "its peak memory"
    return Line(what, f"{taken:.2f} GB", *(() if bar is None else (f"<= {bar:g} GB", taken <= bar)))


def epochs(folder: Path):
    what = f"`gradient` on {NUM_RATINGS:,} ratings"
    with Measured(our_epoch, folder, DIM, 1) as one:
        with Measured(loop_epoch, folder, DIM) as loop:
            ours, theirs = in_turns(one, loop, repeats=REPEATS)
            peak = f", {loop.peak_gb():.2f} GB"
        yield times_its_time(f"{what}, d={DIM}: an epoch, against a numba loop on one core", ours, theirs, 2, peak)
        yield memory(one)
    for dim, bar in ((16, 2.5), (DIM, None)):
        with Measured(our_epoch, folder, dim, 1) as one, Measured(our_epoch, folder, dim, 4) as four:
            alone, together = in_turns(one, four, repeats=REPEATS)
            yield times_its_time(f"{what}, d={dim}: an epoch of 4 members, against one", together, alone, bar)
            yield memory(four, 2.0 if bar else None)


def fits(data_dir: str):
    with (
        Measured(our_gradient, data_dir) as gradient,
        Measured(loop_gradient, data_dir) as loop,
        Measured(our_alternating, data_dir, DIM) as alternating,
        Measured(our_alternating, data_dir, SMALL_DIM) as smaller,
        Measured(surprise_svd, data_dir) as surprise,
    ):
        first, _ = alternating(), smaller()
        rounds = [(gradient(), loop(), surprise(), alternating(), smaller()) for _ in range(REPEATS)]
        peak = memory(alternating)
    ours, theirs, library = medians([row[:3] for row in rounds])
    large, small = (medians([row[column] for row in rounds]) for column in (3, 4))
    what = f"`gradient` on MovieLens-1M, d={DIM}, batches of {BATCH_SIZE}: {NUM_EPOCHS} epochs, against the loop"
    note = f", RMSE {ours.rmse:.4f} and {theirs.rmse:.4f}"
    yield times_its_time(what, ours.seconds, theirs.seconds, None, note)

    near = reaches(large, large[-1].rmse + 0.002)
    compiling = first[-1].seconds - large[-1].seconds
    what = f"`alternating` on MovieLens-1M, d={DIM}: to within 0.002 of its last RMSE, {large[-1].rmse:.4f}"
    measured = f"{duration(near.seconds)} (RMSE {near.rmse:.4f}); {compiling:.1f} s more where it is compiled"
    yield Line(what, measured, "<= 6 s", near.seconds <= 6)
    yield peak
    for dim, iterations in ((DIM, large), (SMALL_DIM, small)):
        yield to_their_rmse(dim, iterations, f"scikit-surprise's SVD, k={SURPRISE['n_factors']}", library, 10)
    yield to_their_rmse(DIM, large, "the loop", theirs, 2)


def reaches(iterations: list[Fit], target: float) -> Fit:
    """Up to the first iteration that predicts as well; RMSE falls to it from above."""
    assert all(before.seconds < after.seconds for before, after in pairwise(iterations))
    return next((fit for fit in iterations if fit.rmse <= target), Fit(float("inf"), float("nan")))


def to_their_rmse(dim: int, iterations: list[Fit], peer: str, theirs: Fit, bar: float) -> Line:
    ours = reaches(iterations, theirs.rmse)
    note = f" (RMSE {ours.rmse:.4f} and {theirs.rmse:.4f})"
    return against(f"`alternating`, d={dim}: to the RMSE of {peer}", ours.seconds, theirs.seconds, bar, note)


def measure(folder: Path, data_dir: str):
    with Measured(write_ratings, folder) as write:
        write()
    yield from epochs(folder)
    yield from fits(data_dir)


def main() -> None:
    data_dir = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NCFJAX_DATA", "")
    with tempfile.TemporaryDirectory() as folder:
        show(measure(Path(folder), data_dir))
    print(f"\n{device.name()}, jax {jax.__version__}")


if __name__ == "__main__":
    main()
