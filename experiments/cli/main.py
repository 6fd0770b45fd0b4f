"""What every entry point does with a command line before and after Hydra: names checked, errors explained, exit codes.

A wrong key or value ends a command with one message, the nearest right name and exit code 2, before anything is
compiled.
"""

import os
import sys
import traceback
from functools import partial

import hydra
from hydra.core.utils import env_override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.cli.ending import INTERRUPTED, exit_code, known_reason, say_stopped
from experiments.cli.entry import (
    EntryPoint,
    as_hydra_reads_it,
    check_arguments,
    folders_of,
    options,
    other_sweeper,
    parse,
    typed,
)
from experiments.cli.interrupts import heard_in_time
from experiments.cli.launching import JobsError, show_fault
from experiments.engine.checks import ConfigError, ProcessError, TuningError
from experiments.engine.config import CONF, PROCESSES, read_key
from experiments.engine.processes import Place, check_alone, is_joined, join
from experiments.engine.task import Task
from ncfjax.store import StoreError


def _groups(task: Task) -> str:
    """For --help, where Hydra would list the groups and the studies of every entry point."""
    return "\n".join(f"{group}: {', '.join(names)}" for group, names in options(task).items())


def _job(entry: EntryPoint):
    """One job, in the process where a launcher starts it; returns how many runs it made.

    Relative paths begin in `folder`, where the command was given: hydra.job.chdir, or a launcher, may start elsewhere.
    """

    def job(config: DictConfig, provenance: dict[str, str] | None = None, folder: str = ".") -> int:
        if provenance is None:  # as a study's file, or the user's own, may choose a sweeper too
            raise ConfigError(other_sweeper("another"))
        from experiments.engine.run import run_job  # what trains takes a second to import

        os.chdir(folder)
        entry.task.register()  # in a process of its own nothing is registered yet
        try:
            if not is_joined():
                check_alone()  # a batch system may have started it several times
            return run_job(entry.task, entry.task.resolve(config), provenance)
        except Exception as error:
            show_fault(error)
            if is_joined():  # Hydra would go on with the next job, and the others with this one
                print(f"ncfjax: {known_reason(error) or error}", file=sys.stderr)
                _leave(1)
            raise

    job.entry, job.arguments = entry, sys.argv[1:]  # for the sweeper
    return job


def _join_others(entry: EntryPoint, arguments: list[str]) -> None:
    """Before Hydra begins: the processes that train one study together; or makes sure that there are no others."""
    if not entry.task.is_distributed or not any(one.startswith("distributed=") for one in arguments):
        return check_alone()
    check_arguments(entry.task, arguments)
    given = {one.key_or_group: one.value() for one in parse([typed(entry.task, one) for one in arguments])}
    if given["distributed"] is not True:
        return check_alone()
    place = {name: read_key(PROCESSES[f"process.{name}"], name, given.get(f"process.{name}")) for name in Place._fields}
    from experiments.engine.device import prepare

    join(Place(**place), prepare)


def _start(entry: EntryPoint) -> None:
    _join_others(entry, sys.argv[1:])
    entry.register(folders_of(sys.argv[1:]))
    OmegaConf.register_new_resolver("groups", partial(_groups, entry.task), replace=True)
    if not sys.argv[1:]:
        sys.argv.extend(entry.task.arguments)
    check_arguments(entry.task, sys.argv[1:])
    given, job = sys.argv, _job(entry)
    try:
        sys.argv = [given[0], *(as_hydra_reads_it(entry.task, argument) for argument in given[1:])]
        hydra.main(config_path=str(CONF), config_name=entry.name, version_base="1.3")(job)()
    finally:
        sys.argv = given


def _explain(error: BaseException) -> str:
    """One message: what Hydra's says, and why from its cause, without the names of our types."""
    cause = error.__cause__
    texts = [str(error), *([str(cause)] if isinstance(cause, OmegaConfBaseException) else [])]
    lines = [line for text in texts for line in text.splitlines()]
    return "\n".join(
        line.removeprefix("ConfigError raised while resolving interpolation: ")
        for line in lines
        if not line.strip().startswith(("object_type=", "reference_type=", "full_key:"))
    )


def _is_of_hydra(error: ValueError) -> bool:
    """Whether Hydra, or a launcher, refuses something without a type of its own for it: range(0,4,0), n_jobs=0."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").partition(".")[0] in (
        "hydra",
        "hydra_plugins",
        "joblib",
        "ray",
        "submitit",
    )


def _leave(code: int) -> None:
    """Ends one of several processes; else Python would wait for the others, which wait for this one."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(entry: EntryPoint) -> None:
    """Runs the command line; ends the process where it is wrong, is stopped, or cannot be carried out."""

    def command() -> None:
        with env_override({"HYDRA_FULL_ERROR": "1"}):  # Hydra then raises an error; else it prints it and exits
            try:
                _start(entry)
            except ValueError as error:
                if not _is_of_hydra(error):
                    raise
                raise ConfigError(f"{' '.join(sys.argv[1:])}: {error}") from error

    def end() -> None:
        os._exit(say_stopped("ncfjax", stopped))

    stopped = "the same command continues after the last stored block"
    failures = StoreError, TuningError, ProcessError, JobsError
    how = {"stopped": stopped, "usage": (ConfigError,), "failures": failures, "explain": _explain}
    with heard_in_time(end) as pressed:
        try:
            code = exit_code(command, "ncfjax", **how)
        except Exception:
            if not is_joined():
                raise
            traceback.print_exc()
            _leave(1)
    if code == INTERRUPTED and pressed.is_set():
        os._exit(code)  # as ever, Python would wait until what XLA was asked for is computed
    if code and is_joined():
        _leave(code)
    if code:
        sys.exit(code)
