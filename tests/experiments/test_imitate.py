"""python -m experiments.imitate end to end, on cells that train in a moment."""

import itertools
import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from experiments import cli, imitate, imitate_job, imitate_study
from experiments.imitate_config import ACTIVATIONS, SCHEDULES, ImitatePoint, points, run_config
from experiments.jobs import Job
from experiments.paper import FIGURE3
from ncfjax.models import imitator
from ncfjax.store import IMITATION_TYPES, Store, run_id
from ncfjax.training import imitation
from ncfjax.training.blocks import count_compiles
from ncfjax.training.imitation_problem import ImitationMember
from ncfjax.training.imitation_task import Sizes

TINY = ("num_users=30", "embedding_dim=4", "pairs_per_user=10", "num_fresh=50", "num_epochs=2", "eval_every=1")
CLOCKS = ["train_seconds", "compile_seconds", "started_at", "command", "commit"]
ERRORS = ["rmse_test", "rmse_fresh", "rmse_dot_test", "rmse_dot_fresh"]
Run = Callable[..., int]


@pytest.fixture
def run_imitate(run_entry: Run) -> Run:
    return partial(run_entry, imitate)


@pytest.fixture
def run_tiny(run_imitate: Run) -> Run:
    return lambda results, *arguments: run_imitate(*TINY, f"results_dir={results}", *arguments)


@pytest.fixture
def jobs_of(run_imitate: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Job]]:
    """The checked jobs of a command, which is not carried out."""

    def jobs(*arguments: object) -> list[Job]:
        planned: list[Job] = []
        monkeypatch.setattr(
            imitate_study,
            "run_study",
            lambda overrides, compose, launch: planned.extend(imitate_study.make_job(o, compose) for o in overrides),
        )
        assert run_imitate(*arguments) == 0
        monkeypatch.undo()
        return planned

    return jobs


def store_of(results: Path) -> Store:
    return Store(results / "imitate", IMITATION_TYPES)


def runs_of(results: Path) -> pd.DataFrame:
    return store_of(results).runs()


def test_a_study_ends_in_tables_and_is_done_the_second_time(run_tiny: Run, results: Path, capfd):
    lists = ("grid.seed=0,1", "grid.learning_rate=0.01,1e30", "product=false,true")
    assert run_tiny(results, *lists) == 0
    first = capfd.readouterr().out
    assert first.startswith("ncfjax: 2 jobs, 8 runs: 8 to train")
    assert (
        first.splitlines()[-1]
        == f"ncfjax: results in {results / 'imitate'}/: runs.csv (8 rows, 4 diverged), curves.csv"
    )

    runs = runs_of(results)
    assert set(runs["product"]) == {"", "true"} and set(runs["layers"]) == {"8-4-2"} and set(runs["seed"]) == {0, 1}
    assert runs[runs["learning_rate"] > 1]["status"].eq("diverged").all()
    assert runs[runs["learning_rate"] > 1][ERRORS].isna().all(axis=None)
    sound = runs[runs["learning_rate"] < 1]
    assert sound["status"].eq("completed").all() and sound["train_seconds"].gt(0).all()
    assert sound["rmse_dot_fresh"].between(0.5, 1.2).all() and sound["rmse_trivial_test"].between(0.7, 1.6).all()
    assert set(sound["parameters"]) == {8 * 8 + 8 + 8 * 4 + 4 + 4 * 2 + 2 + 3, 12 * 8 + 8 + 8 * 4 + 4 + 4 * 2 + 2 + 3}

    curves = store_of(results).curves()
    last = curves[curves["epoch"] == 2].pivot(index="run_id", columns="metric", values="value")
    pd.testing.assert_frame_equal(last[ERRORS], sound.set_index("run_id")[ERRORS].sort_index(), check_names=False)
    assert set(curves["epoch"]) == {1, 2} and not list(results.rglob("*.npz"))

    bytes_before, compiled = (results / "imitate" / "runs.csv").read_bytes(), count_compiles()
    assert run_tiny(results, *lists) == 0
    second = capfd.readouterr().out
    assert second.startswith("ncfjax: 2 jobs, 8 runs: all done before")
    assert second.splitlines()[1:] == first.splitlines()[1:]
    assert (results / "imitate" / "runs.csv").read_bytes() == bytes_before and count_compiles() == compiled


