"""python -m experiments.baselines end to end, on synthetic data that is fitted in a moment."""

import re
import signal
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import baselines, baselines_study, cli, imitate, sweep
from experiments.baselines_config import AXES, BASELINES, BaselineGridConfig, points, run_config
from experiments.baselines_fit import FITS
from experiments.jobs import Job
from ncfjax.data.catalog import load
from ncfjax.data.synthetic import SyntheticOptions
from ncfjax.evaluation.metrics import hit_ratio, ndcg
from ncfjax.evaluation.ranking import num_others
from ncfjax.store import BASELINE_TYPES, Store, run_id, run_types_of

SIZES = {"num_users": 30, "num_items": 60, "interactions_per_user": 5}
TINY = (*(f"dataset.synthetic.{key}={value}" for key, value in SIZES.items()), "dataset.num_negatives=20")
ALL = "baseline=popularity,item_knn,ease,slim,ials"
CLOCKS = ["train_seconds", "started_at", "command", "commit"]
Run = Callable[..., int]


@pytest.fixture
def run_baselines(run_entry: Run) -> Run:
    return partial(run_entry, baselines)


@pytest.fixture
def run_tiny(run_baselines: Run) -> Run:
    return lambda results, *arguments: run_baselines(*TINY, f"results_dir={results}", *arguments)


@pytest.fixture
def jobs_of(run_baselines: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Job]]:
    """The checked jobs of a command, which is not carried out."""

    def jobs(*arguments: object) -> list[Job]:
        planned: list[Job] = []
        monkeypatch.setattr(
            baselines_study, "run_study", lambda o, compose, launch: planned.extend(baselines_study.plan(o, compose))
        )
        assert run_baselines(*arguments) == 0
        monkeypatch.undo()
        return planned

    return jobs


def store_of(results: Path, study: str = "baselines") -> Store:
    return Store(results / study, BASELINE_TYPES)


def runs_of(results: Path) -> pd.DataFrame:
    return store_of(results).runs()


def without_clocks(results: Path) -> pd.DataFrame:
    return runs_of(results).drop(columns=CLOCKS).sort_values("run_id", ignore_index=True)


def test_every_baseline_ends_in_a_row_with_its_ranks_and_is_done_the_second_time(run_tiny: Run, results: Path, capfd):
    assert run_tiny(results, ALL, "grid.seed=0,1") == 2  # only ials has a seed
    assert "grid.seed: expected nothing, as only baseline=ials has it" in capfd.readouterr().err
    assert run_tiny(results, ALL) == 0
    first = capfd.readouterr().out
    assert first.startswith("ncfjax: 5 jobs, 5 runs: 5 to train")
    assert first.splitlines()[-1] == (
        f"ncfjax: results in {results / 'baselines'}/: runs.csv (5 rows), curves.csv, ranks/"
    )
    store, runs = store_of(results), runs_of(results)
    assert list(runs["model"]) == list(BASELINES) and run_types_of(store.folder) is BASELINE_TYPES
    assert runs["status"].eq("completed").all() and runs["parameters"].gt(0).all()
    data = load("synthetic", num_negatives=20, synthetic=SyntheticOptions(**asdict(SyntheticOptions()) | SIZES))
    for row in runs.to_dict("records"):
        ranks = store.ranks(row["run_id"])
        assert row["hit_ratio@10"] == hit_ratio(ranks["sampled"], 10) and row["full_ndcg@10"] == ndcg(ranks["full"], 10)
        np.testing.assert_array_equal(ranks["num_others"], num_others(data))
    assert set(store.curves()["run_id"]) == set(runs[runs["model"] == "ials"]["run_id"])
    assert store.curves()["epoch"].max() == 12

    before = (results / "baselines" / "runs.csv").read_bytes()
    assert run_tiny(results, ALL) == 0
    second = capfd.readouterr().out
    assert second.startswith("ncfjax: 5 jobs, 5 runs: all done before")
    assert second.splitlines()[1:] == first.splitlines()[1:]
    assert (results / "baselines" / "runs.csv").read_bytes() == before


def test_only_what_is_missing_is_fitted_and_equals_what_is_fitted_at_once(run_tiny, results, tmp_path, capfd):
    few, whole = ("baseline=ials", "grid.seed=1"), ("baseline=ials", "grid.seed=0,1", "grid.nu=0,1")
    run_tiny(results, *few)
    assert run_tiny(results, *whole) == 0
    assert "4 runs: 3 to train, 1 done before" in capfd.readouterr().out
    run_tiny(tmp_path / "whole", *whole)
    pd.testing.assert_frame_equal(without_clocks(results), without_clocks(tmp_path / "whole"))


