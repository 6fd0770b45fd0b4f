from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.data.rating_splits import RatingSplit, cold_items, cold_users, holdout, latest, random_fold, random_share
from ncfjax.data.ratings import STARS, Ratings


def draw_ratings(num=60, num_users=8, num_items=20, seed=0, times=True):
    rng = np.random.default_rng(seed)
    users, items = np.divmod(rng.choice(num_users * num_items, num, replace=False), num_items)
    timestamps = rng.permutation(num) if times else None
    return Ratings(users, items, rng.integers(1, 6, num), num_users, num_items, STARS, timestamps)


SPLITS = {
    "random_fold": lambda ratings, seed: random_fold(ratings, fold=2, num_folds=5, seed=seed),
    "random_share": lambda ratings, seed: random_share(ratings, share=0.2, seed=seed),
    "latest": lambda ratings, seed: latest(ratings, share=0.2),
    "cold_items": lambda ratings, seed: cold_items(ratings, share=0.2, seed=seed),
    "cold_users": lambda ratings, seed: cold_users(ratings, share=0.25, seed=seed),
}
each_split = pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)


@each_split
@given(num=st.integers(20, 100), seed=st.integers(0, 99))
def test_the_parts_of_a_split_are_disjoint_and_cover_all_ratings(split, num, seed):
    ratings = draw_ratings(num, seed=seed)
    parts = split(ratings, seed)
    for part in (parts.train, parts.test):
        is_in_part = np.isin(ratings.keys, part.keys)
        assert (part.values == ratings.values[is_in_part]).all() and (part.items == ratings.items[is_in_part]).all()
    assert sorted([*parts.train.keys, *parts.test.keys]) == sorted(ratings.keys)
    assert (parts.train.num_users, parts.test.num_items, parts.split) == (8, 20, "test")


@pytest.mark.parametrize("name", [name for name in SPLITS if name != "latest"])
def test_a_seed_gives_one_split_and_another_seed_another(name):
    ratings = draw_ratings()
    one, same, other = (SPLITS[name](ratings, seed).test.keys.tolist() for seed in (1, 1, 2))
    assert one == same != other


@given(st.integers(2, 7), st.integers(8, 80))
def test_random_folds_are_disjoint_of_almost_equal_size_and_cover_all_ratings(num_folds, num):
    ratings = draw_ratings(num)
    tests = [random_fold(ratings, fold=fold + 1, num_folds=num_folds, seed=3).test.keys for fold in range(num_folds)]
    assert sorted(np.concatenate(tests)) == sorted(ratings.keys)
    assert max(map(len, tests)) - min(map(len, tests)) <= 1


def test_every_rating_is_as_likely_to_be_in_a_random_share():
    ratings = draw_ratings(20)
    counts = sum(np.isin(ratings.keys, random_share(ratings, share=0.3, seed=seed).test.keys) for seed in range(500))
    assert counts.sum() == 500 * 6
    assert np.abs(counts - 150).max() < 4.5 * np.sqrt(500 * 0.3 * 0.7)


def test_the_latest_ratings_are_predicted_from_the_earlier_ones():
    split = latest(draw_ratings(50), share=0.1)
    assert len(split.test) == 5 and split.train.timestamps.max() < split.test.timestamps.min()


def test_among_equal_times_the_later_row_is_the_later_one():
    ratings = replace(draw_ratings(4), timestamps=np.array([7, 9, 7, 7]))
    assert latest(ratings, share=0.5).test.keys.tolist() == ratings.keys[[1, 3]].tolist()


@pytest.mark.parametrize(("split", "axis"), [(cold_items, "items"), (cold_users, "users")])
def test_nothing_of_a_cold_item_or_user_is_trained_on(split, axis):
    ratings = draw_ratings(num=50)
    parts = split(ratings, share=0.25, seed=1)
    warm, cold = (np.unique(getattr(part, axis)) for part in (parts.train, parts.test))
    assert not np.isin(cold, warm).any()
    assert len(cold) == round(0.25 * len(np.unique(getattr(ratings, axis))))
    assert parts.note == f"{len(cold)} of {len(cold) + len(warm)} {axis}, seed=1"


# holdout


@each_split
def test_a_holdout_is_a_part_of_the_training_ratings_and_never_sees_the_test(split):
    parts = split(draw_ratings(100, num_items=30), 4)
    tuned = holdout(parts, share=0.2, seed=4)
    assert sorted([*tuned.train.keys, *tuned.test.keys]) == sorted(parts.train.keys)
    assert not np.isin(tuned.test.keys, parts.test.keys).any()
    assert (tuned.name, tuned.fold, tuned.split) == (parts.name, parts.fold, "holdout")
    assert tuned.note.startswith(f"{parts.note}; holdout: ")


