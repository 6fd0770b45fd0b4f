"""Ctrl-C while a compiled program runs: Python hears it only when the program has ended, which may take minutes.

The system's own handler writes a byte at once. A thread reads it, and ends the process if Python has not heard of it in
time. That is safe at any moment: files are written whole, or not at all.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 1.0  # that Python is given


@contextmanager
def heard_in_time(end: Callable[[], None]) -> Iterator[None]:
    """While it lasts, `end()` is called from another thread where Ctrl-C is not heard within SECONDS.

    Does nothing outside the main thread, and where Ctrl-C is ignored or is none of Python's.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    heard, (reader, writer) = threading.Event(), os.pipe()
    os.set_blocking(writer, False)

    def handle(number, frame):
        heard.set()
        return handler(number, frame)

    def wait() -> None:
        while received := os.read(reader, 1):
            if received[0] == signal.SIGINT and not heard.wait(SECONDS):
                end()
            heard.clear()

    signal.signal(signal.SIGINT, handle)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGINT, handler)
        os.close(writer)  # the thread ends
        thread.join()
        os.close(reader)
