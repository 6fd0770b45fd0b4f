"""Configurations: what is refused, what a run is, and that the names agree with those of the package."""

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from experiments import config as configs
from experiments.checks import resolve
from experiments.cli import options
from experiments.config import CONF, ConfigError, Point, SyntheticConfig, keys, nearest, points, register, run_config
from experiments.study import Job
from experiments.sweep import ENTRY
from experiments.sweeper import register as register_sweeper
from ncfjax.data import catalog
from ncfjax.data.synthetic import SyntheticOptions
from ncfjax.models.similarity import similarity_names
from ncfjax.store import run_id
from ncfjax.training.loop import EPOCHS
from ncfjax.training.recommender import Member


def configured(*overrides: str) -> configs.SweepConfig:
    register(), register_sweeper()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return resolve(compose("sweep", overrides=list(overrides)))


def test_points_are_the_product_of_the_axes_with_the_seed_fastest():
    config = configured("grid.learning_rate=[0.1,0.2]", "grid.regularization=0", "grid.stddev=[1]", "grid.seed=[5,3]")
    assert points(config) == [
        Point(rate, 0.0, 1.0, 1.0, seed) for rate in (0.1, 0.2) for seed in (5, 3)
    ]  # fmt: skip


def test_a_grid_entry_of_a_file_is_a_number_or_a_list(tmp_path: Path):
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid" / "mine.yaml").write_text("learning_rate: 1e-3\nregularization: [0, 1.0e-2]\nseed: 7\n"
                                                 "stddev: 0.1\nnegative_weight: 1\n")  # fmt: skip
    config = configured("grid=mine", f"hydra.searchpath=[file://{tmp_path}]")
    assert points(config) == [Point(0.001, 0.0, 0.1, 1.0, 7), Point(0.001, 0.01, 0.1, 1.0, 7)]


ONE = ("grid.learning_rate=0.1", "grid.regularization=0.1", "grid.seed=0", "model.embedding_dim=8")


def id_of(*overrides: str) -> str:
    config = configured(*ONE, *overrides)
    return run_id(run_config(config, points(config)[0]))


@pytest.mark.parametrize(
    "change",
    [
        "results_dir=elsewhere", "study.name=other", "memory_gb=1", "data_dir=elsewhere", "dry_run=true", "tune=true",
        "eval_every=1", "final_seeds=[9]", "tune_by=hit_ratio@10", "grid.seed=[0,1]", "grid.learning_rate=[0.1,0.2]",
        "grid.learning_rate=1.0e-1", "grid.negative_weight=1",
    ],
)  # fmt: skip
def test_what_is_not_the_run_does_not_change_its_id(change: str):
    assert id_of(change) == id_of()


@pytest.mark.parametrize(
    "change",
    [
        "dataset=ml-1m", "dataset.seed=1", "dataset.num_negatives=98", "dataset.synthetic.rank=9", "split=holdout",
        "phase=tune", "model.embedding_dim=9", "model.biases=false", "objective=sampled", "objective.batch_size=9",
        "objective.num_negatives=9", "optimizer=adam", "grid.learning_rate=0.2", "grid.regularization=0.2",
        "grid.stddev=0.2", "grid.negative_weight=0.5", "grid.seed=1", "num_epochs=65", "optimizer=lazy_adam",
        "objective.reject_positives=true", "objective=sampled objective.shuffle_examples=true", "model=gmf",
        "select_epoch=test",
    ],
)  # fmt: skip
def test_whatever_the_run_is_changes_its_id(change: str):
    assert id_of(*change.split()) != id_of()


def test_where_the_test_split_chooses_the_epoch_looking_more_often_is_another_run():
    assert id_of("select_epoch=test", "eval_every=1") != id_of("select_epoch=test", "eval_every=2")


@pytest.mark.parametrize("other", ["model.layers=[16,4]", "model.regularize_weights=false", "pretraining=trained",
                                   "pretraining=trained pretraining.alpha=0.4"])  # fmt: skip
def test_another_tower_penalty_or_start_is_another_run(other: str):
    neumf = ("model=neumf", "model.embedding_dim=12")
    assert id_of(*neumf, *other.split()) != id_of(*neumf) and id_of(*neumf, "pretraining=trained") != id_of(*neumf)


def test_layers_scale_with_the_embedding():
    assert configured("model=mlp", "model.embedding_dim=64").model.layers == [128, 64, 32]
    assert configured("model=neumf", "model.embedding_dim=48").model.layers == [64, 32, 16]
    with pytest.raises(Exception, match="model.embedding_dim: expected a multiple of 3, as model.layers"):
        configured("model=neumf", "model.embedding_dim=16")


