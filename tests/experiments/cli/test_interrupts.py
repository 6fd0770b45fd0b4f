"""Ctrl-C is heard while a long call does not come back to Python, and is left alone where it is."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from experiments.cli import interrupts

ROOT = Path(__file__).parents[3]
DEAF = """
import hashlib, os, signal, threading
from experiments.cli.interrupts import heard_in_time
signal.signal(signal.SIGINT, signal.default_int_handler)
with heard_in_time(lambda: os._exit(130)):
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 500_000_000)  # minutes, and no byte code in between
"""


def test_ctrl_c_ends_a_process_that_does_not_come_back_to_python():
    started = time.perf_counter()
    assert subprocess.run([sys.executable, "-c", DEAF], cwd=ROOT, timeout=60).returncode == 130
    assert time.perf_counter() - started < 1.1 + 4.0, "imports and a busy machine included"


def test_python_hears_it_as_ever_where_it_can(monkeypatch):
    ended, threads = [], threading.active_count()
    monkeypatch.setattr(interrupts, "SECONDS", 0.2)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interrupts.heard_in_time(lambda: ended.append(True)):
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                time.sleep(0.4)
                ended.append(False)
        assert ended == [False]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler and signal.set_wakeup_fd(-1) == -1
        assert threading.active_count() == threads
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.heard_in_time(lambda: None):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
