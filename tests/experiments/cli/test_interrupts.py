"""Ctrl-C is heard while a long call does not come back to Python, and is left alone where it is."""

import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

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


def test_what_ends_in_time_is_left_alone(monkeypatch):
    ended, threads = [], threading.active_count()
    monkeypatch.setattr(interrupts, "SECONDS", 0.3)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interrupts.heard_in_time(lambda: ended.append(True)) as pressed, suppress(KeyboardInterrupt):
            assert not pressed.is_set()
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.4)
        assert pressed.is_set() and not ended and signal.set_wakeup_fd(-1) == -1
        assert threading.active_count() == threads
    finally:
        signal.signal(signal.SIGINT, before)


IN_FLIGHT = """
import os, signal, sys, threading, time
import jax, jax.numpy as jnp
from experiments import sweep
from experiments.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)

def start(entry):
    x = jnp.ones((64, 64))
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    y = jax.jit(lambda x: jax.lax.fori_loop(0, 10_000_000, lambda i, x: jnp.tanh(x @ x), x))(x)
    time.sleep(60)

main._start = start
print("started", time.time())
sys.argv = ["sweep.py"]
sweep.main()
"""


@pytest.mark.slow
def test_a_program_that_is_under_way_is_not_waited_for():
    """Python hears Ctrl-C while XLA computes beside it, and would wait for it before it exits."""
    process = subprocess.run([sys.executable, "-c", IN_FLIGHT], cwd=ROOT, timeout=60, capture_output=True, text=True)
    seconds = time.time() - float(process.stdout.split()[1])
    assert process.returncode == 130 and seconds < 15, process.stderr
    assert process.stderr.endswith("ncfjax: stopped; the same command continues after the last stored block\n")


def test_ctrl_c_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.heard_in_time(lambda: None):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
