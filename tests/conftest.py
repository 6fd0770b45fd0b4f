"""Fixtures for all tests. A rank promotion is an error: shapes are meant, not found."""

from pathlib import Path

import jax
import pytest
from hypothesis import settings

settings.register_profile("ncfjax", deadline=None)  # the first example of a test may compile
settings.load_profile("ncfjax")
jax.config.update("jax_numpy_rank_promotion", "raise")

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets beside the project."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"needs the real data sets in {REAL_DATA}")
    return REAL_DATA