def test_a_key_that_is_not_set_is_no_part_of_a_run():
    """So a key that a later version adds, null by default, does not rename the runs that are stored."""
    config = configured(*ONE, "dataset=ml-1m")
    assert config.dataset.synthetic is None
    assert "synthetic" not in run_config(config, points(config)[0])["data"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.embedding_dim=1"], "model.embedding_dim: expected an integer >= 2"),
        (["model.embedding_dim=0", "model.biases=false"], "model.embedding_dim: expected an integer >= 1"),
        (["model.name=dott"], "did you mean dot"),
        (["objective.name=expectd"], "did you mean expected"),
        (["optimizer.name=adamw"], "did you mean adam"),
        (["dataset.name=ml1m"], "did you mean ml-1m"),
        (["split=validation"], "valid: test, holdout"),
        (["num_epochs=0"], "num_epochs: expected an integer >= 1, got 0"),
        (["eval_every=0"], "eval_every: expected an integer >= 1, got 0"),
        (["objective.batch_size=0"], "objective.batch_size"),
        (["objective.num_negatives=0"], "objective.num_negatives"),
        (["dataset.num_negatives=0"], "dataset.num_negatives"),
        (["dataset.seed=-1"], "dataset.seed"),
        (["memory_gb=0"], "memory_gb: expected a number > 0"),
        (["memory_gb=inf"], "memory_gb"),
        (["grid.learning_rate=-1"], "grid.learning_rate: expected numbers > 0, got -1"),
        (["grid.learning_rate=nan"], "grid.learning_rate"),
        (["grid.regularization=[0.1,-0.1]"], "grid.regularization: expected numbers >= 0, got -0.1"),
        (["grid.stddev=0"], "grid.stddev"),
        (["grid.negative_weight=inf"], "grid.negative_weight"),
        (["grid.seed=a"], "grid.seed: expected integers from 0 to 2147483647, got 'a'"),
        (["grid.seed=1.5"], "grid.seed"),
        (["grid.seed=true"], "grid.seed"),
        (["grid.seed=[[0,1]]"], "grid.seed"),
        (["grid.seed=[]"], "grid.seed: expected at least one"),
        (["grid.seed=[0,1,0]"], "grid.seed: expected each value once"),
        (["grid.learning_rate=[1,1.0]"], "grid.learning_rate: expected each value once"),
        (["tune=true", "final_seeds=[]"], "final_seeds: expected at least one"),
        (["study.name=a/b"], "study.name"),
        (["study.name=.."], "study.name"),
        (["dataset=ncf"], "dataset.prefix: expected FOLDER/NAME"),
        (["dataset=csv"], "dataset.path"),
        (["dataset.path=here.csv"], "as only dataset=csv has one"),
        (["model=mlp", "model.layers=[30,16,8]"], "model.layers: expected [32, ...], 2 * model.embedding_dim first"),
        (["model=mlp", "model.layers=[32]"], "then the width of each ReLU layer, at least one, got [32]"),
        (["model=mlp", "model.layers=[32,0]"], "model.layers"),
        (["model=mlp", "model.layers=[32,8.5]"], "model.layers: expected a list of integers"),
        (["model=mlp", "model.layers=32"], "expected a list of integers in brackets, such as [64,32,16,8], got 32"),
        (["model=mlp", "model.layers=null"], "model.layers: expected a value, as model=mlp"),
        (
            ["model=neumf", "model.layers=[48,16]"],
            "model.layers: expected an even number below 2 * model.embedding_dim",
        ),
        (["model=neumf", "model.layers=[31,16]"], "an even number below 2 * model.embedding_dim = 48"),
        (["model=gmf", "model.layers=[32,16]"], "nothing, as only model=mlp or neumf has one"),
        (["model=gmf", "model.biases=true"], "nothing, as only model=dot has one"),
        (["model.regularize_weights=false"], "nothing, as only model=gmf or mlp or neumf has one"),
        (["pretraining=trained"], "pretraining: expected none unless model=neumf, got 'trained'"),
        (["pretraining.alpha=0.5"], "pretraining.alpha: expected nothing"),
        (["model=neumf", "pretraining=trained", "pretraining.alpha=-0.1"], "pretraining.alpha: expected a number from"),
        (["model=neumf", "pretraining=trained", "pretraining.alpha=nan"], "pretraining.alpha: expected a number from"),
        (["model=neumf", "pretraining=trained", "pretraining.num_epochs=0"], "pretraining.num_epochs: expected an int"),
        (["model=neumf", "pretraining=trained", "pretraining.learning_rate=0"], "pretraining.learning_rate"),
        (["model=neumf", "pretraining=keras"], "pretraining.gmf: expected a value, as pretraining=keras"),
        (["tune_by=hr@10"], "tune_by=hr@10: no such name"),
        (["objective.shuffle_examples=true"], "objective.shuffle_examples: expected false unless objective=sampled"),
        (["select_epoch=best"], "select_epoch=best: no such name"),
        (["select_epoch=holdout"], "as only tune=true looks at a holdout"),
        (["select_epoch=test", "split=holdout"], "select_epoch: expected last, as split=holdout, got 'test'"),
        (["select_epoch=test", "tune=true"], "select_epoch: expected last or holdout, as tune=true"),
        (["dataset.name=ml-1m"], "dataset.synthetic: expected sizes if, and only if"),
    ],
)
def test_what_cannot_be_is_refused_by_name(overrides: list[str], message: str):
    with pytest.raises(ConfigError) as refused:
        configured(*overrides)
    assert message in str(refused.value)


