"""python -m experiments.sweep dataset.strength=true: strengths weigh the positives of both objectives.

That weights of one change nothing, and that a member equals the run alone, is tested where the training is.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import sweep

pytestmark = pytest.mark.slow  # XLA compiles

NUM_USERS, NUM_ITEMS = 40, 30
OBJECTIVES = {
    "expected": ("objective=expected", "objective.batch_size=8"),
    "sampled": ("objective=sampled", "objective.batch_size=16"),
}


def write_table(path: Path, purchase: int) -> tuple[str, ...]:
    """The arguments of a sweep on visits of random items; those of the first half of the catalogue are purchases."""
    rng, rows = np.random.default_rng(0), ["user,item,strength,timestamp"]
    for user in range(NUM_USERS):
        items = rng.permutation(NUM_ITEMS)[:10]
        rows += [f"{user},{item},{purchase if item < NUM_ITEMS // 2 else 1},{t}" for t, item in enumerate(items)]
    path.write_text("\n".join(rows))
    return (
        "dataset=csv", f"dataset.path={path}", "dataset.num_negatives=10", "model.embedding_dim=4", "num_epochs=4",
        "eval_every=4", "grid.regularization=0.01", "grid.seed=0",
    )  # fmt: skip


@pytest.fixture(scope="module", params=OBJECTIVES)
def run(request, finish, tmp_path_factory):
    """The store of a sweep on a table whose purchases have a strength."""
    folder = tmp_path_factory.mktemp("data")

    def run(purchase: int, *arguments: str):
        table = write_table(folder / f"strength_{purchase}.csv", purchase)
        return finish(sweep, *table, *OBJECTIVES[request.param], *arguments).store

    return run


def trained(store) -> pd.DataFrame:
    runs = store.runs()
    return runs[runs["model"] == "dot"].sort_values("learning_rate")


def ranks_of(store) -> list[np.ndarray]:
    """Of every trained run, in the whole catalogue."""
    return [np.asarray(store.ranks(run_id)["full"], int) for run_id in trained(store)["run_id"]]


def test_strengths_change_the_model_and_the_row_says_so(run):
    weighted, without = (run(9, "grid.learning_rate=0.05", *more) for more in (("dataset.strength=true",), ()))
    (row,), (plain,) = trained(weighted).to_dict("records"), trained(without).to_dict("records")
    assert (row["status"], row["note"]) == ("completed", "weighted by strength") and row["run_id"] != plain["run_id"]
    assert plain["note"] != row["note"] and np.any(ranks_of(weighted)[0] != ranks_of(without)[0])


def test_popularity_adds_up_strengths(finish, tmp_path):
    """Of 30 items the first 15 are purchases: with a strength of 1,000 they come before all others."""
    table = write_table(tmp_path / "mine.csv", 1000)
    store = finish(sweep, *table, "num_epochs=1", "dataset.strength=true", "grid.learning_rate=0.001").store
    runs = store.runs()
    (run_id,) = runs[runs["model"] == "popularity"]["run_id"]
    last = [line.split(",") for line in (tmp_path / "mine.csv").read_text().splitlines() if line.endswith(",9")]
    is_purchase = np.array([int(item) < NUM_ITEMS // 2 for _, item, *_ in last])
    ranks = np.asarray(store.ranks(run_id)["full"], int)
    assert ranks[is_purchase].max() < NUM_ITEMS // 2 and ranks[~is_purchase].min() > 1
