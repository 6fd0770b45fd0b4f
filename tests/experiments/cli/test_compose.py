"""Configurations composed without running a command."""

from collections.abc import Callable

import pytest

from experiments import imitate, sweep
from experiments.cli.compose import checked_jobs, compose_alone, configured
from experiments.engine.checks import ConfigError


def test_jobs_composed_together_are_those_composed_one_by_one():
    together = checked_jobs(sweep.ENTRY, "+study=figure2_ml-1m")
    for overrides in (
        ["model.embedding_dim=32", "grid.seed=[1,2]"],
        ["model.embedding_dim=64", "model.biases=false"],
        ["model=mlp", "model.embedding_dim=24"],
        ["model=mlp", "model.embedding_dim=48", "grid.learning_rate=[0.1]"],
        ["model.embedding_dim=24", "model=neumf", "data_dir=null"],
        ["++grid.seed=3", "optimizer=adam"],
    ):
        assert together(overrides) == configured(sweep.ENTRY, "+study=figure2_ml-1m", *overrides), overrides


def test_one_job_leaves_nothing_to_the_next():
    together = checked_jobs(sweep.ENTRY)
    before = together(["num_epochs=5"])
    assert together(["num_epochs=6", "grid.seed=[9]"]) != before == together(["num_epochs=5"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dataset=ml-1m"], "dataset.name: expected nothing, as only target=recommender has it, got 'ml-1m'"),
        (["teacher.num_epochs=3"], "teacher.num_epochs: expected nothing, as only target=recommender has it, got 3"),
        (["target=dot", "dataset.seed=1"], "dataset.seed: expected nothing, as only target=recommender has it, got 1"),
        (["+study=figure3_small", "teacher.num_epochs=3"], "teacher.num_epochs: expected nothing, as only target="),
    ],
)
def test_a_key_of_a_part_that_only_another_choice_has_names_the_choice_that_it_goes_with(
    arguments: list[str], message: str, refusal: Callable[..., str]
):
    assert message in refusal(imitate.ENTRY, *arguments)


@pytest.mark.parametrize("choice", ["target=recommender", "+study=distillation_ml-1m"])
def test_a_key_beside_its_choice_is_set(choice: str, jobs_of):
    (job, *_) = jobs_of(imitate.ENTRY, choice, "teacher.num_epochs=3")
    assert job.config.teacher.num_epochs == 3


def test_a_command_without_jobs_has_its_keys_alone():
    assert compose_alone("plot", ["study=mine"])["study"] == "mine"
    assert set(compose_alone("report", [])) == {"results_dir"}
    with pytest.raises(ConfigError, match="results: no such key, did you mean results_dir?"):
        compose_alone("report", ["results=x"])
