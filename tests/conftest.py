"""Fixtures for all tests. A rank promotion is an error: shapes are meant, not found."""

import os
import subprocess
from pathlib import Path

import jax
import pytest
from hypothesis import settings

from ncfjax.store import Store, run_types_of

settings.register_profile("ncfjax", deadline=None)  # the first example of a test may compile
settings.load_profile("ncfjax")
jax.config.update("jax_numpy_rank_promotion", "raise")

ROOT = Path(__file__).parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"


def committed_tables() -> list[Path]:
    """results/STUDY/runs.csv: what a user's own runs wrote beside them is no claim of the project."""
    command = ["git", "-C", str(ROOT), "ls-files", "results/*/runs.csv"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted(ROOT / path for path in found.split())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `committed_table` runs once for each."""
    if "committed_table" in metafunc.fixturenames:  # committed_store takes it too
        metafunc.parametrize("committed_table", committed_tables(), ids=lambda path: path.parent.name)


@pytest.fixture
def committed_store(committed_table: Path) -> Store:
    """The tables of a study of any kind."""
    return Store(committed_table.parent, run_types_of(committed_table.parent))


@pytest.fixture
def committed_studies() -> list[str]:
    return [path.parent.name for path in committed_tables()]


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets beside the project; NCFJAX_REQUIRE_DATA=1 says that it has to be there."""
    if not REAL_DATA.is_dir():
        give_up = pytest.fail if os.environ.get("NCFJAX_REQUIRE_DATA") == "1" else pytest.skip
        give_up(f"needs the real data sets in {REAL_DATA}")
    return REAL_DATA
