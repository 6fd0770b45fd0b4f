"""Fixtures for all tests, and how JAX compiles for them. A rank promotion is an error: shapes are meant, not found.

What takes seconds to import is imported where it is needed: the process that hands the tests to workers needs nothing.
"""

import gc
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import jax

    from ncfjax.data.interactions import LeaveOneOut
    from ncfjax.models.similarity import Similarity
    from ncfjax.store import Store

# Before JAX is imported, which reads these. Most of a test's time is XLA compiling: it takes a quarter as long without
# LLVM's optimisations and the fusion emitters, which change neither what is computed nor the memory that is planned.
_flags = ["--xla_backend_optimization_level=0"]
if version("jaxlib").startswith("0.10."):  # XLA ends a process that has a flag it does not know
    _flags.append("--xla_cpu_use_fusion_emitters=false")
_given = os.environ.get("XLA_FLAGS", "")
os.environ["XLA_FLAGS"] = " ".join([_given, *(flag for flag in _flags if flag.split("=")[0] not in _given)]).strip()
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"

settings.register_profile("ncfjax", deadline=None)  # the first example of a test may compile
settings.load_profile("ncfjax")

ROOT = Path(__file__).parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    """The workers of a run, the processes that tests start, and the next run share what they compile.

    It is half of a run's time. `pytest --cache-clear` forgets it, and so does a run that finds more than 1 GB of it.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ or not hasattr(config, "cache"):  # a worker's are set already
        return
    programs = config.cache.mkdir("programs")
    if sum(path.stat().st_size for path in programs.iterdir()) > 1e9:
        shutil.rmtree(programs)
        programs.mkdir()
    os.environ |= {"JAX_COMPILATION_CACHE_DIR": str(programs), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}


def has_git() -> bool:
    """Whether this is a checkout, and no archive of one."""
    return shutil.which("git") is not None and (ROOT / ".git").exists()


def committed_tables() -> list[Path]:
    """results/STUDY/runs.csv: what a user's own runs wrote beside them is no claim of the project.

    Without git they cannot be told apart: all that are there.
    """
    if not has_git():
        return sorted(ROOT.glob("results/*/runs.csv"))
    command = ["git", "-C", str(ROOT), "ls-files", "results/*/runs.csv"]
    tracked = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted(ROOT / path for path in tracked.split())


# What compiles with XLA, or resamples users by the thousand; elsewhere single tests are marked.
SLOW = (
    "baselines/", "models/", "ratings/", "recommend/", "retrieval/", "saved/", "training/",
    "evaluation/test_metrics.py", "evaluation/test_ranking", "evaluation/test_significance_calibration.py",
    "test_docs_python.py", "test_ncfjax.py",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make check` leaves out what is marked slow, `make test` begins with it."""
    for item in items:
        if item.path.is_relative_to(ROOT / "tests"):
            if item.path.relative_to(ROOT / "tests").as_posix().startswith(SLOW):
                item.add_marker(pytest.mark.slow)
    # What takes long goes first: at the end one worker would be left with it. Makefile keeps xdist from another order.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """What is imported by now lives as long as the process: the garbage collector's 6 % of all time are half of it."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True, scope="module")
def few_programs() -> Iterator[None]:
    """A process has 65,530 maps of memory on Linux, and XLA crashes at the next: each compiled program takes some."""
    yield
    maps = Path("/proc/self/maps")
    if "jax" in sys.modules and maps.exists() and maps.read_bytes().count(b"\n") > 20_000:
        sys.modules["jax"].clear_caches()
        gc.collect()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `committed_table` runs once for each."""
    if "committed_table" in metafunc.fixturenames:  # committed_store takes it too
        metafunc.parametrize("committed_table", committed_tables(), ids=lambda path: path.parent.name)


@pytest.fixture
def committed_store(committed_table: Path) -> "Store":
    """The tables of a study of any kind, which its rows name."""
    from experiments.entries import results_in

    entry = re.search(r"python -m experiments\.(\w+) \+study=", committed_table.read_text())
    return results_in(committed_table.parents[1]).store(committed_table.parent.name, entry[1])


@pytest.fixture
def committed_studies() -> list[str]:
    return [path.parent.name for path in committed_tables()]


@pytest.fixture(scope="session")
def history() -> None:
    """The commits before this one: an archive has none, a shallow clone the last few."""
    if not has_git():
        pytest.skip("needs git and the commits before this one")
    command = ["git", "-C", str(ROOT), "rev-parse", "--is-shallow-repository"]
    if subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "true":
        pytest.skip("needs the commits before this one, of which a shallow clone has the last few")


@pytest.fixture
def key() -> "jax.Array":
    import jax

    return jax.random.key(0)


@pytest.fixture(scope="module")
def scaled() -> "Iterator[type[Similarity]]":
    """A similarity that no file of the package knows, nor has its key: the dot product divided by a temperature."""
    import jax.numpy as jnp

    from ncfjax.keys import Key
    from ncfjax.models import registry, similarity

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_classes", dict(registry.similarities()))

        class Scaled(similarity.Similarity):
            name = "scaled"
            keys = {"temperature": Key(float, lambda value: value > 0, "a number > 0", default=0.5)}

            def __init__(self, embedding_dim, *, temperature, key):
                self.temperature = temperature

            def __call__(self, p, q):
                return jnp.sum(p * q, axis=-1) / self.temperature

            def all_pairs(self, p, q):
                return jnp.inner(p, q) / self.temperature

        yield Scaled


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets beside the project; NCFJAX_REQUIRE_DATA=1 says that it has to be there."""
    if not REAL_DATA.is_dir():
        give_up = pytest.fail if os.environ.get("NCFJAX_REQUIRE_DATA") == "1" else pytest.skip
        give_up(f"needs the real data sets in {REAL_DATA}")
    return REAL_DATA


@pytest.fixture(scope="session")
def ml_1m(real_data: Path) -> "LeaveOneOut":
    from ncfjax.data.catalog import load

    return load("ml-1m", data_dir=real_data)
