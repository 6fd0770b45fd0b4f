"""python -m benchmarks.ratings_reading [MILLIONS]: reading a generated file in Netflix's layout, of 20 million ratings.

Every measurement is a process of its own; the file is in the system's memory by then. The seconds are those from the
file to checked ratings, the writing of the cache included.
"""

import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.turns import Line, duration, peak_gb, show
from ncfjax.data.netflix import read_netflix
from ncfjax.data.netflix_blocks import MAX_MOVIE, MAX_USER

DEFAULT, NUM_USERS, REPEATS = 20_000_000, 480_189, 3


class Measured(NamedTuple):
    seconds: float
    peak_gb: float
    num_ratings: int


def write_ratings(path: Path, num_ratings: int) -> None:
    """Random users rate each movie equally often, each movie at most once, on days from 1999-11-11 to 2005-12-31."""
    rng = np.random.default_rng(0)
    users = rng.choice(MAX_USER, NUM_USERS, replace=False) + 1
    dates = np.arange("1999-11-11", "2006-01-01", dtype="datetime64[D]").astype(str).tolist()
    counts = np.full(MAX_MOVIE, num_ratings // MAX_MOVIE)
    counts[: num_ratings % MAX_MOVIE] += 1
    with path.open("w") as file:
        for movie, count in enumerate(counts, 1):
            chosen = users[rng.choice(NUM_USERS, count, replace=False)].tolist()
            values, days = rng.integers(1, 6, count).tolist(), rng.integers(0, len(dates), count).tolist()
            rows = (f"{user},{value},{dates[day]}\n" for user, value, day in zip(chosen, values, days, strict=True))
            file.write(f"{movie}:\n{''.join(rows)}")


def _measure(path: Path) -> Measured:
    start = time.perf_counter()
    ratings = read_netflix([path])
    return Measured(time.perf_counter() - start, peak_gb(), len(ratings))


def in_a_fresh_process(path: Path) -> Measured:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measure, path).result()


def lines(path: Path) -> list[Line]:
    first, again = [], []
    for _ in range(REPEATS):
        for cache in path.parent.glob("*.npz"):
            cache.unlink()
        first.append(in_a_fresh_process(path))
        again.append(in_a_fresh_process(path))
    taken, cached = (statistics.median(one.seconds for one in measured) for measured in (first, again))
    peak, cached_peak = (max(one.peak_gb for one in measured) for measured in (first, again))
    num_ratings = first[0].num_ratings
    what = f"Netflix's layout, {num_ratings:,} ratings, {path.stat().st_size / 1e6:,.0f} MB"
    rate = num_ratings / taken / 1e6
    return [
        Line(f"{what}: read", f"{duration(taken)}: {rate:.2f} M ratings/s", ">= 3 M ratings/s", rate >= 3),
        Line("its peak memory", f"{peak:.2f} GB", *(("<= 1.5 GB", peak <= 1.5) if num_ratings == DEFAULT else ())),
        Line("the same from the cache", f"{duration(cached)}, {cached_peak:.2f} GB"),
    ]


def main() -> None:
    num_ratings = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else DEFAULT
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "combined_data_1.txt"
        write_ratings(path, num_ratings)
        show(lines(path))


if __name__ == "__main__":
    main()
