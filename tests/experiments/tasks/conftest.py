"""What the tests of all tasks share."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ncfjax.store import Store

# What differs between two runs of the same command.
CLOCKS = ["train_seconds", "compile_seconds", "started_at", "command", "commit"]


@pytest.fixture(scope="session")
def without_clocks() -> Callable[[Store], pd.DataFrame]:
    """The rows of a store but for what differs between two runs of the same command."""
    return lambda store: store.runs().drop(columns=CLOCKS).sort_values("run_id", ignore_index=True)


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The arguments of a command on a table of ratings and strengths."""
    path: Path = tmp_path_factory.mktemp("data") / "mine.csv"
    rows = ["user,item,rating,strength,timestamp"]
    pairs = [(user, item) for user in range(5) for item in range(10) if item != user]
    rows += [f"{user},{item},{1 + (user + item) % 5},{1 + item % 2},{item}" for user, item in pairs]
    path.write_text("\n".join(rows))
    return "dataset=csv", f"dataset.path={path}", "dataset.num_negatives=1"