def test_only_what_is_missing_is_trained_and_equals_what_is_trained_at_once(
    run_tiny: Run, results: Path, tmp_path, capfd
):
    run_tiny(results, "grid.seed=1")
    assert run_tiny(results, "grid.seed=0,1") == 0
    assert "2 runs: 1 to train, 1 done before" in capfd.readouterr().out
    run_tiny(tmp_path / "whole", "grid.seed=0,1")
    pd.testing.assert_frame_equal(without_clocks(results), without_clocks(tmp_path / "whole"))


def without_clocks(results: Path) -> pd.DataFrame:
    return runs_of(results).drop(columns=CLOCKS).sort_values("run_id", ignore_index=True)


def test_a_killed_study_goes_on_where_it_stopped(run_tiny: Run, results: Path, tmp_path: Path, start, wait_for):
    process = start("experiments.imitate", *TINY, f"results_dir={results}", "width_multiplier=1,2")
    wait_for(process, lambda: not runs_of(results).empty)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert run_tiny(results, "width_multiplier=1,2") == 0
    run_tiny(tmp_path / "whole", "width_multiplier=1,2")
    pd.testing.assert_frame_equal(without_clocks(results), without_clocks(tmp_path / "whole"))


def test_interrupting_says_how_to_continue(results: Path, start, wait_for):
    process = start("experiments.imitate", *TINY, "num_epochs=1,1000000", f"results_dir={results}")
    wait_for(process, lambda: len(runs_of(results)) == 1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and "the same command continues" in said and "Traceback" not in said


def test_jobs_run_by_joblib_give_the_same_table(run_tiny: Run, results: Path, tmp_path: Path):
    run_tiny(results, "width_multiplier=1,2")
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert run_tiny(tmp_path / "joblib", "width_multiplier=1,2", *joblib) == 0
    pd.testing.assert_frame_equal(without_clocks(tmp_path / "joblib"), without_clocks(results))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embedding_dim=5"], "embedding_dim: expected an even number from 2 on, got 5"),
        (["pairs_per_user=31"], "pairs_per_user: expected at most the 900 combinations of user and item"),
        (["num_epochs=0"], "num_epochs: expected an integer >= 1, got 0"),
        (["eval_every=0"], "eval_every: expected an integer >= 1, got 0"),
        (["batch_size=0"], "batch_size: expected an integer >= 1, got 0"),
        (["width_multiplier=1,0"], "width_multiplier: expected an integer >= 1, got 0"),
        (["num_fresh=0"], "num_fresh: expected at least 1, got 0"),
        (["noise=2"], "noise: expected 0 <= noise < trivial_rmse = 1.13, got 2"),
        (["layers=[8,0]"], "layers: expected the width of each hidden layer in brackets"),
        (["layers=8"], "layers: expected the width of each hidden layer in brackets"),
        (["activation=rleu"], "activation=rleu: no such name, did you mean relu?"),
        (["schedule=linear"], "schedule=linear: no such name"),
        (["grid.learning_rate=0"], "grid.learning_rate: expected numbers > 0, got 0"),
        (["grid.seed=-1"], "grid.seed: expected integers from 0"),
        (["embeding_dim=4"], "embeding_dim: no such key, did you mean embedding_dim?"),
        (["dataset=ml-1m"], "dataset: expected target=recommender beside it, got num_users=30"),
        (["teacher.num_epochs=3"], "teacher.num_epochs: expected target=recommender beside it"),
        (["target=dots"], "target=dots: no such target, did you mean dot?"),
        (["target=recommender", "dataset=ml-1m", "noise=0"], "num_users: expected nothing, as target=recommender"),
        (["study.name=a,b"], "study.name: expected one value for all jobs"),
        (["+study=figure2_ml-1m"], "study=figure2_ml-1m: no such study"),
        (["memory_gb=1e-9"], "memory: expected at least"),
        (["memory_gb=1e-9", "dry_run=true"], "memory: expected at least"),
        (["num_users=many"], "'many'"),
    ],
)
def test_a_wrong_command_is_refused_in_one_message_and_nothing_is_written(
    arguments: list[str], message: str, run_tiny: Run, results: Path, capfd
):
    compiled = count_compiles()
    assert run_tiny(results, *arguments) == 2
    said = capfd.readouterr().err
    assert message in said and "Traceback" not in said and said.startswith("ncfjax: ")
    assert not results.exists() and count_compiles() == compiled


def test_a_dry_run_tells_jobs_memory_and_time_and_writes_nothing(run_tiny: Run, results: Path, capfd):
    assert run_tiny(results, "num_users=30,40", "grid.seed=0,1", "dry_run=true") == 0
    said = capfd.readouterr().out
    assert "2 jobs, 4 runs: 4 to train" in said and "2 shapes to compile, about" in said and said.count(" GB, ") == 2
    assert not results.exists()


