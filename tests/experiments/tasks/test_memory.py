"""What each kind of run plans to take of memory, beside what it trains."""

import pytest

from experiments import baselines, imitate, ratings, retrieval, sweep
from experiments.cli.compose import configured
from experiments.engine.memory import held_bytes
from experiments.tasks.imitator.teacher import teacher_memory
from ncfjax.training.recommender import ranking_bytes

pytestmark = pytest.mark.slow  # XLA compiles

RATINGS = ("dataset.num_users=300", "dataset.num_items=60", "dataset.ratings_per_user=20")


def work_of(module, *arguments: str):
    return module.ENTRY.task.open(configured(module.ENTRY, *arguments))


@pytest.mark.parametrize(
    ("module", "arguments"), [(sweep, []), (baselines, ["baseline=popularity"]), (retrieval, ["source.model=dot"])]
)
def test_the_data_that_are_ranked_count(module, arguments, tiny_data):
    small, large = (work_of(module, *tiny_data, *arguments, f"dataset.synthetic.num_users={n}") for n in (40, 400))
    assert small.memory.host == held_bytes(small.data) > 4 * 2 * len(small.data.train)
    assert large.memory.host - small.memory.host >= 4 * 60 * (400 - 40), "what they are drawn from too"


@pytest.mark.parametrize("method", ["biases", "alternating", "gradient"])
def test_the_ratings_their_whole_and_what_is_measured_count(method):
    work = work_of(ratings, *RATINGS, f"method={method}")
    assert work.memory.host >= 2 * 12 * (len(work.data.train) + len(work.data.test))
    assert sum(work.memory[:3]) >= 32 * len(work.data.train) + 64 * len(work.data.test)


def test_fits_side_by_side_count_each(tiny_data):
    four, eight = (work_of(ratings, *RATINGS, "method=ensemble", f"method.num_members={n}").memory.each for n in (4, 8))
    one = work_of(ratings, *RATINGS, "method=alternating").memory.each
    assert eight - four > 3 * 20 * 4800 and one < four


def test_the_teachers_of_an_imitator_and_its_ranking_count(distillation):
    work = work_of(imitate, *distillation, "dataset.synthetic.num_items=3000", "pairs_per_user=3")
    config, data, (fixed, each, host, *_) = work.config, work.target.data, work.memory
    teacher, tables = teacher_memory(config, data), 4 * config.embedding_dim * (40 + 3000)
    assert host >= held_bytes(data) + 2 * teacher.fixed + teacher.each - tables
    assert each >= tables + ranking_bytes(data, sum(work.spec.layers)) and fixed == 0


def test_pairs_that_are_drawn_count_and_not_their_combinations():
    small, large = (
        work_of(imitate, f"num_users={n}", "pairs_per_user=90", "num_fresh=10").memory[:3] for n in (3000, 12_000)
    )
    assert 5 * 12 * 3000 * 90 > sum(small) and sum(large) < 5 * sum(small), "of 16 times as many combinations"


def test_a_search_of_a_small_catalogue_plans_no_room_for_a_large_one(tiny_data):
    of = ("source.model=mlp", "source.num_epochs=1", "search=distill_ranking", "search.rank=5")
    small, drawn = (
        work_of(retrieval, *tiny_data, *of, f"num_items={size}").memory.each for size in ("null", "1000000")
    )
    assert small < 50_000_000 and 1_500_000_000 < drawn < 4_000_000_000


def test_the_models_of_all_seeds_and_what_the_last_of_them_are_asked_count(tiny_data):
    of = ("source.model=dot", "source.embedding_dim=64", "source.num_epochs=1", "num_items=100000")
    one, five = (
        work_of(retrieval, *tiny_data, *of, f"grid.seed=[{seeds}]").memory.each for seeds in ("0", "0,1,2,3,4")
    )
    assert five - one == 4 * 64 * (2 * 100_000 + 4 * (30 + 60))


def test_the_teachers_of_earlier_blocks_stay(distillation):
    one, four = (work_of(imitate, *distillation, f"grid.seed=[{seeds}]").memory.host for seeds in ("0", "0,1,2,3"))
    assert four - one == 3 * 4 * 4 * (40 + 60)


@pytest.mark.parametrize(
    ("module", "arguments", "num_floats"),
    [
        (baselines, ["baseline=ease"], 60**2),
        (baselines, ["baseline=ials", "baseline.embedding_dim=8"], 8 * (30 + 60)),
        (sweep, ["model.embedding_dim=8"], 3 * (8 * (30 + 60) + 1)),
        (ratings, ["method=alternating", "method.embedding_dim=8"], 8 * (300 + 60)),
        (ratings, ["method=gradient", "model.embedding_dim=8"], 3 * (8 * (300 + 60) + 1)),
    ],
)
def test_models_that_are_saved_count_once_more(module, arguments, num_floats, tiny_data):
    data = RATINGS if module is ratings else tiny_data
    without, saved = (work_of(module, *data, *arguments, f"save_models={s}").memory.each for s in ("false", "true"))
    assert saved - without == 4 * num_floats