@pytest.mark.parametrize(("split", "axis"), [(cold_items, "items"), (cold_users, "users")])
def test_the_holdout_of_a_cold_split_is_cold(split, axis):
    tuned = holdout(split(draw_ratings(100), share=0.25, seed=0), share=0.25, seed=0)
    assert not np.isin(getattr(tuned.test, axis), getattr(tuned.train, axis)).any()


def test_the_holdout_of_the_latest_ratings_is_the_latest_of_the_training():
    tuned = holdout(latest(draw_ratings(60), share=0.25), share=0.2, seed=0)
    assert tuned.train.timestamps.max() < tuned.test.timestamps.min()


def test_a_holdout_of_a_holdout_is_refused():
    tuned = holdout(random_share(draw_ratings(), share=0.2, seed=0), share=0.2, seed=0)
    with pytest.raises(ValueError, match="holdout: expected a test split, got the holdout of random"):
        holdout(tuned, share=0.2, seed=0)


# what is refused


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
@pytest.mark.parametrize(
    ("name", "split"), [("random", random_share), ("cold_items", cold_items), ("cold_users", cold_users)]
)
def test_a_share_that_is_none_is_refused(name, split, share):
    with pytest.raises(ValueError, match=f"{name}: expected a share between 0 and 1, got {share:g}"):
        split(draw_ratings(), share=share, seed=0)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (lambda ratings: cold_users(ratings, share=0.05, seed=0), "cold_users: .* got 0.05 of 8, which is 0"),
        (lambda ratings: cold_items(ratings, share=0.99, seed=0), "cold_items: .* got 0.99 of 20, which is 20"),
        (
            lambda ratings: random_share(ratings, share=0.001, seed=0),
            "random: .* some and not all, got 0.001 of 60, which is 0",
        ),
        (lambda ratings: latest(ratings, share=0.001), "latest: .* got 0.001 of 60, which is 0"),
        (lambda ratings: random_fold(ratings, fold=6, num_folds=5, seed=0), r"fold: expected 1\.\.5, .* got 6 of 5"),
        (lambda ratings: random_fold(ratings, fold=0, num_folds=5, seed=0), "fold: .* got 0 of 5"),
        (lambda ratings: random_fold(ratings, fold=1, num_folds=1, seed=0), "of at least 2 folds, got 1 of 1"),
        (
            lambda ratings: random_fold(ratings.where(np.arange(3)), fold=4, num_folds=5, seed=0),
            "folds: expected at most 3, the number of ratings, got 5",
        ),
    ],
)
def test_a_split_without_test_or_training_is_refused(split, message):
    with pytest.raises(ValueError, match=message):
        split(draw_ratings())


@pytest.mark.parametrize(("times", "got"), [(None, "none"), (np.full(60, 3), "all alike")])
def test_without_time_stamps_there_is_no_latest(times, got):
    with pytest.raises(ValueError, match=f"latest: expected time stamps, got {got}"):
        latest(replace(draw_ratings(), timestamps=times), share=0.1)


def test_a_split_whose_parts_do_not_belong_together_is_refused():
    ratings = draw_ratings()
    first, rest = ratings.where(np.arange(3)), ratings.where(np.arange(2, 60))
    user, item = ratings.users[2], ratings.items[2]
    with pytest.raises(ValueError, match=f"given: .* not trained on, got user {user}, item {item} in both"):
        RatingSplit("given", rest, first)
    with pytest.raises(ValueError, match="given: expected training ratings, got none"):
        RatingSplit("given", ratings.where(np.zeros(60, bool)), first)
    with pytest.raises(ValueError, match="same users and items, got 8 x 20 and 9 x 20"):
        RatingSplit("given", rest, replace(ratings.where(np.arange(2)), num_users=9))
    with pytest.raises(ValueError, match="expected test or holdout of random, .* got test of other"):
        RatingSplit("other", rest, first)


def test_data_that_are_wrong_on_purpose_may_have_test_ratings_in_training():
    four_times = replace(draw_ratings(), allows_repeats=True).where(np.tile(np.arange(60), 4))
    split = random_share(four_times, share=0.2, seed=0)
    assert len(split.test) == 48 and np.isin(split.test.keys, split.train.keys).mean() > 0.9
