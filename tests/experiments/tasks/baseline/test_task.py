"""python -m experiments.baselines end to end, on synthetic data that is fitted in a moment."""

import re
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from experiments import baselines
from ncfjax.baselines.methods import METHODS
from ncfjax.data.catalog import load
from ncfjax.data.synthetic import SyntheticOptions
from ncfjax.evaluation.metrics import hit_ratio, ndcg

pytestmark = pytest.mark.slow  # XLA compiles

USERS = "dataset.synthetic.num_users=60"  # more than the neighbours of user_knn
ALL = "baseline=popularity,item_knn,user_knn,ease,slim,ials"
SIZES = {"num_users": 60, "num_items": 60, "interactions_per_user": 5}


@pytest.fixture(scope="module")
def run_tiny(finish, tiny_data):
    return lambda *arguments, folder=None: finish(baselines, *tiny_data, USERS, *arguments, folder=folder)


@pytest.fixture(scope="module")
def finished(run_tiny):
    return run_tiny(ALL)


def test_every_baseline_ends_in_a_row_with_its_ranks(finished):
    store, runs = finished.store, finished.store.runs()
    assert finished.said.startswith("ncfjax: 6 jobs, 6 runs: 6 to fit, 0 done before -> ")
    assert finished.said.splitlines()[-1] == (
        f"ncfjax: results in {store.folder}/: runs.csv (6 rows), curves.csv, ranks/"
    )
    assert list(runs["model"]) == list(METHODS)
    assert runs["status"].eq("completed").all() and runs["parameters"].gt(0).all() and runs["train_seconds"].gt(0).all()
    assert runs["compile_seconds"].ge(0).all()
    data = load("synthetic", num_negatives=20, synthetic=SyntheticOptions(**asdict(SyntheticOptions()) | SIZES))
    for row in runs.to_dict("records"):
        ranks = store.ranks(row["run_id"])
        assert row["hit_ratio@10"] == hit_ratio(ranks["sampled"], 10) and row["full_ndcg@10"] == ndcg(ranks["full"], 10)
        np.testing.assert_array_equal(ranks["num_others"], data.num_others)


def test_what_is_fitted_by_epochs_has_a_curve_that_ends_in_its_row(finished):
    curves, runs = finished.store.curves(), finished.store.runs().set_index("model")
    assert set(curves["run_id"]) == {runs.loc["ials", "run_id"]} and sorted(set(curves["epoch"])) == list(range(1, 13))
    last = curves[(curves["epoch"] == 12) & (curves["metric"] == "ndcg@10")]["value"].tolist()
    assert last == [runs.loc["ials", "ndcg@10"]]


def test_a_row_has_the_values_of_its_method_and_no_others(finished):
    runs = finished.store.runs().set_index("model")
    keys = {key for method in METHODS.values() for key in (*method.sizes, *method.hyperparameters)}
    for model, method in METHODS.items():
        own = {*method.sizes, *method.hyperparameters}
        assert runs.loc[model, sorted(own)].notna().all() and runs.loc[model, sorted(keys - own)].isna().all(), model


def test_a_second_time_there_is_nothing_to_do(finished, run_tiny):
    table = (finished.store.folder / "runs.csv").read_bytes()
    again = run_tiny(ALL, folder=finished.store.folder.parent)
    assert again.said.startswith("ncfjax: 6 jobs, 6 runs: all done before")
    assert again.said.splitlines()[1:] == finished.said.splitlines()[1:]
    assert (finished.store.folder / "runs.csv").read_bytes() == table


def test_only_what_is_missing_is_fitted_and_equals_what_is_fitted_at_once(run_tiny, tmp_path, without_clocks):
    whole = ("baseline=ials", "grid.seed=0,1", "grid.nu=0,1")
    run_tiny("baseline=ials", "grid.seed=1", folder=tmp_path)
    rest = run_tiny(*whole, folder=tmp_path)
    assert "4 runs: 3 to fit, 1 done before" in rest.said
    pd.testing.assert_frame_equal(without_clocks(rest.store), without_clocks(run_tiny(*whole).store))


def test_a_run_that_is_not_finite_is_a_row_that_says_so(run_tiny):
    runs = run_tiny("baseline=ials", "grid.stddev=0.1,1e30").store.runs().set_index("stddev")
    assert runs["status"].to_dict() == {0.1: "completed", 1e30: "diverged"}
    assert np.isnan(runs.loc[1e30, "ndcg@10"]) and runs.loc[0.1, "ndcg@10"] > 0


def test_rules_of_the_evaluation_are_named_in_every_row(run_tiny):
    ties = ("evaluation.ties=against,favour", "evaluation.self_negatives=masked,counted")
    runs = run_tiny("baseline=popularity", *ties).store.runs().set_index(["ties", "self_negatives"])["hit_ratio@10"]
    assert len(runs) == 4 and runs["favour", "masked"] > runs["against", "masked"]


def test_ties_are_a_share_in_every_row_and_their_average_lies_between_the_other_rules(run_tiny):
    finished = run_tiny("baseline=popularity", "evaluation.ties=against,favour,average")
    runs = finished.store.runs().set_index("ties")
    strict, mild, average = (
        finished.store.ranks(runs.loc[ties, "run_id"]) for ties in ("against", "favour", "average")
    )
    for tied, protocol in (("tied", "sampled"), ("full_tied", "full")):
        shares = np.mean(strict[protocol].astype(int) > mild[protocol])
        assert runs[tied].tolist() == [shares] * 3 and shares > 0.01
        ranks, ties = average[protocol], average[f"{protocol}_ties"]
        prefix = "full_" * (protocol == "full")
        assert runs.loc["average", f"{prefix}ndcg@10"] == ndcg(ranks, 10, ties)
    assert runs.loc["against", "ndcg@10"] < runs.loc["average", "ndcg@10"] < runs.loc["favour", "ndcg@10"]
    assert all("% of the held-out items tie with a candidate, " in note for note in runs["note"])


def test_a_rank_among_too_few_candidates_is_noted(run_tiny):
    (note,) = run_tiny("baseline=popularity", "dataset.num_negatives=5").store.runs()["note"]
    assert note.startswith("HR@10 is 1 for every model, among 6 candidates; ")


def test_every_baseline_has_its_own_winner_and_one_without_a_seed_one_final_run(run_tiny):
    finished = run_tiny("baseline=popularity,ease,ials", "tune=true", "final_seeds=5,6")
    runs = finished.store.runs()
    assert runs.groupby(["model", "phase", "split"]).size().to_dict() == {
        ("ease", "final", "test"): 1, ("ease", "tune", "holdout"): 1,
        ("ials", "final", "test"): 2, ("ials", "tune", "holdout"): 1,
        ("popularity", "final", "test"): 1, ("popularity", "tune", "holdout"): 1,
    }  # fmt: skip
    assert list(runs[(runs["model"] == "ials") & (runs["phase"] == "final")]["seed"]) == [5, 6]
    assert "synthetic popularity: best of 1 on the holdout (validation ndcg@10 " in finished.said


def test_a_dry_run_tells_jobs_memory_and_time_and_writes_nothing(run_tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.engine.work._SIDE", 64)
    said = run_tiny(ALL, "dry_run=true", folder=tmp_path / "results").said
    assert (
        "6 jobs, 6 runs: 6 to fit" in said
        and len(re.findall(r" (?:bytes|[KMG]B), about ", said)) == 6
        and "dry run: " in said
    )
    assert not (tmp_path / "results").exists()
