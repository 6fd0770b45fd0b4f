"""How every command ends: its exit code, and one message where it is wrong, is stopped, or cannot be carried out."""

import codecs
import json
import os
import sys
from collections.abc import Callable
from traceback import extract_tb

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from experiments.engine import environment
from experiments.engine.checks import ConfigError, ProcessError
from ncfjax.table import StoreError

USAGE, FAILURE, INTERRUPTED = 2, 1, 130  # exit codes


# What a terminal cannot show, as JSON spells it: so JSON stays JSON.
codecs.register_error("ncfjax", lambda error: (json.dumps(error.object[error.start : error.end])[1:-1], error.end))


def _let_any_terminal_show_it() -> None:
    """A terminal may know ASCII alone, and names and titles are in any language; or be closed (2>&-)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="ncfjax")


def _check_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:
        raise ConfigError("the working folder is not there any more: go to another one") from error


def say_stopped(name: str, stopped: str) -> int:
    """After Ctrl-C: what holds then. Returns the exit code."""
    return _ended(INTERRUPTED, f"\n{name}: stopped; {stopped}")


def exit_code(
    command: Callable[[], None],
    name: str,
    *,
    stopped: str,
    usage: tuple[type[Exception], ...],
    failures: tuple[type[Exception], ...] = (),
    explain: Callable[[BaseException], str] = str,
) -> int:
    """Of a command that is carried out. HYDRA_FULL_ERROR=1 shows all of an error.

    Args:
        stopped: what holds after Ctrl-C.
        usage: errors that are faults of the command line, beside Hydra's.
        failures: errors that are not.
        explain: an error in one message.
    """
    try:
        _let_any_terminal_show_it()
        _check_folder()
        environment.check()
        _carry_out(command)
    except KeyboardInterrupt:
        return say_stopped(name, stopped)
    except BrokenPipeError:  # whoever read the output has left (| head); what was written is whole
        return _ended(FAILURE)
    except (HydraException, OmegaConfBaseException, *usage, *failures) as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        return _ended(FAILURE if isinstance(error, failures) else USAGE, f"{name}: {explain(error)}")
    except (MemoryError, RuntimeError, OSError) as error:
        refused = _refused_by_the_system(error)
        if refused is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        return _ended(FAILURE, f"{name}: {refused}; {stopped}")
    return 0


def known_reason(error: Exception) -> str | None:
    """Why a job failed, in one message; None of a fault of the program."""
    if isinstance(error, (HydraException, OmegaConfBaseException, ConfigError, ProcessError, StoreError)):
        return str(error)
    return _refused_by_the_system(error)


def _refused_by_the_system(error: Exception) -> str | None:
    """One line on memory or a file that cannot be had; None of another error."""
    is_memory = _is_out_of_memory(error)
    if not (is_memory or isinstance(error, OSError)):
        return None
    what = str(error).partition("\n")[0] or "an allocation failed"
    return "memory: expected more than there is, got " * is_memory + what


def _carry_out(command: Callable[[], None]) -> None:
    """What a full disk does not take of its output is an error here, and not of Python's at its end; so is a variable
    of the environment that JAX does not understand."""
    try:
        command()
    except SystemExit as end:  # of Hydra's own flags
        if end.code:
            raise
    except ValueError as error:
        if "jax" in sys.modules or not any("/jax/" in frame.filename for frame in extract_tb(error.__traceback__)):
            raise
        raise ConfigError(f"JAX cannot be imported: {error}") from error
    sys.stdout.flush()
    sys.stderr.flush()


def _ended(code: int, message: str = "") -> int:
    """The exit code, once a last message was written to those who still listen."""
    for stream, text in ((sys.stdout, ""), (sys.stderr, message)):
        try:
            print(text, end="\n" * bool(text), file=stream, flush=True)
        except OSError:  # or Python would try again at its end, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def _is_out_of_memory(error: Exception) -> bool:
    """Python's and NumPy's way to say it, or XLA's, whose type is that of all its errors."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
