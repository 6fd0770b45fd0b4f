"""The data set that a configuration names."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from experiments import baselines, imitate, ratings, sweep
from experiments.cli.compose import configured
from experiments.engine.checks import ConfigError
from experiments.engine.config import CONF
from experiments.tasks.data import data_cells, data_identity, load_data, load_test_split
from experiments.tasks.rating import config as rating_config
from experiments.tasks.rating.data import load_job
from ncfjax.data import catalog, user_catalog
from ncfjax.data.synthetic import SyntheticOptions


@pytest.fixture
def config(tiny_data: tuple[str, ...]) -> Callable[..., Any]:
    """Of a sweep on tiny data."""
    return lambda *arguments: configured(sweep.ENTRY, *tiny_data, *arguments)


def test_the_test_split_has_the_candidates_that_are_asked_for(config):
    data = load_data(config())
    assert (data.split, data.held_out.negatives.shape) == ("test", (30, 20))
    assert load_data(config("dataset.num_negatives=7")).held_out.negatives.shape == (30, 7)


def test_the_holdout_has_one_candidate_more_than_the_test_split(config):
    """100 beside the 99 of the test files, as the study's script draws them for tuning."""
    assert load_data(config("split=holdout")).held_out.negatives.shape == (30, 20 + 1)
    assert load_data(config("split=holdout", "dataset.num_negatives=40")).held_out.negatives.shape == (30, 41)
    assert configured(sweep.ENTRY).dataset.num_negatives + 1 == 100


def test_the_holdout_sets_the_test_items_aside(config):
    test, holdout = load_data(config()), load_data(config("split=holdout"))
    assert holdout.split == "holdout" and len(holdout.train) == len(test.train) - 30
    assert np.all(holdout.held_out.positives != test.held_out.positives)
    pairs = set(zip(test.train.users.tolist(), test.train.items.tolist(), strict=True))
    assert set(enumerate(holdout.held_out.positives.tolist())) <= pairs, "its items are training items"


def test_the_negatives_of_the_holdout_are_drawn_with_the_seed_of_the_data(config):
    one, same, other = (load_data(config("split=holdout", f"dataset.seed={seed}")) for seed in (1, 1, 2))
    assert np.array_equal(one.held_out.negatives, same.held_out.negatives)
    assert not np.array_equal(one.held_out.negatives, other.held_out.negatives)


def test_the_last_data_set_is_kept(config):
    assert load_data(config()) is load_data(config("model=gmf"))
    assert load_data(config("split=holdout")) is load_data(config("split=holdout"))


@pytest.mark.parametrize("entry", [sweep, baselines])
def test_a_tuning_among_too_few_candidates_is_refused(entry):
    """With 9 negatives every held-out item is among the first 10."""
    with pytest.raises(ConfigError, match=r"dataset\.num_negatives: expected at least 10, as tune=true .*, got 9"):
        configured(entry.ENTRY, "tune=true", "dataset.num_negatives=9")
    assert configured(entry.ENTRY, "tune=true", "dataset.num_negatives=10").tune
    assert configured(entry.ENTRY, "dataset.num_negatives=9").dataset.num_negatives == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dataset.synthetic.num_items=10"], "dataset=synthetic: synthetic.num_items"),
        (["dataset.synthetic.rank=0"], "dataset=synthetic: synthetic.rank"),
    ],
)
def test_data_that_cannot_be_are_refused_under_their_name(arguments: list[str], message: str, config):
    with pytest.raises(ConfigError) as refused:
        load_data(config(*arguments))
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dataset=csv", "dataset.path=nowhere.csv"], "dataset=csv: "),
        (["dataset=ncf", "dataset.prefix=nowhere/ml-1m"], "dataset=ncf: "),
    ],
)
def test_a_file_that_is_not_there_is_refused_under_its_data_set(arguments: list[str], message: str):
    with pytest.raises(ConfigError) as refused:
        load_data(configured(sweep.ENTRY, *arguments))
    assert str(refused.value).startswith(message) and "nowhere" in str(refused.value)


def test_a_row_says_what_its_data_were_drawn_with(config):
    one = config("dataset.synthetic.seed=3")
    cells = data_cells(one, load_test_split(one.dataset, None))
    assert {name: cells[name] for name in ("dataset", "negatives")} == {
        "dataset": "synthetic", "negatives": "20 drawn, seed=0"
    }  # fmt: skip
    assert "num_users=30; num_items=60" in cells["note"] and "seed=3" in cells["note"]


def test_names_agree_with_the_package():
    names = {*catalog.NAMES, *user_catalog.NAMES, *rating_config.DATASET.options}
    assert sorted(path.stem for path in (CONF / "dataset").glob("*.yaml")) == sorted(names)