def test_without_biases_one_dimension_is_enough():
    assert configured("model.embedding_dim=1", "model.biases=false").model.embedding_dim == 1


@pytest.mark.parametrize(
    ("got", "right"),
    [
        ("model.embeding_dim", "model.embedding_dim"),
        ("embedding_dim", "model.embedding_dim"),
        ("learning_rate", "grid.learning_rate"),
        ("grid.lerning_rate", "grid.learning_rate"),
        ("num_epoch", "num_epochs"),
        ("optimizer.learning_rate", "grid.learning_rate"),
    ],
)
def test_the_nearest_key_is_proposed(got: str, right: str):
    assert f"did you mean {right}?" in nearest(got, keys())


def test_nothing_is_proposed_where_nothing_is_near():
    assert nearest("xyzzy", ["test", "holdout"]) == "valid: test, holdout"


def test_names_agree_with_the_package():
    assert sorted(path.stem for path in (CONF / "dataset").glob("*.yaml")) == sorted(catalog.NAMES)
    assert [field.name for field in fields(SyntheticConfig)] == [field.name for field in fields(SyntheticOptions)]
    assert Point._fields == Member._fields
    assert set(configs.OBJECTIVES) == set(EPOCHS)
    assert set(configs.MODELS) == set(similarity_names())


def test_the_synthetic_data_set_is_the_same_with_and_without_a_configuration():
    assert SyntheticOptions(**OmegaConf.load(CONF / "dataset" / "synthetic.yaml").synthetic) == SyntheticOptions()


@pytest.mark.parametrize("group", ["model", "objective", "optimizer"])
def test_every_name_has_its_file_and_every_file_its_name(group: str):
    files = sorted((CONF / group).glob("*.yaml"))
    assert [OmegaConf.load(file).name for file in files] == [file.stem for file in files]
    assert {file.stem for file in files} == set(getattr(configs, f"{group.upper()}S"))


@pytest.mark.parametrize("name", ["ml-1m", "pinterest", "pinterest-u37501", "ml-100k", "ml-1m-ratings", "synthetic"])
def test_every_data_set_composes(name: str):
    assert configured(f"dataset={name}").dataset.name == name


STUDIES = {
    "block_size_ml-1m": ("block-size-ml-1m", 4, 16),
    "equal_budget_ml-1m": ("equal-budget-ml-1m", 6, 54),
    "equal_budget_ml-1m_free_weights": ("equal-budget-ml-1m", 4, 36),
    "equal_budget_ml-1m_neumf": ("equal-budget-ml-1m", 4, 36),
    "equal_budget_pinterest-u37501": ("equal-budget-pinterest-u37501", 4, 24),
    "figure2_ml-1m": ("figure2-ml-1m", 3, 24),
    "figure2_ml-1m_gmf": ("figure2-ml-1m", 6, 12),
    "figure2_ml-1m_large": ("figure2-ml-1m", 3, 24),
    "figure2_ml-1m_mlp": ("figure2-ml-1m", 4, 8),
    "figure2_ml-1m_neumf": ("figure2-ml-1m", 4, 8),
    "figure2_ml-1m_sampled": ("figure2-ml-1m", 3, 6),
    "ncf_reference_ml-1m": ("ncf-reference-ml-1m", 3, 12),
    "ncf_reference_ml-1m_on_test": ("ncf-reference-ml-1m", 3, 12),
    "ncf_reference_ml-1m_pretrained": ("ncf-reference-ml-1m", 1, 3),
    "synthetic": ("sweep", 3, 36),
    "tuning_ml-1m": ("tuning-ml-1m", 3, 60),
}


@pytest.mark.parametrize("name", options(ENTRY)["study"])
def test_every_study_composes_and_its_head_tells_command_device_and_minutes(
    name: str, jobs_of: Callable[..., list[Job]]
):
    jobs = jobs_of(f"+study={name}")
    runs = {key for job in jobs for key in job.runs}
    folder, num_jobs, num_runs = STUDIES[name]
    assert ({job.config.study.name for job in jobs}, len(jobs), len(runs)) == ({folder}, num_jobs, num_runs)
    head = (CONF / "study" / f"{name}.yaml").read_text().split("defaults:")[0]
    assert f"python -m experiments.sweep +study={name}" in head and "HR@10" in head
    assert re.search(r"About\s(# )?[\d.]+\s(# )?minutes\s(# )?on\s(# )?two\s(# )?CPU\s(# )?cores", head)


def test_figure2_is_trained_with_the_hyperparameters_of_the_study(jobs_of: Callable[..., list[Job]]):
    jobs = [*jobs_of("+study=figure2_ml-1m"), *jobs_of("+study=figure2_ml-1m_large")]
    assert [job.config.model.embedding_dim for job in jobs] == [16, 32, 64, 96, 128, 192]
    for job in jobs:
        assert list(job.runs.values()) == [Point(0.002, 0.005, 0.1, 1.0, seed) for seed in range(8)]
        assert (job.config.objective.name, job.config.objective.num_negatives) == ("expected", 8)
        assert job.config.split == "test"
