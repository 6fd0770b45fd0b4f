"""Ctrl-C while a compiled program runs: Python hears it only when the program has ended, which may take minutes.

The system's own handler writes a byte at once. A thread reads it, and ends the process if Python has not come to an end
in time. That is safe at any moment: files are written whole, or not at all.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 1.2  # that Python is given


@contextmanager
def heard_in_time(end: Callable[[], None]) -> Iterator[threading.Event]:
    """After Ctrl-C, `end()` is called from another thread where this does not end within SECONDS; says if it came.

    Does nothing outside the main thread, and where Ctrl-C is ignored or is none of Python's.
    """
    pressed, is_over = threading.Event(), threading.Event()
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_main and callable(signal.getsignal(signal.SIGINT))):
        yield pressed
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def wait() -> None:
        while received := os.read(reader, 1):
            if received[0] == signal.SIGINT:
                pressed.set()
                if not is_over.wait(SECONDS):
                    end()

    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield pressed
    finally:
        is_over.set()
        signal.set_wakeup_fd(before)
        os.close(writer)  # the thread ends
        thread.join()
        os.close(reader)
