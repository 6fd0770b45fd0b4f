"""Scripts in a process of their own: how many devices JAX has is fixed when it begins."""

import os
import subprocess
import sys


def printed_by(script: str, *arguments: str) -> str:
    """What a script prints, which imports what a test does."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
