"""The sweeper: lists on grid keys are axes, lists elsewhere are jobs."""

import functools
import math
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from joblib.externals.loky.backend.reduction import dumps

from experiments import baselines, imitate, sweep
from experiments.cli import main
from experiments.cli.compose import checked_jobs
from experiments.cli.entry import parse, typed
from experiments.cli.sweeper import as_arguments, cut_space, expand
from experiments.engine.checks import ConfigError
from experiments.engine.config import CONF, is_list
from experiments.engine.jobs import Job
from experiments.engine.trials import Search
from ncfjax.store import Store

TASK = sweep.ENTRY.task


def expanded(*arguments: str) -> list[list[str]]:
    return expand(OverridesParser.create().parse_overrides(list(arguments)), TASK)


def test_a_list_on_a_grid_key_is_one_job():
    assert expanded("grid.seed=0,1,2") == [["grid.seed=[0,1,2]"]]


def test_a_list_elsewhere_is_a_job_each():
    assert expanded("model.embedding_dim=16,32", "num_epochs=4") == [
        ["model.embedding_dim=16", "num_epochs=4"],
        ["model.embedding_dim=32", "num_epochs=4"],
    ]


KEYS = [*sorted(filter(is_list, TASK.all_keys)), "num_epochs", "model.embedding_dim", "split", "dataset"]


@given(st.dictionaries(st.sampled_from(KEYS), st.lists(st.integers(0, 99), min_size=2, max_size=4, unique=True)))
def test_jobs_are_the_product_of_the_lists_that_are_no_axes(lists: dict[str, list[int]]):
    jobs = expanded(*(f"{key}={','.join(map(str, values))}" for key, values in lists.items()))
    static = {key: values for key, values in lists.items() if not is_list(key)}
    assert len(jobs) == math.prod(map(len, static.values()))
    chosen = [[item for item in job if item.split("=")[0] in static] for job in jobs]
    expected = product(*([f"{key}={value}" for value in values] for key, values in static.items()))
    assert chosen == [list(job) for job in expected]
    axes = [f"{key}=[{','.join(map(str, values))}]" for key, values in lists.items() if is_list(key)]
    assert all(set(axes) <= set(job) for job in jobs)


@pytest.mark.parametrize(
    ("argument", "job"),
    [
        ("grid.seed=range(0,4)", "grid.seed=[0,1,2,3]"),
        ("grid.seed=choice(4,2)", "grid.seed=[4,2]"),
        ("grid.seed=[4,2]", "grid.seed=[4,2]"),
        ("grid.learning_rate=0.001", "grid.learning_rate=0.001"),
        ("++grid.seed=0,1", "++grid.seed=[0,1]"),
        ("final_seeds=0,1", "final_seeds=[0,1]"),
        ("+study/sweep=figure2_ml-1m", "+study/sweep=figure2_ml-1m"),
        ("~hydra.sweeper", "~hydra.sweeper"),
    ],
)
def test_every_spelling_of_a_list_is_understood(argument: str, job: str):
    assert expanded(argument) == [[job]]


def test_of_two_values_of_one_key_the_later_counts():
    assert expanded("num_epochs=1,2", "num_epochs=3") == [["num_epochs=3"]]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("grid.stddev=interval(0,1)", "grid.stddev=interval(0,1): expected a list such as 1,2,3 or range(0,8), got"),
        ("num_epochs=2,2", "num_epochs: expected each value once, got 2, 2"),
        *(
            (f"{key}=a,b", f"{key}: expected one value for all jobs, got a, b")
            for key in ("results_dir", "study.name", "dry_run", "eval_every", "memory_gb", "tune", "tune_by",
                        "select_epoch")
        ),
        ("+study/sweep=synthetic,tuning_ml-1m", "study: expected one value for all jobs, got synthetic, tuning_ml-1m"),
    ],
)  # fmt: skip
def test_what_cannot_be_swept_is_refused(argument: str, message: str):
    with pytest.raises(ConfigError, match=re.escape(message)):
        expanded(argument)


SEARCHED = ("grid.learning_rate=tag(log,interval(0.001,0.1))", "grid.decay=interval(0.5,1)", "model=choice(dot,gmf)",
            "num_epochs=4,8", "model.layers=choice('${x:1,2}',[3,4])", "model.biases=choice(true,false)")  # fmt: skip


def test_an_interval_makes_a_search_over_it_and_every_choice_and_lists_stay_jobs():
    overrides, space = cut_space(OverridesParser.create().parse_overrides(list(SEARCHED)), TASK)
    assert expand(overrides, TASK) == [["num_epochs=4"], ["num_epochs=8"]]
    assert [dimension[:4] for dimension in space] == [
        ("grid.learning_rate", 0.001, 0.1, True),
        ("grid.decay", 0.5, 1.0, False),
        ("model", ("dot", "gmf")),
        ("model.layers", ("'${x:1,2}'", "[3,4]")),
        ("model.biases", ("true", "false")),  # as trials.by_hand has to name them
    ]
    assert space[1].is_valid(0.9) and not space[1].is_valid(1.1)


