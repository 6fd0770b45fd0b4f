"""Which runs of ratings stand together: a run that a study does not have changes no error of a model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from experiments.analysis.ratings import RatedData, rated_data
from experiments.entries import columns
from experiments.figures.ratings import answer, parts
from ncfjax.store import Store

USERS = 6


@pytest.fixture
def data_of(tmp_path: Path, make_row: Callable[..., dict]) -> Callable[..., list[RatedData]]:
    """What is read of some runs; each error is that of every rating, four of each of 6 users."""

    def data(*runs: dict) -> list[RatedData]:
        store = Store(tmp_path, columns()["ratings"])
        usual = {"phase": "run", "dataset": "mine", "folds": "random", "fold": 1, "split": "test", "leak": "false",
                 "num_train": 100, "num_test": 24, "started_at": "2026-01-01"}  # fmt: skip
        for run in runs:
            row = make_row("ratings", **usual | run)
            counts, error = np.full(USERS, 4), row["rmse"] or 1.0
            kept = {"users_squared_error": counts * error**2, "users_test": counts, "users_train": counts}
            store.append(row, [], kept | {name.replace("user", "item"): x for name, x in kept.items()})
        return rated_data(store)

    return data


def run(model: str, rmse: float | None, fold: int = 1, **cells: object) -> dict:
    return {"model": model, "rmse": rmse, "mae": rmse, "fold": fold, **cells}


STUDY = [run(model, rmse, fold) for model, rmse in (("user_mean", 1.2), ("item_mean", 1.1)) for fold in (1, 2)]


def errors_of(data: RatedData) -> dict[str, float]:
    return {model.name: round(model.mean("rmse").mean, 6) for model in data.models}


def test_without_the_biases_the_answer_names_the_best_model_alone(data_of):
    assert answer(data_of(*STUDY)) == "Lowest RMSE: mine, random folds: item mean, 1.1000."


@pytest.mark.parametrize(
    "stray",
    [
        run("item_mean", 3.0, 3),  # a fold that no other model has
        run("item_mean", 3.0, 1, fold_count=10),
        run("item_mean", 3.0, 1, num_train=500),  # other ratings of the same name
        run("item_mean", 3.0, 1, seed=7),
        run("item_mean", 3.0, 1, leak="true"),
        run("item_mean", 3.0, 1, phase="tune", split="holdout"),
    ],
    ids=["fold", "number of folds", "ratings", "seed", "leak", "tuning"],
)
def test_a_stray_run_changes_no_error(data_of, stray: dict):
    data, *others = data_of(*STUDY, stray)
    assert errors_of(data) == {"user mean": 1.2, "item mean": 1.1} and len(data.tests) == 1
    assert all(errors_of(other) == {"item mean": 3.0} for other in others)


def test_a_model_that_was_not_on_every_fold_is_not_ranked(data_of):
    (data,) = data_of(*STUDY, run("biases", 0.5, 2))
    assert set(errors_of(data)) == {"user mean", "item mean"}


def test_models_of_different_folds_are_not_compared(data_of):
    (data,) = data_of(run("user_mean", 1.2, 1), run("item_mean", 1.1, 2))
    assert len(data.models) == 1 and not data.tests


def test_of_two_tunings_of_a_fold_the_newer_counts(data_of):
    finals = [run("biases", rmse, fold, phase="final", seed=seed, regularization=penalty, started_at=f"2026-01-0{day}")
              for seed, rmse, penalty, day in ((0, 2.0, 300.0, 1), (1, 0.9, 1.0, 2)) for fold in (1, 2)]  # fmt: skip
    (data,) = data_of(*STUDY, *finals)
    assert errors_of(data)["biases"] == 0.9 and len(data.models[-1].by_seed) == 1


def test_ensembles_of_other_sizes_and_diverged_runs_are_told_apart(data_of):
    many = [run("ensemble", 1.0 / size, fold, num_members=size) for size in (2, 3) for fold in (1, 2)]
    (data,) = data_of(*STUDY, *many, run("item_mean", None, 1, seed=5, status="diverged"))
    assert {"ensemble of 2": 0.5, "ensemble of 3": round(1 / 3, 6)}.items() <= errors_of(data).items()
    assert errors_of(data)["item mean [1 diverged]"] == 1.1


def test_every_part_of_a_study_has_a_figure_of_its_own(data_of):
    data = data_of(*STUDY, run("item_mean", 1.0, dataset="yours"), run("item_mean", 1.0, fold_count=3))
    assert set(parts(data)) == {"-mine-random", "-yours-random", "-mine-random-fold_count-3"}
    assert set(parts(data[:1])) == {""}
