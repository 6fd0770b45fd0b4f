"""What an imitator is told: what is refused, what a run is, and that the names agree with those of the package."""

from collections.abc import Callable

import pytest
from omegaconf import OmegaConf

from experiments.cli.compose import configured
from experiments.cli.studies import jobs_of as jobs_of_study
from experiments.engine.checks import ConfigError
from experiments.engine.config import CONF
from experiments.imitate import ENTRY
from experiments.tasks.imitator import config as configs
from ncfjax.training.imitation import SCHEDULES
from ncfjax.training.imitation_problem import ImitationMember

TINY = ("num_users=30", "embedding_dim=4", "pairs_per_user=10", "num_fresh=50", "num_epochs=2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embedding_dim=5"], "embedding_dim: expected an even number from 2 on, got 5"),
        (["pairs_per_user=31"], "pairs_per_user: expected at most the 900 combinations of user and item"),
        (["num_epochs=0"], "num_epochs: expected an integer >= 1, got 0"),
        (["batch_size=0"], "batch_size: expected an integer >= 1, got 0"),
        (["width_multiplier=1,0"], "width_multiplier: expected an integer >= 1, got 0"),
        (["num_fresh=0"], "num_fresh: expected an integer >= 1, got 0"),
        (["noise=2"], "noise: expected 0 <= noise < trivial_rmse = 1.13, got 2"),
        (["layers=[8,0]"], "layers: expected the width of each hidden layer in brackets"),
        (["layers=8"], "layers: expected the width of each hidden layer in brackets"),
        (["activation=rleu"], "activation=rleu: no such name, did you mean relu?"),
        (["schedule=linear"], "schedule=linear: no such name"),
        (["grid.learning_rate=0"], "grid.learning_rate: expected a number > 0, got 0"),
        (["embeding_dim=4"], "embeding_dim: no such key, did you mean embedding_dim?"),
        (["target=dots"], "target=dots: no such target, did you mean dot?"),
        (["num_users=many"], "'many'"),
        (["tune=true"], "tune: no such key"),
    ],
)
def test_what_cannot_be_is_refused_by_name(arguments: list[str], message: str, refusal: Callable[..., str]):
    assert message in refusal(ENTRY, *TINY, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pairs_per_user=0"], "pairs_per_user: expected an integer >= 1, got 0"),
        (["embedding_dim=3"], "embedding_dim: expected an even number from 2 on, got 3"),
        (["noise=-1"], "noise: expected a number >= 0, got -1"),
        (["num_users=5"], "num_users: expected nothing, as "),
        (["num_fresh=5"], "num_fresh: expected nothing, as "),
        (["teacher.learning_rate=0"], "teacher.learning_rate: expected a number > 0, got 0"),
        (["teacher.regularization=-1"], "teacher.regularization: expected a number >= 0, got -1"),
        (["teacher.stddev=0"], "teacher.stddev: expected a number > 0, got 0"),
        (["teacher.num_epochs=0"], "teacher.num_epochs: expected an integer >= 1, got 0"),
        (["teacher.batch_size=0"], "teacher.batch_size: expected an integer >= 1, got 0"),
        (["teacher.num_negatives=0"], "teacher.num_negatives: expected an integer >= 1, got 0"),
        (["drop_last_users=true"], "drop_last_users: expected false, as target=recommender"),
        (["dataset=pinterets"], "dataset=pinterets: no such dataset, did you mean pinterest?"),
        (["dataset.num_negatives=0"], "dataset.num_negatives: expected an integer >= 1, got 0"),
        (["teacher.rate=1"], "teacher.rate: no such key"),
    ],
)
def test_what_a_distillation_cannot_be_is_refused_by_name(
    arguments: list[str], message: str, refusal: Callable[..., str], distillation: tuple[str, ...]
):
    assert message in refusal(ENTRY, *distillation, *arguments)


