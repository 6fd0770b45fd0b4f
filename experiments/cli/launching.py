"""What a launcher of Hydra leaves to say: which jobs failed and why, and what of its own talk is none of a user's.

A job that fails does not stop the others. Launchers are known by the names of their modules: none is imported here.
"""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, nullcontext
from warnings import catch_warnings, filterwarnings

from hydra.core.utils import JobReturn, JobStatus

from experiments.cli.ending import known_reason
from experiments.engine.progress import pluralize

# sacct writes it, in one piece, each time that submitit asks, on a cluster that keeps no accounts.
_NO_ACCOUNTS = b"Slurm accounting storage is disabled\n"
_AGAIN = "the same command runs what is missing"


class JobsError(Exception):
    """Jobs failed; the message names each and says why."""


def raise_failures(jobs: Sequence[Sequence[str]], returned: Sequence[JobReturn], swept: Set[str]) -> None:
    """Raises JobsError where jobs failed; they are given by their overrides, and named by the keys that are swept."""
    failed = [
        f"{name}{': ' * bool(name)}{_why(job._return_value)}"
        for name, job in zip(names(jobs, swept), returned, strict=True)
        if job.status != JobStatus.COMPLETED
    ]
    if failed:
        head = f"{len(failed)} of {pluralize(len(jobs), 'job')} failed"
        one = f"{head}: {failed[0]}; {_AGAIN}"
        message = one if len(failed) == 1 else "\n  ".join([f"{head}; {_AGAIN}:", *failed])
        error = next(job._return_value for job in returned if job.status != JobStatus.COMPLETED)
        raise JobsError(message) from error


def names(jobs: Sequence[Sequence[str]], swept: Set[str]) -> list[str]:
    """Each job by its overrides of the keys that are swept, and by those that not all of these jobs have."""
    shared = set.intersection(*map(set, jobs))
    return [" ".join(one for one in job if one not in shared or key_of(one) in swept) for job in jobs]


def swept_keys(jobs: Sequence[Sequence[str]]) -> set[str]:
    """The keys whose overrides differ between jobs."""
    shared = set.intersection(*map(set, jobs))
    return {key_of(one) for job in jobs for one in job if one not in shared}


def key_of(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _why(error: Exception) -> str:
    return known_reason(error) or f"{type(error).__name__}: {error}"


def show_fault(error: Exception) -> None:
    """Prints where in the program an error arose that is no answer to a user; in a job's log, where it has one."""
    if known_reason(error) is None:
        traceback.print_exception(error)
        sys.stderr.flush()


@contextmanager
def launching(target: str) -> Iterator[None]:
    """Around a launcher, named by its class.

    Raises:
        JobsError: jobs could not be handed over, or one ended without an answer, as where the system killed it.
    """
    try:
        with _without_accounts() if _is_slurm(target) else nullcontext(), catch_warnings():
            # Ray starts its programs from a process that has threads: at once, by exec, which is safe.
            filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)
            yield
    except KeyboardInterrupt:
        if _is_slurm(target):
            print("\nncfjax: the jobs in the queue go on: squeue lists them, scancel ends them", file=sys.stderr)
        raise
    except Exception as error:
        if isinstance(error, ValueError) or not _is_of_launcher(error):
            raise
        rest = "jobs that it has started may go on; once they have ended, " + _AGAIN
        raise JobsError(f"hydra/launcher: {str(error).strip()}\n{rest}") from error


def _is_slurm(target: str) -> bool:
    return target.endswith(".SlurmLauncher")


def _is_of_launcher(error: Exception) -> bool:
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    modules = (type(error).__module__, frame.f_globals.get("__name__", ""))
    return any(name.partition(".")[0] in ("joblib", "ray", "submitit") for name in modules)


@contextmanager
def _without_accounts(stream: int = 2) -> Iterator[None]:
    """Passes on what is written to a stream, by whatever process, but for sacct's and submitit's word on accounts."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return "Bypassing sacct error" not in record.getMessage()

    def pass_on() -> None:
        while piece := os.read(reader, 1 << 16):
            os.write(original, piece.replace(_NO_ACCOUNTS, b""))

    logger = logging.getLogger("submitit")
    reader, writer = os.pipe()
    original = os.dup(stream)
    thread = threading.Thread(target=pass_on, daemon=True)
    os.dup2(writer, stream)
    os.close(writer)
    thread.start()
    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)
        sys.stderr.flush()
        os.dup2(original, stream)
        thread.join(1.0)  # what goes on writing there, a job that outlives this process, is not waited for
        if not thread.is_alive():
            os.close(reader)
            os.close(original)
