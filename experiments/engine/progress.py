"""Progress of a whole study: a bar with the time left on a terminal, a plain line now and then elsewhere.

The unit is work, not runs: each task says what one of its runs is worth, so that the time left holds when jobs of
different size follow each other.
"""

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

from experiments.engine.processes import is_first

_SHORTEST_GAP, _LONGEST_GAP = 5.0, 300.0  # seconds; between them the gap is a quarter of what has passed


def log(line: str) -> None:
    print(f"ncfjax: {line}", flush=True)


def pluralize(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def duration(seconds: float) -> str:
    """`7 s`, `1:05 min`, `2:03:04 h`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    return f"{minutes}:{rest:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


class Progress:
    """Shows how far the work is; one without a bar writes lines that begin with its label.

    The time left follows from the pace of the work itself; compiling, which comes before it, is no part of it.
    """

    def __init__(self, total: float, label: str, stream: TextIO, has_bar: bool):
        self.total, self.done, self.seconds = total, 0.0, 0.0
        self._label, self._stream, self._has_bar = label, stream, has_bar
        self._bar: tqdm | None = None
        self._started = self._resumed = time.perf_counter()
        self._next_line = 0.0

    def _draw(self, what: str) -> None:
        if self._bar is None:  # not before there is work in this process: a launcher may do all of it elsewhere
            self._bar = tqdm(
                total=self.total, file=self._stream, bar_format="{percentage:3.0f}% |{bar:30}|{postfix}", leave=False
            )
        self._bar.set_postfix_str(what, refresh=False)
        self._bar.update(self.done - self._bar.n)
        self._bar.refresh()

    def _write_line(self, what: str, done: float) -> None:
        elapsed = time.perf_counter() - self._started
        if elapsed >= self._next_line:
            self._next_line = elapsed + min(max(elapsed / 4, _SHORTEST_GAP), _LONGEST_GAP)
            share = done / self.total if self.total else 1.0  # nothing is left where all was done before
            print(f"{self._label}{share:4.0%}, {what}", file=self._stream, flush=True)

    def show(self, what: str) -> None:
        """Tells what is under way that is not work; only a bar shows it."""
        if self._has_bar:
            self._draw(what)

    def resume(self) -> None:
        """From here on time is spent on work."""
        self._resumed = time.perf_counter()

    def advance(self, amount: float, what: str) -> None:
        """Counts work as done."""
        now = time.perf_counter()
        # A block that was partly done before is trained whole, which `total` does not count.
        self.done = min(self.done + amount, self.total)
        if amount:  # what is under way beside the work is no part of its pace
            self.seconds += now - self._resumed
        self._resumed = now
        left = f", about {duration(self.seconds * (self.total - self.done) / self.done)} left" if self.done else ""
        text = f"{duration(now - self._started)} gone{left}, {what}"
        self._draw(text) if self._has_bar else self._write_line(text, self.done)

    def elsewhere(self, done: float, what: str) -> None:
        """Tells how much of the work others have done so far, in a line: theirs may stand above it and below."""
        gone = time.perf_counter() - self._started
        left = f", about {duration(gone * (self.total - done) / done)} left"
        self._write_line(f"{duration(gone)} gone{left}, {what}", done)

    def skip(self, amount: float) -> None:
        """Leaves out work that was done before this command: it says nothing of the pace."""
        self.total = max(self.total - amount, self.done)
        if self._bar is not None:
            self._bar.total = self.total

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


_current: Progress | None = None


@contextmanager
def progress(total: float, label: str = "", stream: TextIO | None = None) -> Iterator[Progress]:
    """The study's progress; in a process of its own, where a launcher put a job, one that writes lines.

    Only the study's own (it has no label) draws a bar: bars of several processes would overwrite each other.
    """
    global _current
    if _current is not None:
        yield _current
        return
    stream = stream or (sys.stderr if is_first() else io.StringIO())
    _current = Progress(total, label, stream, has_bar=not label and stream.isatty())
    try:
        yield _current
    finally:
        _current.close()
        _current = None