def test_pairs_that_the_data_set_does_not_have_are_refused_with_its_size(distillation: tuple[str, ...]):
    config = configured(ENTRY, *distillation, "pairs_per_user=61")
    expected = r"at most the 2,400 combinations of user and item, got 40 \* 61 = 2,440"
    with pytest.raises(ConfigError, match=expected):
        ENTRY.task.opened(config)


def test_a_job_is_named_by_what_it_imitates_and_by_its_network(distillation: tuple[str, ...]):
    variant = ("activation=gelu", "schedule=cosine", "product=true", "bilinear=true", "layers=[8,4]")
    labels = [ENTRY.task.label(configured(ENTRY, *words)) for words in (TINY, [*TINY, *variant], distillation)]
    assert labels == ["30 users d=4 8-4-2", "30 users d=4 8-4 gelu cosine product bilinear", "synthetic d=4 8-4-2"]


def test_what_is_the_run_changes_its_id_and_nothing_else_does(id_of: Callable[..., str]):
    for same in ("num_epochs=32", "eval_every=1", "layers=[32,16,8]"):
        assert id_of(ENTRY, same) == id_of(ENTRY), same
    for other in ("num_users=5000", "product=true", "bilinear=true", "layers=[32,16]", "grid.seed=1", "noise=0.8",
                  "drop_last_users=true", "activation=gelu", "schedule=cosine", "batch_size=8", "num_fresh=7",
                  "width_multiplier=2", "grid.learning_rate=0.1", "trivial_rmse=2"):  # fmt: skip
        assert id_of(ENTRY, other) != id_of(ENTRY), other


def test_the_id_of_a_distillation_depends_on_its_data_and_its_teacher(
    id_of: Callable[..., str], distillation: tuple[str, ...]
):
    def distilled(*arguments: str) -> str:
        return id_of(ENTRY, *distillation, *arguments)

    others = ("teacher.num_epochs=3", "teacher.stddev=0.2", "teacher.num_negatives=3", "dataset.seed=1",
              "dataset.synthetic.num_users=41", "noise=1", "pairs_per_user=21")  # fmt: skip
    assert len({distilled(), *map(distilled, others)}) == 1 + len(others)
    assert distilled("data_dir=elsewhere") == distilled("eval_every=1") == distilled()


@pytest.mark.parametrize(
    "command", [["figure3", "num_users=128000", 12, 60], ["figure3_small", "embedding_dim=64", 9, 18]]
)
def test_a_study_is_the_papers_setup(command: list, jobs_of):
    study, argument, num_jobs, num_runs = command
    jobs = [job for job in jobs_of_study(ENTRY, study) if argument in job.overrides]
    assert (len(jobs), len({key for job in jobs for key in job.runs})) == (num_jobs, num_runs)
    for job in jobs:
        config = job.config
        width = config.embedding_dim * config.width_multiplier
        assert ENTRY.task.label(config).split()[-1] == f"{2 * width}-{width}-{width // 2}"
        setup = (config.pairs_per_user, config.num_fresh, config.noise, config.trivial_rmse, config.batch_size)
        assert setup == (100, 100_000, 0.85, 1.13, 256) and config.num_epochs == 32
        assert config.grid.learning_rate == [0.001] and config.schedule == "constant" and config.study.name == "figure3"


def test_the_study_has_every_cell_of_the_paper():
    from experiments.analysis.published import figure3

    params = OmegaConf.load(CONF / "study" / "imitate" / "figure3.yaml").hydra.sweeper.params
    users, dims, multipliers = ([int(x) for x in str(values).split(",")] for values in params.values())
    assert dict.fromkeys(multipliers, dims) == {m: list(curves) for m, curves in figure3().gaps.items()}
    assert users == list(figure3().gaps[1][16])


def test_names_agree_with_the_package():
    assert list(vars(configured(ENTRY).grid)) == list(ImitationMember._fields)
    assert list(configs.SCHEDULES) == list(SCHEDULES)
    for group in ("target",):
        files = sorted((CONF / group).glob("*.yaml"))
        assert [OmegaConf.load(file).target for file in files] == [file.stem for file in files]
