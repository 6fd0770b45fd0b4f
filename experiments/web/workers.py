"""Answers are computed in a few threads, so that the server stays able to talk, and few may wait for one."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Full(Exception):
    """As many wait as may."""


class Workers:
    """`threads` that work, and a queue of `waiting` places."""

    def __init__(self, threads: int, waiting: int):
        self.waiting = waiting
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="answer")
        self._places = threading.Semaphore(threads + waiting)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises, computed in a thread.

        Raises:
            Full: no thread is free, and no place in the queue; nothing was started.
        """
        if not self._places.acquire(blocking=False):
            raise Full(f"{self.waiting} requests wait already; try again in a moment")
        try:
            future = self._pool.submit(work)
        except RuntimeError:  # it is closed
            self._places.release()
            raise
        # When the work has ended, not when its asker has left: a place counts what keeps a thread busy.
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Ends when what is being computed is; what waits is dropped."""
        self._pool.shutdown(cancel_futures=True)
