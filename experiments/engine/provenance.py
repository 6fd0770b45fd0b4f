"""Where a row comes from: the command, the commit and the version that made it."""

import shlex
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def commit() -> str:
    """The commit of the source tree, "+dirty" if the code differs from it, "" if the tree is not a repository."""
    if Path(_git("rev-parse", "--show-toplevel") or "/") != ROOT:
        return ""
    head = _git("rev-parse", "--verify", "--quiet", "HEAD")
    changed = _git("status", "--porcelain", "--", "ncfjax", "experiments", "conf", "hydra_plugins")
    return head + "+dirty" * bool(head and changed)


def version() -> str:
    """Of the installed package, "" where it runs from the source tree alone."""
    try:
        return metadata.version("ncfjax")
    except metadata.PackageNotFoundError:
        return ""


def origin(entry: str, arguments: Sequence[str]) -> dict[str, str]:
    """Cells of every row of `python -m experiments.ENTRY ARGUMENTS`; to be taken at its start: the tree may change."""
    command = shlex.join(["python", "-m", f"experiments.{entry}", *arguments])
    return {"command": command, "commit": commit(), "version": version()}
