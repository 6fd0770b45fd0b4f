"""A command is one process, unless `distributed=true` says that it is one of several that train one study together.

Several processes (jax.distributed) do the same in step: each reads the data, plans, and trains its part of every block
on its own devices. Only the first writes. What decides what comes next, such as the memory or how many epochs a call
takes, is common to all; what one refuses, all refuse. Without `distributed=true` what several processes would each
train, and write, is refused before it begins.
"""

import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np

from experiments.engine.checks import ConfigError, ProcessError

T = TypeVar("T")

# How many processes a launcher started, of which this is one. Of SLURM only what a step sets: the script of a job that
# asked for several tasks is one process.
_SIZES = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "JAX_NUM_PROCESSES")
_LOST_SECONDS = 20  # without a sign of life a process is lost, and the others end
_JOIN_SECONDS = 120


_LOST = ("Gloo", "NCCL", "peer", "coordination service")  # what XLA says of a process that does not answer
_others = {"joined": False, "first": True}


class Place(NamedTuple):
    """Of a process among the others; what is None is as SLURM or MPI say."""

    address: str | None = None  # host:port of the first one
    count: int | None = None
    number: int | None = None  # from 0


def join(place: Place, prepare: Callable[[], None]) -> None:
    """Joins the other processes, and prepares the machine; to be called before anything is computed.

    Raises:
        ConfigError: they are not known, or one of them does not come.
    """
    import jax  # here and below: a command that only asks for help does without

    given = [f"process.{name}" for name, value in place._asdict().items() if value is not None]
    if len(given) not in (0, 3):
        expected = "process.address, process.count and process.number, or none of them where SLURM or MPI say them"
        raise ConfigError(f"distributed=true: expected {expected}, got {' and '.join(given)}")
    try:
        jax.distributed.initialize(
            *place, initialization_timeout=_JOIN_SECONDS, heartbeat_timeout_seconds=_LOST_SECONDS
        )
    except (ValueError, RuntimeError) as error:
        expected = "process.address=HOST:PORT process.count=N process.number=K, or a step of SLURM or MPI"
        raise ConfigError(f"distributed=true: expected {expected}, got: {error}") from error
    _others["joined"] = True
    prepare()
    _others["first"] = jax.process_index() == 0
    if not is_first():
        sys.stdout = open(os.devnull, "w")  # one process tells of the study; what fails is told by each


def is_joined() -> bool:
    """Whether there are others that do the same."""
    return _others["joined"]


def is_first() -> bool:
    """Whether this process writes and tells."""
    return _others["first"]


def num_processes() -> int:
    import jax

    return jax.process_count() if is_joined() else 1


def common(value: float) -> float:
    """The first process's value, in all of them."""
    if not is_joined():
        return value
    from jax.experimental import multihost_utils

    return float(multihost_utils.broadcast_one_to_all(np.float64(value)))


def least(value: int) -> int:
    """The least of all processes' values."""
    return int(np.min(_all_values(value))) if is_joined() else value


def same(what: str, values: Iterable[Any]) -> None:
    """Refuses to go on where the processes do not see the same.

    Raises:
        ConfigError: some differ.
    """
    if not is_same(zlib.crc32(repr(list(values)).encode())):
        raise ConfigError(f"distributed=true: expected {what} that are the same for all processes, got different ones")


def is_same(value: int) -> bool:
    """Whether all processes have this value."""
    return not is_joined() or len(set(_all_values(value))) == 1


def wait() -> None:
    """Until all are here: what the first has written before, all read after it."""
    if is_joined():
        _all_values(0)


def _all_values(value: int) -> np.ndarray:
    from jax.experimental import multihost_utils

    # As two halves: without 64-bit numbers JAX would cut it.
    halves = multihost_utils.process_allgather(np.array(divmod(value, 2**31), np.int32))
    return halves[:, 0].astype(np.int64) * 2**31 + halves[:, 1]


def all_there(results: Iterator[T]) -> Iterator[T]:
    """Results of what all processes compute together.

    Raises:
        ProcessError: another one has gone.
    """
    try:
        yield from results
    except RuntimeError as error:  # of XLA, whose arrays will never come
        if not is_joined() or not any(word in str(error) for word in _LOST):
            raise
        lost = f"another process is lost ({str(error).partition(chr(10))[0]})"
        raise ProcessError(f"{lost}; given to all of them, the same command goes on") from error


@contextmanager
def together() -> Iterator[None]:
    """What is checked within is refused by all processes where one refuses it.

    Raises:
        ConfigError: another process refused.
    """
    try:
        yield
    except Exception:
        if is_joined():
            _all_values(0)
        raise
    agreed = _all_values(1) if is_joined() else np.ones(1)
    if not agreed.all():
        who = ", ".join(str(number) for number in np.flatnonzero(agreed == 0))
        raise ConfigError(f"process {who} of {len(agreed)} refuses what this one would do; its own message says why")


def check_alone(environment: Mapping[str, str] = os.environ) -> None:
    """Raises ConfigError in one of several processes that were started together."""
    names = (*_SIZES, *(("SLURM_NTASKS",) if "SLURM_STEP_NODELIST" in environment else ()))
    for name in names:
        if environment.get(name, "").isdecimal() and int(environment[name]) > 1:
            refuse_several(f"{name}={environment[name]}")


def refuse_several(got: str) -> None:
    """Raises ConfigError, which says what to do instead."""
    raise ConfigError(
        f"processes: expected one, which uses all devices of its machine, got {got}; start one task with several cores "
        "or accelerators (srun --ntasks=1 --cpus-per-task=N), and give the jobs of a study to hydra/launcher; or let "
        "them train one study together by distributed=true"
    )
