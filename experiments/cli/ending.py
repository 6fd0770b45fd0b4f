"""How every command ends: its exit code, and one message where it is wrong, is stopped, or cannot be carried out."""

import codecs
import json
import os
import sys
from collections.abc import Callable

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from experiments.engine import environment
from experiments.engine.checks import ConfigError

USAGE, FAILURE, INTERRUPTED = 2, 1, 130  # exit codes


# What a terminal cannot show, as JSON spells it: so JSON stays JSON.
codecs.register_error("ncfjax", lambda error: (json.dumps(error.object[error.start : error.end])[1:-1], error.end))


def _let_any_terminal_show_it() -> None:
    """A terminal may know ASCII alone; names and titles are in any language."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="ncfjax")


def _check_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:
        raise ConfigError("the working folder is not there any more: go to another one") from error


def say_stopped(name: str, stopped: str) -> None:
    """After Ctrl-C: what holds then."""
    print(f"\n{name}: stopped; {stopped}", file=sys.stderr, flush=True)


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
        command()
    except KeyboardInterrupt:
        say_stopped(name, stopped)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has left (| head); what was written is whole
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except (HydraException, OmegaConfBaseException, *usage, *failures) as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        print(f"{name}: {explain(error)}", file=sys.stderr)
        return FAILURE if isinstance(error, failures) else USAGE
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error) or os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        what = str(error).partition("\n")[0] or "an allocation failed"
        print(f"{name}: memory: expected more than there is, got {what}; {stopped}", file=sys.stderr)
        return FAILURE
    return 0


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Python's and NumPy's way to say it, or XLA's, whose type is that of all its errors."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
