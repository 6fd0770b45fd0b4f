"""What the commands share that read tables and train nothing: one line on errors, Ctrl-C, whole files."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ncfjax.table import StoreError, replace_whole

_USAGE, _INTERRUPTED = 2, 130  # exit codes


def write_files(files: Mapping[Path, bytes]) -> None:
    """Each whole or not at all; all are made before the first is written.

    Raises:
        OSError: a folder cannot be written.
    """
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(path, data)


def run(name: str, help_text: str, arguments: Sequence[str], command: Callable[[Sequence[str]], None]) -> int:
    """The exit code of a command: 0, 2 with one line on stderr, or 130 where it was stopped."""
    if {"-h", "--help"} & set(arguments):
        print(help_text)
        return 0
    try:
        command(arguments)
    except KeyboardInterrupt:
        print(f"\n{name}: stopped; every file is whole, as it was before or new", file=sys.stderr)
        return _INTERRUPTED
    except (ValueError, StoreError, HydraException, OmegaConfBaseException, OSError) as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return _USAGE
    return 0
