"""What the commands share that run no study: one line on errors, Ctrl-C, whole files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from experiments.cli.ending import exit_code
from ncfjax.table import StoreError, replace_whole


def write_files(files: Mapping[Path, bytes]) -> None:
    """Each whole or not at all; all are made before the first is written.

    Raises:
        OSError: a folder cannot be written.
    """
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(path, data)


WHOLE = "every file is whole, as it was before or new"


def run(
    name: str,
    help_text: str,
    arguments: Sequence[str],
    command: Callable[[Sequence[str]], None],
    stopped: str = WHOLE,
) -> int:
    """The exit code of a command: 0, 2 with one line on stderr, or 130 where it was stopped: `stopped` holds then."""
    if {"-h", "--help"} & set(arguments):
        print(help_text)
        return 0
    return exit_code(
        lambda: command(arguments),
        name,
        stopped=stopped,
        usage=(ValueError, StoreError, OSError),
        explain=lambda error: " ".join(str(error).split()),
    )