def test_a_killed_study_goes_on_where_it_stopped(run_tiny: Run, results: Path, tmp_path: Path, start, wait_for):
    process = start("experiments.baselines", *TINY, f"results_dir={results}", ALL)
    wait_for(process, lambda: not runs_of(results).empty)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert run_tiny(results, ALL) == 0
    run_tiny(tmp_path / "whole", ALL)
    pd.testing.assert_frame_equal(without_clocks(results), without_clocks(tmp_path / "whole"))


def test_jobs_run_by_joblib_give_the_same_table(run_tiny: Run, results: Path, tmp_path: Path):
    command = "baseline=popularity,item_knn,ease"
    run_tiny(results, command)
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert run_tiny(tmp_path / "joblib", command, *joblib) == 0
    pd.testing.assert_frame_equal(without_clocks(tmp_path / "joblib"), without_clocks(results))


def test_tuning_chooses_on_the_holdout_and_scores_only_the_winner_on_test(run_tiny: Run, results: Path, capfd):
    command = ("baseline=ials", "tune=true", "final_seeds=5,6", "grid.unobserved_weight=0.01,0.1,1", "grid.seed=0,1")
    assert run_tiny(results, *command) == 0
    runs = runs_of(results)
    tune, final = runs[runs["phase"] == "tune"], runs[runs["phase"] == "final"]
    assert len(tune) == 6 and set(tune["split"]) == {"holdout"}
    assert list(final["seed"]) == [5, 6] and set(final["split"]) == {"test"}
    best = tune.groupby("unobserved_weight")["ndcg@10"].mean().idxmax()
    assert set(final["unobserved_weight"]) == {best}
    assert f"unobserved_weight={best:g}" in capfd.readouterr().out


def test_every_baseline_has_its_own_winner_and_one_without_a_seed_one_final_run(run_tiny: Run, results: Path):
    assert run_tiny(results, "baseline=popularity,ease", "tune=true") == 0
    runs = runs_of(results)
    assert runs.groupby(["model", "phase", "split"]).size().to_dict() == {
        ("ease", "final", "test"): 1, ("ease", "tune", "holdout"): 1,
        ("popularity", "final", "test"): 1, ("popularity", "tune", "holdout"): 1,
    }  # fmt: skip


def test_a_run_that_is_not_finite_is_a_row_that_says_so(run_tiny: Run, results: Path):
    assert run_tiny(results, "baseline=ials", "grid.stddev=0.1,1e30") == 0
    runs = runs_of(results).set_index("stddev")
    assert runs["status"].to_dict() == {0.1: "completed", 1e30: "diverged"}
    assert np.isnan(runs.loc[1e30, "ndcg@10"]) and runs.loc[0.1, "ndcg@10"] > 0


def test_rules_of_the_evaluation_are_named_in_every_row(run_tiny: Run, results: Path):
    ties = ("evaluation.ties=against,favour", "evaluation.self_negatives=masked,counted")
    assert run_tiny(results, "baseline=popularity", *ties) == 0
    runs = runs_of(results).set_index(["ties", "self_negatives"])["hit_ratio@10"]
    assert len(runs) == 4 and runs["favour", "masked"] > runs["against", "masked"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["baseline=eas"], "baseline=eas: no such baseline, did you mean ease?"),
        (["baseline=ease", "grid.regularization=0"], "grid.regularization: expected numbers > 0, got 0"),
        (["baseline=ease", "grid.l1=1"], "grid.l1: expected nothing, as only baseline=slim has it"),
        (["baseline=ease", "grid.regularization=null"], "grid.regularization: expected a value, as baseline=ease"),
        (["baseline=slim", "grid.l1=0", "grid.l2=0"], "grid.l1, grid.l2: expected numbers that are not both 0"),
        (["baseline=slim", "baseline.num_sweeps=0"], "baseline.num_sweeps: expected an integer >= 1, got 0"),
        (["baseline=item_knn", "grid.num_neighbors=0"], "grid.num_neighbors: expected integers >= 1, got 0"),
        (["baseline=item_knn", "grid.num_neighbors=60"], "grid.num_neighbors: expected at most 59, the other items"),
        (["baseline=item_knn", "grid.num_neighbors=60", "dry_run=true"], "grid.num_neighbors: expected at most 59"),
        (["baseline=item_knn", "grid.shrinkage=-1"], "grid.shrinkage: expected numbers >= 0, got -1"),
        (["baseline=ials", "baseline.block_size=48"], "baseline.block_size: expected a divisor of"),
        (["baseline=ials", "grid.unobserved_weight=0"], "grid.unobserved_weight: expected numbers > 0, got 0"),
        (["baseline=ials", "grid.seed=0.5"], "grid.seed: expected integers from 0"),
        (["baseline=ials", "tune=true", "final_seeds=-1"], "final_seeds: expected integers from 0"),
        (["evaluation.ties=random"], "evaluation.ties=random: no such name"),
        (["evaluation.ties=favour", "tune=true"], "evaluation: expected ties: against"),
        (["eval_every=0"], "eval_every: expected an integer >= 1, got 0"),
        (["phase=final"], "phase: set by tune=true, not by hand"),
        (["dataset=mll-1m"], "dataset=mll-1m: no such dataset, did you mean ml-1m?"),
        (["study.name=a,b"], "study.name: expected one value for all jobs"),
        (["+study=figure2_ml-1m"], "study=figure2_ml-1m: no such study"),
        (["memory_gb=1e-9"], "memory: expected at least"),
    ],
)
def test_a_wrong_command_is_refused_in_one_message_and_nothing_is_written(
    arguments: list[str], message: str, run_tiny: Run, results: Path, capfd
):
    assert run_tiny(results, *arguments) == 2
    said = capfd.readouterr().err
    assert message in said and "Traceback" not in said and said.startswith("ncfjax: ")
    assert not results.exists()


