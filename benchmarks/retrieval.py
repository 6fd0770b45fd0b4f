"""python -m benchmarks.retrieval [DATA_DIR]: the speed table of retrieval, by random vectors of MovieLens-1M's shape.

Every figure is a median over repeats. What is compared takes turns, so that a drift of the machine hits both. It needs
a machine with nothing else to do, and about five minutes on two cores. A bar is the number that the project promises
itself. The peers are faiss and implicit, each with as many threads as there are cores.

The large catalogue is drawn from the distribution of the vectors of iALS on MovieLens-1M (retrieval/enlarged.py). Its
queries are users' trained vectors.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import faiss
import jax
import jax.numpy as jnp
import numpy as np
from implicit.cpu.topk import topk as implicit_topk

from benchmarks.turns import Line, against, duration, in_turns, peak_gb, seconds, show
from experiments.engine import device
from ncfjax.baselines.ials import fit_ials
from ncfjax.data.catalog import load
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.models.products import inner
from ncfjax.models.similarity import make_similarity
from ncfjax.retrieval import ann, clusters, exact
from ncfjax.retrieval.enlarged import enlarged
from ncfjax.retrieval.recall import recall

K = 10
NUM_USERS, NUM_MOVIES = 6_040, 3_706  # MovieLens-1M
NUM_ITEMS = 1_000_000
NUM_CLUSTERS, LONGEST = 2_000, 500
BATCH = 1_024
IALS = {
    "embedding_dim": 64, "regularization": 0.003, "unobserved_weight": 0.1, "nu": 1.0, "stddev": 0.1, "seed": 0,
    "block_size": 64, "num_epochs": 8,
}  # fmt: skip
PROBES = (4, 8, 16, 24, 32, 48, 64, 96)
RECALL = 0.95


def random_vectors(num: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((num, dim), dtype=np.float32)


def trained_distribution(data: LeaveOneOut) -> tuple[np.ndarray, np.ndarray]:
    """Items of a catalogue that is larger than MovieLens-1M's, and users."""
    model = fit_ials(data.train, **IALS)
    items, users = model.item[...], np.asarray(model.user[...])
    drawn = np.asarray(enlarged(items, NUM_ITEMS, jax.random.key(0)))
    return drawn, users[np.random.default_rng(0).choice(len(users), BATCH, replace=False)]


def at_most(what: str, ours: float, theirs: float, bar: float, of: str) -> Line:
    """How much longer than the least that it needs."""
    measured = f"{duration(ours)} against {duration(theirs)}: {ours / theirs:.2f} times"
    return Line(f"{what}, against {of}", measured, f"<= {bar:g} times", ours <= bar * theirs)


def settled(action: Callable) -> float:
    """The second of two runs: the first one after implicit's takes half as long again, whatever it is (105 to 121 ms
    instead of 75), as if its threads were still there."""
    seconds(action)
    return seconds(action)


def all_users():
    """The top 10 of all users of MovieLens-1M by vectors of 192."""
    queries, items = random_vectors(NUM_USERS, 192, 0), random_vectors(NUM_MOVIES, 192, 1)
    p, q = jnp.asarray(queries), jnp.asarray(items)
    index, product = exact.build(q), jax.jit(inner)
    flat = faiss.IndexFlatIP(192)
    flat.add(items)
    actions = [
        lambda: exact.search(index, p, K),
        lambda: product(p, q),
        lambda: flat.search(queries, K),
        lambda: implicit_topk(items, queries, K, num_threads=os.cpu_count()),
    ]
    assert np.mean(np.asarray(actions[0]().items) == actions[2]()[1]) > 0.999
    ours, bare, by_faiss, by_implicit = in_turns(*(partial(settled, action) for action in actions), repeats=15)
    what = f"exact top {K} of all {NUM_USERS:,} users among {NUM_MOVIES:,} items, d=192"
    yield at_most(what, ours, bare, 1.3, "its bare product, all scores written")
    yield against(f"{what}, against faiss {faiss.__version__} IndexFlatIP", ours, by_faiss, 1)
    yield against(f"{what}, against implicit {version('implicit')} topk", ours, by_implicit, 1)


def learned():
    """The same of an MLP, whose scores are all computed."""
    p, q = (jnp.asarray(random_vectors(n, 32, n)) for n in (NUM_USERS, NUM_MOVIES))
    mlp = make_similarity("mlp", 32, layers=(64, 32, 16, 8), key=jax.random.key(0))
    index, dot = exact.build(q, mlp), exact.build(q)
    ours, by_dot = in_turns(
        partial(seconds, lambda: exact.search(index, p, K)),
        partial(seconds, lambda: exact.search(dot, p, K)),
        repeats=3,
    )
    what = f"exact top {K} of all {NUM_USERS:,} users among {NUM_MOVIES:,} items, d=32: MLP [64, 32, 16, 8] against dot"
    yield Line(what, f"{duration(ours)} against {duration(by_dot)}: {ours / by_dot:.1f} times its time")


