"""The seconds of code that compiles as it goes: what XLA's compiling took, and the rest."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax

_COMPILING = "/jax/core/compile/"  # the events of tracing, lowering and compiling


class Timed(NamedTuple):
    """What an iterator gave, and the seconds until its arrays were there."""

    value: Any
    seconds: float  # without compiling
    compile_seconds: float


def timed(make: Callable[[], Iterable[Any]]) -> Iterator[Timed]:
    """What `make()` gives, one after the other; what the caller does in between is not counted."""
    compiling = 0.0

    def add(event: str, seconds: float, **_: Any) -> None:
        nonlocal compiling
        compiling += seconds * event.startswith(_COMPILING)

    jax.monitoring.register_event_duration_secs_listener(add)
    try:
        values = None
        while True:
            started, before = time.perf_counter(), compiling
            values = iter(make()) if values is None else values
            try:
                value = jax.block_until_ready(next(values))
            except StopIteration:
                return
            # Traces within traces are counted twice, so that compiling may seem to take longer than all of it.
            elapsed, compiled = time.perf_counter() - started, compiling - before
            yield Timed(value, max(0.0, elapsed - compiled), min(elapsed, compiled))
    finally:
        jax.monitoring.unregister_event_duration_listener(add)
