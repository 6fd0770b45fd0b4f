"""What is measured in turns, and the line of a table that it makes."""

import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import jax


class Line(NamedTuple):
    what: str
    measured: str
    bar: str = ""
    met: bool | None = None


def seconds(action: Callable) -> float:
    start = time.perf_counter()
    jax.block_until_ready(action())
    return time.perf_counter() - start


def in_turns(*measures: Callable[[], float], repeats: int) -> list[float]:
    """Median of what each measure returns after one warm-up, which may compile; they take turns."""
    for measure in measures:
        measure()
    rows = [[measure() for measure in measures] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def duration(taken: float) -> str:
    return f"{taken:.2f} s" if taken >= 0.9 else f"{1e3 * taken:.3g} ms"


def against(what: str, ours: float, theirs: float, bar: float | None = None, note: str = "") -> Line:
    """How many times as fast `ours` is, both in seconds."""
    measured = f"{duration(ours)} against {duration(theirs)}{note}: {theirs / ours:.2f} times as fast"
    return Line(what, measured) if bar is None else Line(what, measured, f">= {bar:g} times", theirs >= bar * ours)


def peak_gb() -> float:
    """The most memory that this process ever held, in GB of 10^9 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def show(lines: Iterable[Line]) -> None:
    """Prints a table in Markdown, a line as soon as it is measured."""
    print("| what | measured | bar | met |\n| --- | --- | --- | --- |", flush=True)
    for line in lines:
        met = {None: "", True: "yes", False: "NO"}[line.met]
        print(f"| {line.what} | {line.measured} | {line.bar} | {met} |", flush=True)
