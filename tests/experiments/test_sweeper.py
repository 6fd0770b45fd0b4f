"""The sweeper: lists on grid keys are axes, lists elsewhere are jobs."""

import math
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from experiments.config import ConfigError
from experiments.study import Job
from experiments.sweeper import LIST_KEYS, ONE_PER_SWEEP, expand


def expanded(*arguments: str) -> list[list[str]]:
    return expand(OverridesParser.create().parse_overrides(list(arguments)), LIST_KEYS, ONE_PER_SWEEP)


def test_a_list_on_a_grid_key_is_one_job():
    assert expanded("grid.seed=0,1,2") == [["grid.seed=[0,1,2]"]]


def test_a_list_elsewhere_is_a_job_each():
    assert expanded("model.embedding_dim=16,32", "num_epochs=4") == [
        ["model.embedding_dim=16", "num_epochs=4"],
        ["model.embedding_dim=32", "num_epochs=4"],
    ]


@given(st.dictionaries(st.sampled_from([*sorted(LIST_KEYS), "num_epochs", "model.embedding_dim", "split", "dataset"]),
                       st.lists(st.integers(0, 99), min_size=2, max_size=4, unique=True)))  # fmt: skip
def test_jobs_are_the_product_of_the_lists_that_are_no_axes(lists: dict[str, list[int]]):
    jobs = expanded(*(f"{key}={','.join(map(str, values))}" for key, values in lists.items()))
    static = {key: values for key, values in lists.items() if key not in LIST_KEYS}
    assert len(jobs) == math.prod(map(len, static.values()))
    chosen = [[item for item in job if item.split("=")[0] in static] for job in jobs]
    expected = product(*([f"{key}={value}" for value in values] for key, values in static.items()))
    assert chosen == [list(job) for job in expected]
    axes = [f"{key}=[{','.join(map(str, values))}]" for key, values in lists.items() if key in LIST_KEYS]
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
        ("+study=figure2_ml-1m", "+study=figure2_ml-1m"),
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
        ("grid.stddev=interval(0,1)", "got an interval"),
        ("num_epochs=2,2", "num_epochs: expected each value once"),
        ("results_dir=a,b", "results_dir: expected one value for all jobs"),
        ("study.name=a,b", "study.name: expected one value"),
        ("tune=true,false", "tune: expected one value"),
    ],
)
def test_what_cannot_be_swept_is_refused(argument: str, message: str):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        expanded(argument)


def test_params_of_a_file_are_swept_and_the_command_line_wins(jobs_of: Callable[..., list[Job]], tmp_path: Path):
    study = tmp_path / "study"
    study.mkdir()
    (study / "mine.yaml").write_text(
        "# @package _global_\n"
        "hydra: {sweeper: {params: {model.embedding_dim: '4,8', objective.num_negatives: [2, 3], grid.seed: '0,1'}}}\n"
        "grid: {learning_rate: [0.1, 0.2], regularization: 0}\n"
    )
    command = (f"hydra.searchpath=[file://{tmp_path}]", "+study=mine")
    jobs = jobs_of(*command)
    described = [(job.config.model.embedding_dim, job.config.objective.num_negatives) for job in jobs]
    assert described == [(4, 2), (4, 3), (8, 2), (8, 3)]
    assert all(len(job.runs) == 4 for job in jobs)
    jobs = jobs_of(*command, "model.embedding_dim=5", "grid.seed=7")
    assert [job.config.model.embedding_dim for job in jobs] == [5, 5]
    assert {point.seed for job in jobs for point in job.runs.values()} == {7}


def test_groups_can_be_swept(jobs_of: Callable[..., list[Job]]):
    jobs = jobs_of("objective=expected,sampled", "model.embedding_dim=4")
    assert [(job.config.objective.name, job.config.objective.batch_size) for job in jobs] == [
        ("expected", 8),
        ("sampled", 512),
    ]
    assert len({key for job in jobs for key in job.runs}) == sum(len(job.runs) for job in jobs)


def test_one_final_seed_needs_no_list(jobs_of: Callable[..., list[Job]]):
    assert jobs_of("final_seeds=5")[0].config.final_seeds == [5]
