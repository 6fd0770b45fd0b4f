"""The table that closes a study."""

import pandas as pd
import pytest

from experiments.engine.closing import as_text, averaged

NAN = float("nan")


def closing_table(task, runs: pd.DataFrame, **limit: int) -> str:
    return as_text(task, averaged(task, runs), **limit)


@pytest.fixture
def runs(task):
    def runs(*rows: dict) -> pd.DataFrame:
        common = {"status": "completed", "kind": "toy", "size": 8, "rate": 0.1, "phase": "run"}
        return pd.DataFrame([common | row for row in rows], columns=list(task.all_columns)).convert_dtypes()

    return runs


def test_seeds_are_averaged_and_the_best_comes_first(task, runs):
    rows = averaged(
        task,
        runs(
            {"rate": 0.1, "seed": 0, "score": 0.2},
            {"rate": 0.2, "seed": 0, "score": 0.3},
            {"rate": 0.2, "seed": 1, "score": 0.5},
        ),
    )
    assert list(rows["rate"]) == [0.2, 0.1]
    assert list(rows["score"]) == [0.4, 0.2] and list(rows["seeds"]) == [2, 1]


def test_a_diverged_run_is_counted_and_never_leads(task, runs):
    rows = runs(
        {"rate": 9.0, "seed": 0, "score": NAN, "status": "diverged"},
        {"rate": 0.1, "seed": 0, "score": 0.2},
    )
    assert list(averaged(task, rows)["rate"]) == [0.1, 9.0]
    assert list(averaged(task, rows)["diverged"]) == [0, 1]
    assert "diverged" in closing_table(task, rows) and "diverged" not in closing_table(task, rows.iloc[1:])


def test_a_seed_that_diverged_does_not_take_part_in_the_mean(task, runs):
    rows = averaged(task, runs({"seed": 0, "score": 0.2}, {"seed": 1, "score": NAN, "status": "diverged"}))
    assert rows[["score", "seeds", "diverged"]].to_numpy().tolist() == [[0.2, 2, 1]]


def test_only_columns_that_tell_configurations_apart_are_shown(task, runs):
    table = closing_table(task, runs({"num_epochs": 1, "seed": 0}, {"num_epochs": 2, "seed": 0}))
    assert "num_epochs" in table and "rate" not in table


def test_what_kinds_differ_in_by_nature_is_not_shown_but_what_one_kind_has_two_of_is(task, runs):
    assert "layers" not in closing_table(task, runs({"kind": "a", "layers": ""}, {"kind": "b", "layers": "16-8"}))
    two = averaged(task, runs({"layers": "16-8", "score": 0.1}, {"layers": "16-8-4", "score": 0.2}))
    assert list(two["layers"]) == ["16-8-4", "16-8"]


def test_a_setting_that_only_some_rows_know_splits_lines_and_is_never_averaged(task, runs):
    """A column that a later version has added is empty in rows from before."""
    rows = averaged(task, runs({"layers": None, "score": 0.4}, {"layers": "8", "score": 0.3}))
    assert list(rows["score"]) == [0.4, 0.3]


def test_what_was_tuned_on_the_holdout_stands_below_what_was_scored_on_test(task, runs):
    rows = runs({"phase": "tune", "seed": 0, "score": 0.9}, {"phase": "final", "seed": 0, "score": 0.5})
    assert list(averaged(task, rows)["phase"]) == ["final", "tune"]


def test_a_row_that_no_training_changes_has_no_seed_and_no_settings(task, runs):
    rows = runs({"seed": 0, "score": 0.2}, {"kind": "oracle", "size": None, "rate": None, "score": 0.9})
    assert closing_table(task, rows).splitlines()[1].split() == ["oracle", "0.9000"]


def test_a_metric_that_no_row_has_is_left_out(task, runs):
    assert "Score" not in closing_table(task, runs({"seed": 0}))


def test_a_long_table_is_cut_and_says_so(task, runs):
    rows = runs(*({"rate": 0.1 * i, "seed": 0, "score": 0.1} for i in range(1, 8)))
    assert closing_table(task, rows, max_rows=3).splitlines()[-1] == "... and 4 more in runs.csv"
