"""What a sweep is told: what is refused, what a run is, and that the names agree with those of the package."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from experiments.cli.compose import configured
from experiments.engine.config import CONF
from experiments.engine.jobs import Job
from experiments.sweep import ENTRY
from experiments.tasks.models import OPTIMIZERS, model_options
from experiments.tasks.recommender import config as configs
from ncfjax.models.registry import similarity_names
from ncfjax.training.loop import EPOCHS
from ncfjax.training.recommender import Member

ONE = ("grid.learning_rate=0.1", "grid.regularization=0.1", "grid.seed=0", "model.embedding_dim=8")


def points_of(jobs: list[Job]) -> list[tuple[float, ...]]:
    """Without the axes that they do not have."""
    return [tuple(x for x in point if x is not None) for job in jobs for point in job.runs.values()]


def test_points_are_the_product_of_the_axes_with_the_seed_fastest(jobs_of: Callable[..., list[Job]]):
    jobs = jobs_of(ENTRY, "grid.learning_rate=0.1,0.2", "grid.regularization=0", "grid.stddev=1", "grid.seed=5,3")
    assert points_of(jobs) == [(rate, 0.0, 1.0, 1.0, seed) for rate in (0.1, 0.2) for seed in (5, 3)]
    assert next(iter(jobs[0].runs.values()))._fields == Member._fields


def test_a_grid_entry_of_a_file_is_a_number_or_a_list(tmp_path: Path):
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid" / "mine.yaml").write_text("learning_rate: 1e-3\nregularization: [0, 1.0e-2]\nseed: 7\n"
                                                 "stddev: 0.1\nnegative_weight: 1\n")  # fmt: skip
    config = configured(ENTRY, "grid=mine", f"hydra.searchpath=[file://{tmp_path}]")
    assert [tuple(point[:5]) for point in ENTRY.task.points(config)] == [
        (0.001, 0.0, 0.1, 1.0, 7), (0.001, 0.01, 0.1, 1.0, 7)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    ["grid.learning_rate=1.0e-1", "grid.negative_weight=1", "data_dir=elsewhere", "eval_every=1", "model.biases=true",
     "select_epoch=last", "tune_by=hit_ratio@10", "model.layers=null"],
)  # fmt: skip
def test_what_is_not_the_run_does_not_change_its_id(change: str, id_of: Callable[..., str]):
    assert id_of(ENTRY, *ONE, change) == id_of(ENTRY, *ONE)


@pytest.mark.parametrize(
    "change",
    [
        "dataset=ml-1m", "dataset.seed=1", "dataset.num_negatives=98", "dataset.synthetic.rank=9", "split=holdout",
        "model.embedding_dim=9", "model.biases=false", "objective=sampled", "objective.batch_size=9",
        "objective.num_negatives=9", "optimizer=adam", "grid.learning_rate=0.2", "grid.regularization=0.2",
        "grid.stddev=0.2", "grid.negative_weight=0.5", "grid.seed=1", "num_epochs=65", "optimizer=lazy_adam",
        "objective.reject_positives=true", "objective=sampled objective.shuffle_examples=true", "model=gmf",
        "select_epoch=test",
    ],
)  # fmt: skip
def test_whatever_the_run_is_changes_its_id(change: str, id_of: Callable[..., str]):
    assert id_of(ENTRY, *ONE, *change.split()) != id_of(ENTRY, *ONE)


def test_a_tuning_run_is_another_run_than_the_same_one_on_test(id_of: Callable[..., str]):
    ids = {id_of(ENTRY, *ONE), id_of(ENTRY, *ONE, "split=holdout"), id_of(ENTRY, *ONE, "tune=true")}
    assert len(ids) == 3, "tune=true is the holdout, and its rows compete"


def test_where_the_test_split_chooses_the_epoch_evaluating_more_often_is_another_run(id_of: Callable[..., str]):
    first, second = (id_of(ENTRY, *ONE, "select_epoch=test", f"eval_every={n}") for n in (1, 2))
    assert first != second


@pytest.mark.parametrize("other", ["model.layers=[16,4]", "model.regularize_weights=false", "pretraining=trained",
                                   "pretraining=trained pretraining.alpha=0.4"])  # fmt: skip
def test_another_tower_penalty_or_start_is_another_run(other: str, id_of: Callable[..., str]):
    neumf = (*ONE, "model=neumf", "model.embedding_dim=12")
    assert id_of(ENTRY, *neumf, *other.split()) != id_of(ENTRY, *neumf)
    assert id_of(ENTRY, *neumf, "pretraining=trained") != id_of(ENTRY, *neumf)


@pytest.mark.parametrize(("model", "dim", "layers"), [("mlp", 64, [128, 64, 32]), ("neumf", 48, [64, 32, 16])])
def test_layers_scale_with_the_embedding_and_may_be_given(model: str, dim: int, layers: list[int], id_of):
    model = (*ONE, f"model={model}", f"model.embedding_dim={dim}")
    assert model_options(configured(ENTRY, *model).model)["layers"] == tuple(layers)
    assert id_of(ENTRY, *model) == id_of(ENTRY, *model, f"model.layers={layers}".replace(" ", ""))


def test_a_key_that_is_not_set_is_no_part_of_a_run():
    """So a key that a later version adds, null by default, does not rename the runs that are stored."""
    config = configured(ENTRY, *ONE, "dataset=ml-1m")
    (point,) = ENTRY.task.points(config)
    identity = ENTRY.task.identity(config, point)
    assert config.dataset.prefix is None and identity["data"].keys() == {"name", "num_negatives", "seed", "split"}
    assert "pretraining" not in identity and "layers" not in identity["model"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.embeding_dim=16"], "model.embeding_dim: no such key, did you mean model.embedding_dim?"),
        (["embedding_dim=16"], "embedding_dim: no such key, did you mean model.embedding_dim?"),
        (["learning_rate=1"], "learning_rate: no such key, did you mean grid.learning_rate?"),
        (["optimizer.learning_rate=1"], "optimizer.learning_rate: no such key, did you mean grid.learning_rate?"),
        (["+model.depth=3"], "model.depth: no such key"),
        (["foo=1", "model.embedding_dim=8,16"], "foo: no such key"),
        (["model=dott"], "model=dott: no such model, did you mean dot?"),
        (["objective=expected,smapled"], "objective=smapled: no such objective, did you mean sampled?"),
        (["optimizer=adamw"], "optimizer=adamw: no such optimizer, did you mean adam?"),
        (["model.embedding_dim=1"], "model.embedding_dim: expected an integer >= 2"),
        (["model.embedding_dim=0", "model.biases=false"], "model.embedding_dim: expected an integer >= 1"),
        (["model=neumf", "model.embedding_dim=16"], "model.embedding_dim: expected a multiple of 3"),
        (["model=mlp", "model.embedding_dim=9"], "model.embedding_dim: expected a multiple of 2"),
        (["model.name=dott"], "did you mean dot"),
        (["objective.name=expectd"], "did you mean expected"),
        (["optimizer.name=adamw"], "did you mean adam"),
        (["num_epochs=0"], "num_epochs: expected an integer >= 1, unless pretraining=dot or distilled, got 0"),
        (["num_epochs=4,0"], "num_epochs: expected an integer >= 1, unless pretraining=dot or distilled, got 0"),
        (["num_epochs=-1"], "num_epochs: expected an integer >= 0, got -1"),
        (["pretraining=distilled"], "pretraining: expected distilled only with model=mlp or neumf, got 'distilled'"),
        (["pretraining=dot"], "pretraining: expected dot only with model=residual, got 'dot'"),
        (["pretraining=distilled", "model=neumf"], "pretraining.alpha: expected a number from 0 to 1, as model=neumf"),
        (["pretraining=distilled", "model=mlp", "pretraining.alpha=0.5"], "pretraining.alpha: expected nothing, as"),
        (["model=mlp", "grid.bias_regularization=0"], "grid.bias_regularization: expected nothing, as no vector of"),
        (
            ["model=gmf", "model.regularize_weights=false", "grid.weights_regularization=0.1"],
            "grid.weights_regularization: expected nothing, as model.regularize_weights is false, got [0.1]",
        ),
        (["grid.decay=1.5"], "grid.decay: expected a number above 0, at most 1, got 1.5"),
        (
            ["zip=true", "grid.learning_rate=0.1", "grid.decay=0.5,0.6", "grid.regularization=0.1,0.2,0.3"],
            "grid.decay: expected 1 value or 3, as zip=true, got 2",
        ),
        (["objective.batch_size=0"], "objective.batch_size: expected an integer >= 1, got 0"),
        (["objective.num_negatives=0"], "objective.num_negatives: expected an integer >= 1, got 0"),
        (["grid.learning_rate=-1"], "grid.learning_rate: expected a number > 0, got -1"),
        (["grid.learning_rate=nan"], "grid.learning_rate: expected a number > 0"),
        (["grid.regularization=[0.1,-0.1]"], "grid.regularization: expected a number >= 0, got -0.1"),
        (["grid.stddev=0"], "grid.stddev: expected a number > 0, got 0"),
        (["grid.negative_weight=inf"], "grid.negative_weight: expected a number >= 0, got inf"),
        (["grid.learning_rate=[1,1.0]"], "grid.learning_rate: expected each value once"),
        (["model=mlp", "model.layers=[30,16,8]"], "model.layers: expected [32, ...], 2 * model.embedding_dim first"),
        (["model=mlp", "model.layers=[32]"], "then the width of each ReLU layer, at least one, got [32]"),
        (["model=mlp", "model.layers=[32,0]"], "model.layers"),
        (["model=mlp", "model.layers=[32,8.5]"], "model.layers: expected a list of integers"),
        (["model=mlp", "model.layers=32"], "expected a list of integers in brackets, such as [64,32,16,8], got 32"),
        (
            ["model=neumf", "model.layers=[48,16]"],
            "model.layers: expected an even number below 2 * model.embedding_dim",
        ),
        (["model=neumf", "model.layers=[31,16]"], "an even number below 2 * model.embedding_dim = 48"),
        (
            ["model=gmf", "model.layers=[32,16]"],
            "model.layers: expected nothing, as only model=mlp,neumf,residual has ",
        ),
        (["model=gmf", "model.biases=true"], "model.biases: expected nothing, as only model=dot has "),
        (
            ["model.regularize_weights=false"],
            "model.regularize_weights: expected nothing, as only model=bilinear,gmf,",
        ),
        (["pretraining=trained"], "pretraining: expected none unless model=neumf, got 'trained'"),
        (["pretraining.alpha=0.5"], "pretraining.alpha: expected nothing"),
        (["model=neumf", "pretraining=trained", "pretraining.alpha=-0.1"], "pretraining.alpha: expected a number from"),
        (["model=neumf", "pretraining=trained", "pretraining.alpha=nan"], "pretraining.alpha: expected a number from"),
        (["model=neumf", "pretraining=trained", "pretraining.num_epochs=0"], "pretraining.num_epochs: expected an int"),
        (
            ["model=neumf", "pretraining=trained", "pretraining.learning_rate=0"],
            "pretraining.learning_rate: expected a number > 0, got 0",
        ),
        (["model=neumf", "pretraining=keras"], "pretraining.gmf: expected a file, as pretraining=keras"),
        (
            ["objective.shuffle_examples=true"],
            "objective.shuffle_examples: expected nothing, as only objective=sampled",
        ),
        (["select_epoch=best"], "select_epoch=best: no such name"),
        (["select_epoch=holdout"], "as only tune=true evaluates on a holdout"),
        (["select_epoch=test", "split=holdout"], "select_epoch: expected last, as split=holdout, got 'test'"),
        (["select_epoch=test", "tune=true"], "select_epoch: expected last or holdout, as tune=true"),
        (["+study=figure2_ml-1m_mlp", "model.embedding_dim=20"], "20: expected one of 16, 32, 64, 128, for which this"),
    ],
)
def test_what_cannot_be_is_refused_by_name(arguments: list[str], message: str, refusal: Callable[..., str]):
    assert message in refusal(ENTRY, *arguments)


def test_without_biases_one_dimension_is_enough():
    assert configured(ENTRY, "model.embedding_dim=1", "model.biases=false").model.embedding_dim == 1


def test_a_job_is_named_by_its_data_its_model_and_how_that_starts():
    labels = [ENTRY.task.label(configured(ENTRY, *words)) for words in ([], ["model=neumf", "pretraining=trained"])]
    assert labels == ["synthetic dot d=16 expected", "synthetic neumf d=24 expected, pretraining=trained"]


def test_a_tuning_may_choose_the_epoch_of_its_final_runs():
    task = ENTRY.task
    assert task.chosen_epoch(12) == ["num_epochs=12"]
    rules = [task.epoch_rule(configured(ENTRY, *words)) for words in ([], ["tune=true", "select_epoch=holdout"])]
    assert rules == ["last", "all"]


def test_a_winner_is_the_winner_of_its_data_and_its_model():
    """Not of what else was swept, which competes."""
    base = ("dataset=ml-1m", "model=mlp")
    group = ENTRY.task.tuning_group(configured(ENTRY, *base))
    for same in ("objective.num_negatives=3", "optimizer=adam", "num_epochs=2"):
        assert ENTRY.task.tuning_group(configured(ENTRY, *base, same)) == group, same
    for other in ("dataset=pinterest", "model.embedding_dim=32", "model=gmf"):
        assert ENTRY.task.tuning_group(configured(ENTRY, *base, other)) != group, other


@pytest.mark.parametrize("group", ["model", "objective", "optimizer", "pretraining"])
def test_every_name_has_its_file_and_every_file_its_name(group: str):
    files = sorted((CONF / group).glob("*.yaml"))
    names = {"model": similarity_names(), "objective": EPOCHS, "optimizer": OPTIMIZERS,
             "pretraining": configs.PRETRAININGS}  # fmt: skip
    assert [OmegaConf.load(file).name for file in files] == [file.stem for file in files]
    assert {file.stem for file in files} == set(names[group])


def test_names_agree_with_the_package():
    assert set(configs.OBJECTIVES) == set(EPOCHS)
    assert list(vars(configured(ENTRY).grid)) == list(Member._fields)


def test_the_columns_of_a_model_stand_behind_its_dimension_and_each_other_beside_what_it_belongs_to():
    """A table of an older version lacks some of them, and is read wherever they stand."""
    columns = list(ENTRY.task.all_columns)
    for before, *new in (
        ("embedding_dim", "biases", "frozen_constants", "gate_width", "gmf_sigmoid", "layers", "num_components"),
        ("num_components", "regularize_weights", "temperature", "unit_weights", "objective"),
        ("num_negatives", "reject_positives", "shuffle_examples", "negative_weight"),
        ("optimizer", "pretraining", "learning_rate"),
        ("num_epochs", "select_epoch", "epoch", "batch_size"),
    ):
        at = columns.index(before)
        assert columns[at + 1 : at + 1 + len(new)] == new


def test_figure2_is_trained_with_the_hyperparameters_of_the_study(jobs_of: Callable[..., list[Job]]):
    from experiments.cli.studies import jobs_of as jobs_of_study

    jobs = jobs_of_study(ENTRY, "figure2_ml-1m")
    assert [job.config.model.embedding_dim for job in jobs] == [16, 32, 64, 96, 128, 192]
    for job in jobs:
        assert points_of([job]) == [(0.002, 0.005, 0.1, 1.0, seed) for seed in range(8)]
        assert (job.config.objective.name, job.config.objective.num_negatives) == ("expected", 8)
        assert job.config.split == "test"