@pytest.mark.parametrize(
    ("command", "num_jobs", "num_runs"),
    [(["figure3", "num_users=128000"], 12, 60), (["figure3_small", "embedding_dim=64"], 9, 18)],
)
def test_a_study_is_the_papers_setup(
    command: list[str], num_jobs: int, num_runs: int, jobs_of: Callable[..., list[Job]]
):
    jobs = jobs_of(f"+study={command[0]}", command[1])
    assert (len(jobs), len({key for job in jobs for key in job.runs})) == (num_jobs, num_runs)
    for job in jobs:
        config = job.config
        width = config.embedding_dim * config.width_multiplier
        assert config.layers == [2 * width, width, width // 2] and config.study.name == "figure3"
        setup = (config.pairs_per_user, config.num_fresh, config.noise, config.trivial_rmse, config.batch_size)
        assert setup == (100, 100_000, 0.85, 1.13, 256) and config.num_epochs == 32
        assert config.grid.learning_rate == [0.001] and config.schedule == "constant"


def test_the_study_has_every_cell_of_the_paper():
    params = OmegaConf.load(cli.CONF / "study" / "figure3.yaml").hydra.sweeper.params
    users, dims, multipliers = ([int(x) for x in str(values).split(",")] for values in params.values())
    assert list(itertools.product(multipliers, dims)) == list(FIGURE3)
    assert users == list(FIGURE3[1, 16])


def test_a_command_without_arguments_is_small(jobs_of: Callable[..., list[Job]]):
    assert sum(job.config.num_users * len(job.runs) for job in jobs_of()) <= 4000


# name -> folder of the results, jobs, runs
STUDIES = {
    "distillation_ml-1m": ("distillation-ml-1m", 12, 36),
    "figure3": ("figure3", 72, 360),
    "figure3_small": ("figure3", 27, 54),
    "figure3_variants_activation": ("figure3", 8, 16),
    "figure3_variants_input": ("figure3", 8, 16),
    "figure3_variants_layers": ("figure3", 5, 10),
}


def test_the_studies_of_the_command_are_those_listed_here():
    assert set(cli.options(imitate.ENTRY)["study"]) == set(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_what_its_head_says(name: str, jobs_of: Callable[..., list[Job]], monkeypatch):
    monkeypatch.setattr(imitate_job, "sizes_of", lambda config: Sizes(6040, 3706, 604_000, 0))  # needs no data
    jobs = jobs_of(f"+study={name}")
    runs = {key for job in jobs for key in job.runs}
    assert ({job.config.study.name for job in jobs}, len(jobs), len(runs)) == ({STUDIES[name][0]}, *STUDIES[name][1:])
    head = (cli.CONF / "study" / f"{name}.yaml").read_text().split("\nstudy:")[0]
    assert f"python -m experiments.imitate +study={name}" in head and "Expected:" in head
    assert re.search(r"About [\d.]+ (minutes on two CPU cores|hours on one GPU)", head)


def test_help_tells_what_can_be_set(run_imitate: Run, capfd):
    assert run_imitate("--help") == 0
    said = capfd.readouterr().out
    assert "embedding_dim: 16" in said and "figure3_small" in said and "figure2" not in said


def test_what_is_the_run_changes_its_id_and_nothing_else_does(jobs_of: Callable[..., list[Job]]):
    def id_of(*arguments: str) -> str:
        (job,) = jobs_of(*arguments)
        return run_id(run_config(job.config, points(job.config)[0]))

    for same in ("eval_every=1", "study.name=other", "results_dir=x", "memory_gb=1", "layers=[32,16,8]"):
        assert id_of(same) == id_of("num_epochs=32")
    for other in (
        "num_users=5000",
        "product=true",
        "layers=[32,16]",
        "grid.seed=1",
        "drop_last_users=true",
        "noise=0.8",
    ):
        assert id_of(other) != id_of("num_epochs=32")


def test_names_agree_with_the_package():
    assert set(ACTIVATIONS) == set(imitator.ACTIVATIONS) and set(SCHEDULES) == set(imitation.SCHEDULES)
    assert ImitatePoint._fields == ImitationMember._fields


def test_layers_that_are_not_the_studys_have_no_width_multiplier(run_tiny: Run, results: Path):
    run_tiny(results, "layers=[6,3]", "num_epochs=1")
    (row,) = runs_of(results).to_dict("records")
    assert pd.isna(row["width_multiplier"]) and row["layers"] == "6-3" and np.isfinite(row["rmse_fresh"])
