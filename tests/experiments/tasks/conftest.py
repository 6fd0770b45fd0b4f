"""What the tests of all tasks share."""

from collections.abc import Callable

import pandas as pd
import pytest

from ncfjax.store import Store

# What differs between two runs of the same command.
CLOCKS = ["train_seconds", "compile_seconds", "started_at", "command", "commit"]


@pytest.fixture(scope="session")
def without_clocks() -> Callable[[Store], pd.DataFrame]:
    """The rows of a store but for what differs between two runs of the same command."""
    return lambda store: store.runs().drop(columns=CLOCKS).sort_values("run_id", ignore_index=True)
