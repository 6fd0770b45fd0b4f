"""The table and the progress that a sweep shows."""

import io

import pandas as pd

from experiments.progress import duration, progress
from experiments.summary import averaged, table
from ncfjax.store import RUN_COLUMNS

NAN = float("nan")


def runs(*rows: dict) -> pd.DataFrame:
    common = {"status": "completed", "model": "dot", "embedding_dim": 8, "learning_rate": 0.1, "phase": "run"}
    return pd.DataFrame([common | row for row in rows], columns=list(RUN_COLUMNS)).convert_dtypes()


def test_seeds_are_averaged_and_the_best_comes_first():
    rows = averaged(
        runs(
            {"learning_rate": 0.1, "seed": 0, "ndcg@10": 0.2},
            {"learning_rate": 0.2, "seed": 0, "ndcg@10": 0.3},
            {"learning_rate": 0.2, "seed": 1, "ndcg@10": 0.5},
        )
    )
    assert list(rows["learning_rate"]) == [0.2, 0.1]
    assert list(rows["ndcg@10"]) == [0.4, 0.2] and list(rows["seeds"]) == [2, 1]


def test_a_diverged_run_is_counted_and_never_leads():
    rows = runs(
        {"learning_rate": 9.0, "seed": 0, "ndcg@10": NAN, "status": "diverged"},
        {"learning_rate": 0.1, "seed": 0, "ndcg@10": 0.2},
    )
    assert list(averaged(rows)["learning_rate"]) == [0.1, 9.0]
    assert list(averaged(rows)["diverged"]) == [0, 1]
    assert "diverged" in table(rows) and "diverged" not in table(rows.iloc[1:])


def test_only_columns_that_tell_configurations_apart_are_shown():
    rows = runs({"stddev": 0.1, "seed": 0}, {"stddev": 0.2, "seed": 0})
    assert "stddev" in table(rows) and "learning_rate" not in table(rows)


def test_layers_are_shown_where_one_model_has_several_at_a_dimension():
    whole = runs({"model": "dot", "layers": ""}, {"model": "mlp", "layers": "16-8-4", "regularize_weights": "true"})
    assert "layers" not in table(whole) and "regularize_weights" not in table(whole)
    towers = averaged(runs({"layers": "16-8-4", "ndcg@10": 0.1}, {"layers": "16-8-4-2", "ndcg@10": 0.2}))
    assert list(towers["layers"]) == ["16-8-4-2", "16-8-4"]


def test_an_epoch_chosen_on_test_is_not_averaged_with_others():
    rows = averaged(runs({"select_epoch": "test", "ndcg@10": 0.4}, {"select_epoch": "", "ndcg@10": 0.3}))
    assert list(rows["select_epoch"]) == ["test", ""] and list(rows["ndcg@10"]) == [0.4, 0.3]


def test_what_was_tuned_on_the_holdout_stands_below_what_was_scored_on_test():
    rows = runs({"phase": "tune", "seed": 0, "ndcg@10": 0.9}, {"phase": "final", "seed": 0, "ndcg@10": 0.5})
    assert list(averaged(rows)["phase"]) == ["final", "tune"]


def test_the_oracle_has_no_seed_and_no_dimension():
    rows = runs({"seed": 0, "ndcg@10": 0.2}, {"model": "oracle", "embedding_dim": None, "ndcg@10": 0.9})
    first = table(rows).splitlines()[1].split()
    assert first == ["oracle", "0.9000"]


def test_a_long_table_is_cut_and_says_so():
    rows = runs(*({"learning_rate": 0.1 * i, "seed": 0} for i in range(1, 8)))
    assert table(rows, max_rows=3).splitlines()[-1] == "... and 4 more in runs.csv"


def test_durations_are_readable():
    assert [duration(s) for s in (0.4, 59.4, 59.6, 3661)] == ["0 s", "59 s", "1:00 min", "1:01:01 h"]


def test_within_a_sweep_there_is_one_progress():
    with progress(10.0, stream=io.StringIO()) as sweep:
        with progress(3.0, "a job: ") as job:
            job.resume()
            job.advance(4.0, "epoch 1")
        assert job is sweep and sweep.done == 4.0
    with progress(3.0, "a job: ", stream=io.StringIO()) as alone:
        assert alone is not sweep