@pytest.mark.parametrize("page", ["conf/sweep.yaml", "docs/operating.md"])
def test_the_example_of_a_search_is_one(page: str):
    text = (CONF.parent / page).read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if "interval(" in line and "python -m experiments.sweep" in line]
    lines = [typed(TASK, argument) for argument in shlex.split(line.split("experiments.sweep")[1])]
    overrides, space = cut_space(parse(lines), TASK)
    searched = Search(TASK, expand(overrides, TASK), space, checked_jobs(sweep.ENTRY))
    assert sum(len(job.runs) for job in searched.first()) == 2 * 24


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("study.name=choice(a,b)", "study.name: expected a value or a list, got study.name=choice(a,b)"),
        ("grid.seed=choice(0,1)", "grid.seed: expected a value or a list"),
        ("eval_every=choice(2,4)", "eval_every: expected a value or a list"),
        ("objective.batch_size=interval(16,64)", "objective.batch_size: expected a list or choice()"),
        ("grid.decay=tag(logarithmic,interval(0.5,1))", "grid.decay: expected no tag but log, got logarithmic"),
    ],
)
def test_what_cannot_be_searched_over_is_refused(argument: str, message: str):
    with pytest.raises(ConfigError, match=re.escape(message)):
        cut_space(parse(["grid.learning_rate=tag(log,interval(0.001,0.1))", argument]), TASK)


def test_without_an_interval_a_choice_is_a_list_and_what_is_not_tuned_has_no_search():
    overrides, space = cut_space(OverridesParser.create().parse_overrides(["model=choice(dot,gmf)"]), TASK)
    assert space == () and expand(overrides, TASK) == [["model=dot"], ["model=gmf"]]
    overrides, space = cut_space(parse(["grid.learning_rate=interval(0.1,1)"]), imitate.ENTRY.task)
    assert space == () and len(overrides) == 1


@pytest.mark.slow
def test_a_search_on_the_command_line_ends_in_the_winners_rows_on_test(run_tiny: Callable[..., int], results: Path):
    arguments = ("tune=true", "grid.learning_rate=tag(log,interval(0.01,0.3))", "num_epochs=6",
                 "trials.drawn=4", "trials.around=2", "final_seeds=[3]")  # fmt: skip
    assert run_tiny(results, *arguments) == 0
    runs = Store(results / "sweep", TASK.all_columns).runs()
    tried, final = runs[runs["phase"] == "tune"], runs[runs["phase"] == "final"]
    assert len(tried) == 4 + 2 + 2 + 1 and set(tried["num_epochs"]) == {2, 6}
    assert list(final["model"]) == ["dot"] and set(final["seed"]) == {3}
    assert run_tiny(results, *arguments) == 0 and len(Store(results / "sweep", TASK.all_columns).runs()) == len(runs)


def test_what_only_one_kind_of_run_cannot_sweep_is_refused_there():
    with pytest.raises(ConfigError, match="target: expected one value for all jobs"):
        expand(parse(["target=dot,recommender"]), imitate.ENTRY.task)


def test_params_of_a_file_are_what_follows_the_equals_sign_or_a_list():
    params = {"a": "4,8", "b": [2, 3], "c": 1, "d": "range(0,3)", "e": True}
    assert as_arguments(params) == ["a=4,8", "b=2,3", "c=1", "d=range(0,3)", "e=True"]


def test_groups_can_be_swept(jobs_of: Callable[..., list[Job]]):
    jobs = jobs_of(sweep.ENTRY, "objective=expected,sampled", "model.embedding_dim=4")
    assert [(job.config.objective.name, job.config.objective.batch_size) for job in jobs] == [
        ("expected", 64),
        ("sampled", 512),
    ]
    assert len({key for job in jobs for key in job.runs}) == sum(len(job.runs) for job in jobs)


def test_one_final_seed_needs_no_list(jobs_of: Callable[..., list[Job]]):
    assert jobs_of(sweep.ENTRY, "final_seeds=5")[0].config.final_seeds == [5]


@pytest.mark.slow
def test_jobs_run_by_joblib_give_the_same_table_and_leave_the_next_command_as_it_is(
    run_entry: Callable[..., int], results: Path, tmp_path: Path, tiny_data: tuple[str, ...]
):
    """In processes of their own, which are told the command and its commit, and whose values come back to this one."""
    arguments = (*tiny_data, "baseline=popularity,item_knn")
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert run_entry(baselines, *arguments, f"results_dir={tmp_path / 'joblib'}", *joblib) == 0
    assert run_entry(baselines, *arguments, f"results_dir={results}") == 0
    tables = [
        Store(folder / "baselines", baselines.ENTRY.task.all_columns).runs().sort_values("run_id", ignore_index=True)
        for folder in (results, tmp_path / "joblib")
    ]
    clocks = ["train_seconds", "compile_seconds", "started_at", "command"]
    assert len(tables[0]) == 2
    pd.testing.assert_frame_equal(tables[0].drop(columns=clocks), tables[1].drop(columns=clocks))
    (command,) = tables[1]["command"].unique()
    assert command.startswith("python -m experiments.baselines ") and command.endswith(" hydra.launcher.n_jobs=2")


@pytest.mark.slow
def test_a_job_of_every_kind_can_be_sent_to_another_process(tmp_path: Path):
    """Its typed keys are made while the program runs: a process that unpacks it has not made them."""
    jobs = [main._job(entry) for entry in (sweep.ENTRY, imitate.ENTRY, baselines.ENTRY)]
    for job in jobs:
        assert job.entry.task.schema  # as after a command line was checked
    (tmp_path / "jobs").write_bytes(dumps([functools.partial(job, provenance={}) for job in jobs]))
    script = "import pickle, sys; print([job.func.entry.name for job in pickle.load(open(sys.argv[1], 'rb'))])"
    names = subprocess.check_output([sys.executable, "-c", script, tmp_path / "jobs"], text=True)
    assert names.strip() == "['sweep', 'imitate', 'baselines']"