def test_the_synthetic_data_set_is_the_same_with_and_without_a_configuration():
    stated = OmegaConf.load(CONF / "dataset" / "synthetic.yaml").synthetic
    assert SyntheticOptions(**stated) == SyntheticOptions() and set(stated) == set(asdict(SyntheticOptions()))


def test_only_ratings_from_the_threshold_on_are_interactions(table: tuple[str, ...]):
    every, high = (load_data(configured(sweep.ENTRY, *table, *more)) for more in ((), ("dataset.min_rating=4",)))
    assert (len(every.train), len(high.train)) == (40, 13)
    assert data_cells(configured(sweep.ENTRY, *table), high)["note"].endswith("ratings of at least 4")


def test_strengths_are_the_weights_of_interactions(table: tuple[str, ...]):
    data = load_data(configured(baselines.ENTRY, *table, "dataset.strength=true", "baseline=ials"))
    assert set(data.train.weights.tolist()) == {1, 2} and data.note == "weighted by strength"
    assert load_data(configured(sweep.ENTRY, *table)).train.weights is None


@pytest.mark.parametrize("name", ["item_knn", "user_knn", "ease", "slim"])
def test_strengths_are_refused_where_nothing_would_weigh_by_them(refusal, table: tuple[str, ...], name: str):
    message = refusal(baselines.ENTRY, *table, "dataset.strength=true", f"baseline={name}")
    assert message.startswith(f"dataset.strength: expected false, as baseline={name} does not weigh interactions")


@pytest.mark.parametrize(
    ("entry", "arguments"),
    [
        (sweep, ("grid.seed=0", "grid.learning_rate=0.01", "grid.regularization=0.01")),
        (baselines, ("baseline=popularity",)),
        (imitate, ("target=recommender", "embedding_dim=4")),
    ],
)
def test_a_run_with_strengths_is_another_run(id_of, table: tuple[str, ...], entry, arguments: tuple[str, ...]):
    without, weighted = (id_of(entry.ENTRY, *arguments, *table, *more) for more in ((), ("dataset.strength=true",)))
    assert without != weighted
    assert id_of(entry.ENTRY, *arguments, *table, "dataset.strength=false") == without


def test_what_is_left_out_is_no_part_of_what_makes_a_run_what_it_is(table: tuple[str, ...]):
    """A key that is not set; and where the file lies, as its content tells what it is."""
    before = {"name", "content", "num_negatives", "seed", "split"}
    assert set(data_identity(configured(sweep.ENTRY, *table))) == before
    high = data_identity(configured(sweep.ENTRY, *table, "dataset.min_rating=4"))
    assert set(high) == before | {"min_rating"} and high["min_rating"] == 4


def test_a_threshold_is_refused_where_there_are_no_ratings():
    with pytest.raises(ConfigError, match="dataset.min_rating: expected nothing, as only dataset=csv or ml-100k"):
        configured(sweep.ENTRY, "dataset=ml-1m", "dataset.min_rating=4")


WRITTEN = [
    "dataset.separator=';'",
    "dataset.columns.user=konto",
    "dataset.columns.item=ware",
    "dataset.order=newest_first",
]


@pytest.fixture
def written(tmp_path: Path) -> list[str]:
    """A table of other names and another separator, and what tells how to read it."""
    path = tmp_path / "mine.csv"
    path.write_text("konto;ware;rating\n" + "".join(f"{row % 7};{row};{row % 5}\n" for row in range(70)))
    return ["dataset=csv", f"dataset.path={path}", *WRITTEN]


def test_how_a_table_is_written_is_said_by_keys(written: list[str]):
    data = load_data(configured(sweep.ENTRY, *written, "dataset.num_negatives=20"))
    assert data.train.item_ids[data.held_out.positives].tolist() == [str(user) for user in range(7)]
    assert "the file's order counts, newest_first" in data.note
    job = load_job(configured(ratings.ENTRY, *written, "folds=latest", "folds.share=0.1"))
    assert len(job.train) == 63 and job.test.item_ids[job.test.items].tolist() == [str(item) for item in range(7)]


@pytest.mark.parametrize("left_out", WRITTEN)
def test_how_a_table_is_read_makes_a_run_another_run(id_of, written: list[str], left_out: str):
    entry, arguments = baselines.ENTRY, ["baseline=popularity", *written]
    assert id_of(entry, *arguments) != id_of(entry, *(argument for argument in arguments if argument != left_out))


@pytest.mark.parametrize("argument", ["dataset.separator=x", "dataset.order=sideways", "dataset.columns.user=''"])
def test_what_cannot_be_said_of_a_table_is_refused(refusal, written: list[str], argument: str):
    for entry in (sweep, ratings):
        assert refusal(entry.ENTRY, *written, argument).startswith(argument.split("=")[0])
