"""What is measured in turns, and the line of a table that it makes."""

import time
from collections.abc import Callable
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
    """Minimum of what each measure returns; they take turns. The first of the repeats may compile."""
    rows = [[measure() for measure in measures] for _ in range(repeats)]
    return [min(column) for column in zip(*rows, strict=True)]


def duration(taken: float) -> str:
    return f"{taken:.2f} s" if taken >= 0.9 else f"{1e3 * taken:.3g} ms"


def against(what: str, ours: float, theirs: float, bar: float | None = None, note: str = "") -> Line:
    """How many times as fast `ours` is, both in seconds."""
    measured = f"{duration(ours)} against {duration(theirs)}{note}: {theirs / ours:.2f} times as fast"
    return Line(what, measured) if bar is None else Line(what, measured, f">= {bar:g} times", theirs >= bar * ours)