def test_a_dry_run_tells_jobs_memory_and_time_and_writes_nothing(run_tiny: Run, results: Path, capfd):
    assert run_tiny(results, ALL, "dry_run=true") == 0
    said = capfd.readouterr().out
    assert "5 jobs, 5 runs: 5 to train" in said and said.count(" GB, about ") == 5 and "dry run: about" in said
    assert not results.exists()


# name -> folder of the results, jobs, runs
STUDIES = {
    "baselines_ml-1m": ("baselines-ml-1m", 2, 2),
    "baselines_ml-1m_ease": ("baselines-ml-1m", 1, 8),
    "baselines_ml-1m_ials": ("baselines-ml-1m", 2, 16),
    "baselines_ml-1m_item_knn": ("baselines-ml-1m", 1, 20),
    "baselines_ml-1m_slim": ("baselines-ml-1m", 1, 9),
    "weak_evaluation_ml-1m": ("weak-evaluation-ml-1m", 24, 24),
}


def test_every_study_belongs_to_one_command():
    of_each = [set(cli.options(entry)["study"]) for entry in (sweep.ENTRY, imitate.ENTRY, baselines.ENTRY)]
    files = {path.stem for path in (cli.CONF / "study").glob("*.yaml")}
    assert set.union(*of_each) == files and sum(map(len, of_each)) == len(files)
    assert of_each[2] == set(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_what_its_head_says(name: str, jobs_of: Callable[..., list[Job]]):
    jobs = jobs_of(f"+study={name}")
    runs = {key for job in jobs for key in job.runs}
    assert ({job.config.study.name for job in jobs}, len(jobs), len(runs)) == ({STUDIES[name][0]}, *STUDIES[name][1:])
    head = (cli.CONF / "study" / f"{name}.yaml").read_text().split("defaults:")[0]
    assert f"python -m experiments.baselines +study={name}" in head and "HR@10" in head
    assert re.search(r"About [\d.]+ minutes on two CPU cores", head)


def test_what_is_the_run_changes_its_id_and_nothing_else_does(jobs_of: Callable[..., list[Job]]):
    def id_of(*arguments: str) -> str:
        (job,) = jobs_of("baseline=ials", *arguments)
        return run_id(run_config(job.config, points(job.config)[0]))

    for same in ("eval_every=2", "study.name=other", "results_dir=x", "memory_gb=1", "evaluation.ties=against"):
        assert id_of(same) == id_of("baseline.num_epochs=12")
    for other in ("baseline.embedding_dim=32", "grid.seed=1", "evaluation.ties=order", "split=holdout"):
        assert id_of(other) != id_of("baseline.num_epochs=12")


def test_names_agree_with_each_other_and_with_the_table():
    assert set(BASELINES) == {*FITS, "ials"} == {path.stem for path in (cli.CONF / "baseline").glob("*.yaml")}
    assert tuple(asdict(BaselineGridConfig())) == AXES
    for keys in BASELINES.values():
        assert {*keys.static, *keys.axes} <= set(BASELINE_TYPES)


def test_help_tells_what_can_be_set(run_baselines: Run, capfd):
    assert run_baselines("--help") == 0
    said = capfd.readouterr().out
    assert "unobserved_weight" not in said.split("== Keys")[0] and "baselines_ml-1m" in said and "figure2" not in said
