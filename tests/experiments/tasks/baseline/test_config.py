"""What a baseline is told: what is refused, what a run is, and that the names agree with those of the package."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from experiments.baselines import ENTRY
from experiments.cli.compose import configured
from experiments.engine.checks import ConfigError
from experiments.engine.config import CONF
from experiments.tasks.baseline.plan import plan_of
from ncfjax.baselines.methods import METHODS, fit_of
from ncfjax.training.blocks import cut_into_groups, size_text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["baseline=eas"], "baseline=eas: no such baseline, did you mean ease?"),
        (["baseline.name=eas"], "baseline.name=eas: no such name, did you mean ease?"),
        (["baseline=ease", "grid.regularization=0"], "grid.regularization: expected a number > 0, got 0"),
        (["baseline=ease", "grid.l1=1"], "grid.l1: expected nothing, as only baseline=slim has it"),
        (["baseline=ease", "grid.seed=0,1"], "grid.seed: expected nothing, as only baseline=ials has it"),
        (["baseline=ease", "grid.regularization=null"], "grid.regularization: expected a number > 0, as baseline=ease"),
        (["baseline=ease", "baseline.num_epochs=3"], "baseline.num_epochs: expected nothing, as only baseline=ials"),
        (["baseline=slim", "grid.l1=0", "grid.l2=0"], "grid.l1, grid.l2: expected numbers that are not both 0"),
        (["baseline=slim", "baseline.num_sweeps=0"], "baseline.num_sweeps: expected an integer >= 1, got 0"),
        (["baseline=item_knn", "grid.num_neighbors=0"], "grid.num_neighbors: expected an integer >= 1, got 0"),
        (["baseline=item_knn", "grid.shrinkage=-1"], "grid.shrinkage: expected a number >= 0, got -1"),
        (["baseline=ials", "baseline.block_size=48"], "baseline.block_size: expected a divisor of"),
        (["baseline=ease", "table_shards=2"], "table_shards: expected 1, as baseline=ease has no tables, got 2"),
        (["baseline=ials", "grid.unobserved_weight=0"], "grid.unobserved_weight: expected a number > 0, got 0"),
        (["baseline=ials", "grid.seed=0.5"], "grid.seed: expected an integer from 0"),
        (["baseline=ials", "tune=true", "final_seeds=-1"], "final_seeds: expected an integer from 0"),
        (["evaluation.ties=random"], "evaluation.ties=random: no such name"),
        (["evaluation.self_negatives=gone"], "evaluation.self_negatives=gone: no such name"),
        (["evaluation.ties=favour", "tune=true"], "evaluation: expected ties: against"),
    ],
)
def test_what_cannot_be_is_refused_by_name(arguments: list[str], message: str, refusal: Callable[..., str]):
    assert message in refusal(ENTRY, *arguments)


@pytest.mark.parametrize(("name", "most"), [("item_knn", "59, the other items"), ("user_knn", "29, the other users")])
def test_neighbors_that_the_data_set_does_not_have_are_refused(tiny_data: tuple[str, ...], name: str, most: str):
    config = configured(ENTRY, *tiny_data, f"baseline={name}", "grid.num_neighbors=60")
    with pytest.raises(ConfigError, match=f"grid.num_neighbors: expected at most {most} of synthetic, got 60"):
        ENTRY.task.opened(config)


def test_more_shards_than_there_are_devices_are_refused(tiny_data: tuple[str, ...]):
    config = configured(ENTRY, *tiny_data, "baseline=ials", "table_shards=1000")
    with pytest.raises(ConfigError, match="table_shards: expected at most .* devices that are there, got 1000"):
        ENTRY.task.opened(config)


def test_an_ease_that_does_not_fit_is_refused_with_the_bytes_of_its_one_array(tiny_data: tuple[str, ...]):
    work = ENTRY.task.opened(configured(ENTRY, *tiny_data, "baseline=ease"))
    expected = r"expected at least .* \(EASE is dense: 4 bytes x items\^2, of 60 items\), got"
    with pytest.raises(ValueError, match=expected):
        cut_into_groups([SimpleNamespace(seed=0)], work.memory, 1000, 1)


def test_what_is_the_run_changes_its_id_and_nothing_else_does(id_of: Callable[..., str]):
    ials = ("baseline=ials",)
    for same in (
        "eval_every=2",
        "evaluation.ties=against",
        "evaluation.self_negatives=masked",
        "baseline.num_epochs=12",
    ):
        assert id_of(ENTRY, *ials, same) == id_of(ENTRY, *ials), same
    for other in ("baseline.embedding_dim=32", "grid.seed=1", "evaluation.ties=order", "split=holdout", "grid.nu=0.5",
                  "evaluation.self_negatives=counted", "dataset.seed=1", "baseline.block_size=8"):  # fmt: skip
        assert id_of(ENTRY, *ials, other) != id_of(ENTRY, *ials), other


def test_a_job_is_named_by_its_data_and_its_method():
    labels = [ENTRY.task.label(configured(ENTRY, f"baseline={name}")) for name in ("ease", "ials")]
    assert labels[0] == "synthetic ease" and labels[1].startswith("synthetic ials d=")


def test_a_method_has_the_axes_that_it_takes_in_the_order_of_the_table():
    for name, method in METHODS.items():
        grid = vars(configured(ENTRY, f"baseline={name}").grid)
        axes = [axis for axis, values in grid.items() if values is not None]
        assert sorted(axes) == sorted(method.hyperparameters)
        assert axes == [column for column in ENTRY.task.columns if column in axes]


def test_every_method_is_fitted_by_the_function_of_its_name():
    assert {fit_of(name).__name__ for name in METHODS} == {
        "fit_popularity", "fit_item_knn", "fit_user_knn", "fit_ease", "fit_slim", "ials_epochs"
    }  # fmt: skip


def test_every_method_has_its_file_and_its_columns():
    files = sorted((CONF / "baseline").glob("*.yaml"))
    assert {file.stem for file in files} == set(METHODS)
    assert [OmegaConf.load(file).baseline.name for file in files] == [file.stem for file in files]
    for method in METHODS.values():
        assert {*method.sizes, *method.hyperparameters} <= set(ENTRY.task.columns)


def test_the_plan_of_spread_tables_says_what_lies_on_a_device_and_what_is_sent(tiny_data: tuple[str, ...]):
    train = ENTRY.task.opened(configured(ENTRY, *tiny_data, "baseline=ials")).data.train
    assert plan_of(train, 16, 1) == []
    rows, vectors = plan_of(train, 16, 7)
    filled = 7 * -(-train.num_users // 7) + 7 * -(-train.num_items // 7)
    of_device = size_text(3 * 4 * 16 * filled / 7)
    assert f"{filled - train.num_users - train.num_items} rows fill them up: {of_device} on each device" in rows
    assert "ids go to all by all-gather" in vectors and "16 x 16 numbers add up" in vectors
