"""What the commands share that run no study: one line on errors, Ctrl-C, whole files."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from experiments.cli.ending import exit_code
from experiments.engine.config import CONF
from ncfjax.table import StoreError, replace_whole


def write_files(files: Mapping[Path, bytes]) -> None:
    """Each whole or not at all; all are made before the first is written.

    Raises:
        StoreError: one cannot be written.
    """
    expect_folders({path.parent for path in files})
    for path, data in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_whole(path, data)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


def expect_folders(folders: Iterable[Path]) -> None:
    """Raises StoreError for a folder that is no folder, or that cannot be made or written; nothing is made yet."""
    for folder in folders:
        there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
        is_right = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
        if not is_right:
            got = "one that cannot be" if there.is_dir() else "a file"
            raise StoreError(f"{there}: expected a folder that can be written, got {got}")


def with_keys(text: str, name: str) -> str:
    """A help text, and the file of its command's keys."""
    return f"{text}\n{(CONF / f'{name}.yaml').read_text(encoding='utf-8')}"


WHOLE = "every file is whole, as it was before or new"


def run(
    name: str,
    help_text: Callable[[], str],
    arguments: Sequence[str],
    command: Callable[[Sequence[str]], None],
    stopped: str = WHOLE,
) -> int:
    """The exit code of a command: 0, 2 with one line on stderr, or 130 where it was stopped: `stopped` holds then."""
    is_help = {"-h", "--help"} & set(arguments)
    return exit_code(
        lambda: print(help_text()) if is_help else command(arguments),
        name,
        stopped=stopped,
        usage=(ValueError, StoreError, OSError),
        explain=lambda error: " ".join(str(error).split()),
    )
