"""Fixtures for all tests. A rank promotion is an error: shapes are meant, not found."""

import os
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
    """The folder of real data sets beside the project; NCFJAX_REQUIRE_DATA=1 says that it has to be there."""
    if not REAL_DATA.is_dir():
        give_up = pytest.fail if os.environ.get("NCFJAX_REQUIRE_DATA") == "1" else pytest.skip
        give_up(f"needs the real data sets in {REAL_DATA}")
    return REAL_DATA
