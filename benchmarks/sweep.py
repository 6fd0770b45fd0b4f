"""python -m benchmarks.sweep [DATA_DIR]: the speed table of the sweep on MovieLens-1M, measured in one run.

Every figure is a median over repeats, but for the whole run and its memory, which are taken once. Two things that are
compared take turns, so that a drift of the machine hits both. It needs a machine with nothing else to do, and about
ten minutes on two cores. A bar is the number that the project promises itself.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.loops import fresh_tables, numba_epoch, numpy_loop
from benchmarks.turns import Line, peak_gb, show
from experiments.engine import device
from ncfjax.data.catalog import load
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import USERS_PER_BLOCK, make_evaluation_batches, rank_held_out
from ncfjax.training.blocks import Block, cut_into_groups
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem

STUDY = Member(learning_rate=0.002, regularization=0.005, stddev=0.1, negative_weight=1.0, seed=0)
GRID_OF_8 = [STUDY._replace(learning_rate=rate) for rate in (0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01)]
NUM_NEGATIVES = 8
NUMPY_EXAMPLES = 50_000


def spec(objective: str, embedding_dim: int) -> Spec:
    """As the studies in conf/study/ have it."""
    return Spec(embedding_dim, objective, {"sampled": 512, "expected": 64}[objective], NUM_NEGATIVES)


def seconds(action) -> float:
    start = time.perf_counter()
    jax.block_until_ready(action())
    return time.perf_counter() - start


def in_turns(*actions, repeats: int) -> list[float]:
    """Median seconds of each action after one warm-up of each; the actions take turns."""
    for action in actions:
        action()
    times = [[seconds(action) for action in actions] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def program_of(data: LeaveOneOut, spec: Spec, members: list[Member]) -> Program:
    """All members in one block."""
    problem = RecommenderProblem(data, spec)
    groups = cut_into_groups(members, problem.memory, device.memory_limit(None), problem.cpu_width)
    return Program(problem, Block(groups, max(map(len, groups))))


class Epoch:
    """One epoch of a block each time it is called, or `per_call` of them, as in a run."""

    def __init__(self, data: LeaveOneOut, objective: str, embedding_dim: int, members: list[Member], per_call: int = 1):
        self.per_call = per_call
        self.program = program_of(data, spec(objective, embedding_dim), members)
        self.state = self.program.init()

    def __call__(self):
        self.state = self.program.advance(self.state, self.per_call)
        return self.state.train_states


def numpy_examples(data: LeaveOneOut, embedding_dim: int):
    """The study's loop over NUMPY_EXAMPLES examples, to be called again and again."""
    train, rng = data.train, np.random.default_rng(0)
    rows = rng.integers(0, len(train), NUMPY_EXAMPLES)
    is_positive = rng.random(NUMPY_EXAMPLES) < 1 / (1 + NUM_NEGATIVES)
    items = np.where(is_positive, train.items[rows], rng.integers(0, train.num_items, NUMPY_EXAMPLES))
    examples = list(zip(train.users[rows].tolist(), items.tolist(), is_positive.tolist(), strict=True))
    tables = fresh_tables(train.num_users, train.num_items, embedding_dim, np.float64)
    return lambda: numpy_loop(*tables, examples, STUDY.learning_rate, STUDY.regularization)


def expected_against_numpy(data: LeaveOneOut) -> Line:
    epochs = Epoch(data, "expected", 192, [STUDY], per_call=4)
    ours, sample = in_turns(epochs, numpy_examples(data, 192), repeats=9)
    ours /= epochs.per_call
    loop = sample * len(data.train) * (1 + NUM_NEGATIVES) / NUMPY_EXAMPLES
    measured = f"{ours:.3f} s against {loop:.0f} s: {loop / ours:.0f} times"
    return Line("`expected` epoch, d=192, against the study's NumPy loop", measured, ">= 600 times", loop >= 600 * ours)


def sampled_against_numba(data: LeaveOneOut) -> list[Line]:
    lines, train = [], data.train
    for embedding_dim, bar in ((16, 2.0), (192, 3.0)):
        tables = fresh_tables(train.num_users, train.num_items, embedding_dim)
        order = np.random.default_rng(0).permutation(len(train))
        rates = np.float32(STUDY.learning_rate), np.float32(STUDY.regularization)
        loop = lambda: numba_epoch(*tables, train.users, train.items, order, NUM_NEGATIVES, *rates)  # noqa: B023, E731
        ours, theirs = in_turns(Epoch(data, "sampled", embedding_dim, [STUDY]), loop, repeats=5)
        what = f"`sampled` epoch, d={embedding_dim}, against a numba loop on one core"
        measured = f"{ours:.2f} s against {theirs:.2f} s: {ours / theirs:.2f} times its time"
        lines.append(Line(what, measured, f"<= {bar:.0f} times", ours <= bar * theirs))
        if embedding_dim == 16:
            grid, theirs = in_turns(Epoch(data, "sampled", 16, GRID_OF_8), loop, repeats=5)
            measured = f"{8 * theirs / grid:.2f} times its throughput"
            lines.append(Line("grid of 8, d=16, against the same", measured, ">= 1.5 times", 8 * theirs >= 1.5 * grid))
    return lines