def one_query(items: np.ndarray, queries: np.ndarray):
    q, p = jnp.asarray(items), jnp.asarray(queries[:1])
    index, read = exact.build(q), jax.jit(jnp.sum)
    ours, least = in_turns(
        partial(seconds, lambda: exact.search(index, p, K)), partial(seconds, lambda: read(q)), repeats=15
    )
    yield at_most(f"exact top {K} of one query among {len(items):,} items, d={items.shape[1]}", ours, least, 1.3,
                  "the sum of the table, read once")  # fmt: skip


def least_effort(search: Callable, expected: np.ndarray) -> tuple[int, float]:
    """The first of PROBES that reaches RECALL, or the last, and its recall."""
    for effort in PROBES:
        reached = float(np.mean(recall(np.asarray(search(effort).items), expected)))
        if reached >= RECALL:
            break
    return effort, reached


def approximate(items: np.ndarray, queries: np.ndarray):
    """An inverted file of ours and of faiss, each at the least effort that finds enough."""
    q, p = jnp.asarray(items), jnp.asarray(queries)
    whole = exact.build(q)
    expected = np.asarray(exact.search(whole, p, K).items)
    build_seconds = seconds(lambda: clusters.build(q, NUM_CLUSTERS, jax.random.key(1), longest=LONGEST).keys)
    ours = clusters.build(q, NUM_CLUSTERS, jax.random.key(1), longest=LONGEST)
    theirs = ann.build_ivf(items, NUM_CLUSTERS)

    searches = {
        "clusters": lambda p, effort: clusters.search(ours, p, K, probes=effort),
        "faiss IVF": lambda p, effort: ann.search(theirs, p, K, effort=effort),
    }
    efforts = {name: least_effort(partial(search, p), expected) for name, search in searches.items()}
    for name, (effort, reached) in efforts.items():
        yield Line(f"{name}: recall@{K} at effort {effort}", f"{reached:.3f}", f">= {RECALL}", reached >= RECALL)
    yield Line(f"clusters: {NUM_CLUSTERS:,} clusters in lists of at most {LONGEST}, built in", duration(build_seconds))
    for who, some in ((f"{BATCH:,} queries", p), ("one query", p[:1])):
        actions = [partial(search, some, efforts[name][0]) for name, search in searches.items()]
        actions.append(lambda some=some: exact.search(whole, some, K))
        mine, ivf, by_exact = in_turns(*(partial(seconds, a) for a in actions), repeats=5 if len(some) > 1 else 21)
        what = f"top {K} of {who} among {len(items):,} items, d={items.shape[1]}, recall >= {RECALL}:"
        yield against(f"{what} clusters against exact search", mine, by_exact, 10)
        yield at_most(f"{what} clusters", mine, ivf, 2, "faiss IVF")
        yield against(f"{what} faiss IVF against exact search", ivf, by_exact)


def memory():
    """In a process of its own: the most memory that exact search ever held."""
    command = [sys.executable, "-m", "benchmarks.retrieval", "memory"]
    taken = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])
    what = f"exact top {K} of 10,000 queries among {NUM_ITEMS:,} items, d=192: peak memory"
    yield Line(what, f"{taken:.2f} GB", "<= 3 GB", taken <= 3)


def hold_everything() -> None:
    """What `memory` measures."""
    items, queries = (jnp.asarray(random_vectors(num, 192, seed)) for seed, num in enumerate((NUM_ITEMS, 10_000)))
    jax.block_until_ready(exact.search(exact.build(items), queries, K))
    print(peak_gb())


def measure(data: LeaveOneOut):
    yield from all_users()
    yield from learned()
    items, queries = trained_distribution(data)
    yield from one_query(items, queries)
    yield from approximate(items, queries)
    yield from memory()


def main() -> None:
    device.prepare()
    if sys.argv[1:] == ["memory"]:
        return hold_everything()
    data_dir = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NCFJAX_DATA", "")
    data = load("ml-1m", data_dir=Path(data_dir) if data_dir else None)
    show(measure(data))
    print(f"\n{device.name()}, jax {jax.__version__}, faiss {faiss.__version__}, implicit {version('implicit')}")


if __name__ == "__main__":
    main()
