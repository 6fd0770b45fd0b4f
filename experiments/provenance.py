"""Where a row comes from: the command, the commit and the version that made it."""

import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from experiments.config import CONF

ROOT = CONF.parent


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
    changed = _git("status", "--porcelain", "--", "ncfjax", "experiments", "conf")
    return head + "+dirty" * bool(head and changed)


def version() -> str:
    """Of the installed package, "" where it runs from the source tree alone."""
    try:
        return metadata.version("ncfjax")
    except metadata.PackageNotFoundError:
        return ""


def origin(entry: str) -> dict[str, str]:
    """Cells of every row of `python -m experiments.ENTRY`; to be taken at its start: the tree may change."""
    command = shlex.join(["python", "-m", f"experiments.{entry}", *sys.argv[1:]])
    return {"command": command, "commit": commit(), "version": version()}