def grid_against_one(data: LeaveOneOut, objective: str, bar: float) -> Line:
    actions = Epoch(data, objective, 16, [STUDY]), Epoch(data, objective, 16, GRID_OF_8)
    one, eight = in_turns(*actions, repeats=7)
    what = f"8 members at d=16 in one program, `{objective}`"
    measured = f"{eight:.3f} s against {one:.3f} s: {eight / one:.2f} times"
    return Line(what, measured, f"<= {bar:g} times", eight <= bar * one)


def ranking_against_product(data: LeaveOneOut) -> Line:
    program = program_of(data, spec("expected", 192), [STUDY])
    model = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)[0, 0]), program.init().train_states.model)
    batches = make_evaluation_batches(data)
    ranking = jax.jit(rank_held_out)
    users = batches.users.reshape(-1, USERS_PER_BLOCK)
    product = jax.jit(lambda p, q: jax.lax.map(lambda block: jnp.inner(p[block], q)[:, 0], users))
    tables = model.user[...], model.item[...]
    whole = jax.jit(lambda p, q: jnp.inner(p, q))
    ours, blocked, bare = in_turns(
        lambda: ranking(model, batches), lambda: product(*tables), lambda: whole(*tables), repeats=15
    )
    measured = f"{ours:.3f} s against {bare:.3f} s ({blocked:.3f} s in blocks): {ours / bare:.2f} times"
    return Line(
        "ranking all users, both protocols, d=192, against the bare product", measured, "<= 2", ours <= 2 * bare
    )


def whole_run(data: LeaveOneOut) -> None:
    """What the child process of `run_and_memory` does: one run as the sweep does it, compiling anew included."""
    jax.config.update("jax_enable_compilation_cache", False)
    start = time.perf_counter()
    program = program_of(data, spec("expected", 192), [STUDY])
    state = program.init()
    for _ in range(16):
        state = program.advance(state, 16)
        program.evaluate(state)
    print(time.perf_counter() - start, peak_gb())


def run_and_memory(data_dir: str) -> list[Line]:
    command = [sys.executable, "-m", "benchmarks.sweep", data_dir, "whole-run"]
    taken, peak = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    what = "one run, d=192, 256 epochs, evaluated every 16"
    return [
        Line(what, f"{taken:.0f} s", "<= 90 s", taken <= 90),
        Line("its peak memory", f"{peak:.2f} GB", "<= 2 GB", peak <= 2),
    ]


def first_progress_seconds(folder: str) -> float:
    """From the start of the process until the sweep tells how far it is; it is stopped there."""
    command = [sys.executable, "-m", "experiments.sweep", f"results_dir={folder}"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        next(line for line in child.stderr if "%" in line)
        taken = time.perf_counter() - start
        child.kill()
    return taken


def start_up() -> Line:
    """The embedded sweep, its programs in the compilation cache after a first start that does not count."""
    times = []
    for _ in range(6):
        with tempfile.TemporaryDirectory() as folder:
            times.append(first_progress_seconds(folder))
    taken = statistics.median(times[1:])
    return Line("start of `experiments.sweep` to its first progress line, warm", f"{taken:.1f} s", "<= 6 s", taken <= 6)


def measure(data: LeaveOneOut, data_dir: str):
    yield start_up()
    yield from run_and_memory(data_dir)
    yield expected_against_numpy(data)
    yield from sampled_against_numba(data)
    yield grid_against_one(data, "sampled", 2.5)
    yield grid_against_one(data, "expected", 5)
    yield ranking_against_product(data)


def main() -> None:
    data_dir = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NCFJAX_DATA", "")
    device.prepare()
    data = load("ml-1m", data_dir=Path(data_dir) if data_dir else None)
    if sys.argv[2:] == ["whole-run"]:
        return whole_run(data)
    print(f"{device.name()}, jax {jax.__version__}\n")
    show(measure(data, data_dir))


if __name__ == "__main__":
    main()
