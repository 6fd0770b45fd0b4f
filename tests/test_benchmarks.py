"""The benchmarks run outside of the tests, and packages of theirs may be missing: what they take of ours is there."""

import importlib
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.test_architecture import imports

BENCHMARKS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


def is_there(name: str) -> bool:
    """`name` is a module of ours, or something that one has."""
    module, _, attribute = name.rpartition(".")
    return hasattr(importlib.import_module(module), attribute) or find_spec(name) is not None


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_what_a_benchmark_takes_of_the_project_is_there(path):
    names = [name for name in imports(path.read_text()) if name.startswith(("experiments.", "ncfjax."))]
    assert [name for name in names if not is_there(name)] == []


def test_what_is_not_there_is_seen():
    assert not is_there("experiments.device")
    assert is_there("experiments.engine.device")
