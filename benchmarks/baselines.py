"""python -m benchmarks.baselines [DATA_DIR]: the speed table of the baselines on MovieLens-1M.

Every figure is a median over repeats. What is compared takes turns, so that a drift of the machine hits both. It needs
a machine with nothing else to do, and about three minutes on two cores. A bar is the number that the project promises
itself. Catalogues of more items than their square can hold: catalogue.py.

Our epoch is that of `ials_epochs`; that of the library implicit is what its own callback reports, with as many threads
as there are cores and one thread for BLAS, as it recommends. Both solve every vector exactly, in float32.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.turns import Line, against, duration, in_turns, seconds, show
from experiments.engine import device
from ncfjax.baselines.ease import fit_ease
from ncfjax.baselines.ials import fit_ials, ials_epochs
from ncfjax.baselines.popularity import fit_popularity
from ncfjax.data.catalog import load
from ncfjax.data.interactions import Interactions, LeaveOneOut
from ncfjax.evaluation.metrics import hit_ratio, mrr, ndcg, recall
from ncfjax.evaluation.ranking import Scorer, ranks_of

EMBEDDING_DIM = 192
BLOCK_SIZES = (64, 32)
OPTIONS = {
    "embedding_dim": EMBEDDING_DIM, "regularization": 0.003, "unobserved_weight": 0.1, "nu": 1.0, "stddev": 0.1,
    "seed": 0,
}  # fmt: skip
REPEATS = 4
REGULARIZATION = 1320.0  # of EASE; neither its speed nor that of the ranking depends on it
METRICS = (hit_ratio, ndcg, mrr, recall)
K = 10


def our_epoch(train: Interactions, block_size: int) -> Callable:
    """One epoch each time it is called; the first one compiles."""
    epochs = ials_epochs(train, **OPTIONS, block_size=block_size, num_epochs=REPEATS)
    return lambda: next(epochs).item[...]


def their_seconds(train: Interactions, embedding_dim: int = EMBEDDING_DIM) -> Callable[[], float]:
    """Seconds of one epoch of implicit each time it is called; its vectors go on from there."""
    table = csr_matrix(
        (np.ones(len(train), np.float32), (train.users, train.items)), (train.num_users, train.num_items)
    )
    with threadpool_limits(1, "blas"):  # it warns of more
        model = AlternatingLeastSquares(
            factors=embedding_dim, alpha=10.0, use_native=True, use_cg=False, iterations=1, num_threads=os.cpu_count()
        )

    def measure() -> float:
        taken = []
        with threadpool_limits(1, "blas"):
            model.fit(table, show_progress=False, callback=lambda epoch, elapsed, loss: taken.append(elapsed))
        return taken[0]

    return measure


def epochs(train: Interactions):
    ours = [partial(seconds, our_epoch(train, block_size)) for block_size in (EMBEDDING_DIM, *BLOCK_SIZES)]
    theirs, exact, *blocks = in_turns(their_seconds(train), *ours, repeats=REPEATS)
    what = f"iALS d={EMBEDDING_DIM}: an epoch of"
    yield against(f"{what} exact solutions, against implicit {version('implicit')}", exact, theirs, 1)
    for block_size, taken in zip(BLOCK_SIZES, blocks, strict=True):
        newton = f"{what} Newton steps on blocks of {block_size}"
        yield against(f"{newton}, against implicit", taken, theirs, 3)
        yield against(f"{newton}, against our exact solutions", taken, exact)


def at_most(what: str, taken: float, bar: float) -> Line:
    return Line(what, duration(taken), f"<= {bar:g} s", taken <= bar)


def ranked_and_measured(scorer: Scorer, data: LeaveOneOut) -> list:
    return [metric(ranks, K) for ranks in ranks_of(scorer, data) for metric in METRICS]


def measure(data: LeaveOneOut):
    yield from epochs(data.train)
    (taken,) = in_turns(partial(seconds, lambda: fit_ease(data.train, REGULARIZATION)), repeats=3)
    yield at_most(f"EASE: a fit, of {data.train.num_items:,} items", taken, 10)
    scorers = {
        "popularity": fit_popularity(data.train),
        f"iALS d={EMBEDDING_DIM}": fit_ials(data.train, **OPTIONS, block_size=EMBEDDING_DIM, num_epochs=1),
        "EASE": fit_ease(data.train, REGULARIZATION),
    }
    actions = [partial(seconds, partial(ranked_and_measured, scorer, data)) for scorer in scorers.values()]
    for name, taken in zip(scorers, in_turns(*actions, repeats=7), strict=True):
        yield at_most(f"{name}: ranks of all users by both protocols and {2 * len(METRICS)} metrics", taken, 1)


def main() -> None:
    data_dir = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NCFJAX_DATA", "")
    device.prepare()
    data = load("ml-1m", data_dir=Path(data_dir) if data_dir else None)
    show(measure(data))
    print(f"\n{device.name()}, jax {jax.__version__}, implicit {version('implicit')}")


if __name__ == "__main__":
    main()
