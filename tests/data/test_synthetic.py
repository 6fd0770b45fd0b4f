import numpy as np
import pytest

from ncfjax.data.synthetic import SyntheticOptions, make_synthetic


def num_above(scores, data):
    """Counts for each held-out positive the negatives that score at least as high."""
    held_out = data.held_out
    positive = scores[held_out.users, held_out.positives]
    return (scores[held_out.users[:, None], held_out.negatives] >= positive[:, None]).sum(axis=1)


def popularity(data):
    counts = np.bincount(data.train.items, minlength=data.train.num_items)
    return np.broadcast_to(counts, (data.train.num_users, data.train.num_items))


def test_sizes_are_those_of_the_options():
    data = make_synthetic(SyntheticOptions(num_users=200, num_items=150, interactions_per_user=20), num_negatives=50)
    counts = np.bincount(data.train.users) + 1
    assert (data.train.num_users, data.train.num_items) == (200, 150)
    assert data.oracle.scores.shape == (200, 150)
    assert data.oracle.scores.dtype == np.float32
    assert data.held_out.users.tolist() == list(range(200))
    assert data.held_out.negatives.shape == (200, 50)
    assert set(counts.tolist()) == set(range(16, 25))
    assert (data.name, data.split, data.negatives) == ("synthetic", "test", "50 drawn, seed=0")


def test_same_seed_same_data_and_another_seed_others():
    options = SyntheticOptions(num_users=50, seed=3)
    first, again = make_synthetic(options), make_synthetic(options)
    np.testing.assert_array_equal(first.train.items, again.train.items)
    np.testing.assert_array_equal(first.held_out.negatives, again.held_out.negatives)
    np.testing.assert_array_equal(first.oracle.scores, again.oracle.scores)
    other = make_synthetic(SyntheticOptions(num_users=50, seed=4))
    assert (other.oracle.scores != first.oracle.scores).mean() > 0.99


def test_the_seed_of_the_negatives_changes_nothing_else():
    first, other = (make_synthetic(SyntheticOptions(num_users=50), seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(first.train.items, other.train.items)
    np.testing.assert_array_equal(first.held_out.positives, other.held_out.positives)
    assert (first.held_out.negatives != other.held_out.negatives).any()


def test_negatives_are_neither_train_nor_held_out_items():
    data = make_synthetic(SyntheticOptions(num_users=300))
    touched = np.zeros((300, 500), bool)
    touched[data.train.users, data.train.items] = True
    touched[data.held_out.users, data.held_out.positives] = True
    assert not touched[data.held_out.users[:, None], data.held_out.negatives].any()


def test_true_scores_rank_far_better_than_popularity_and_not_perfectly():
    data = make_synthetic(SyntheticOptions())
    oracle, popular = ((num_above(scores, data) < 10).mean() for scores in (data.oracle.scores, popularity(data)))
    assert 0.65 < oracle < 0.85
    assert 0.25 < popular < oracle - 0.2


def test_the_held_out_item_and_the_first_train_row_are_like_any_other():
    """The order of sampling prefers high scores; neither the held-out item nor the holdout's may inherit it."""
    data = make_synthetic(SyntheticOptions(num_users=4000, num_items=200))
    scores, train = data.oracle.scores, data.train
    usual = scores[train.users, train.items]
    first = np.unique(train.users, return_index=True)[1]
    tolerance = 4 * usual.std() / np.sqrt(4000)
    assert abs(scores[data.held_out.users, data.held_out.positives].mean() - usual.mean()) < tolerance
    assert abs(usual[first].mean() - usual.mean()) < tolerance


def test_equal_scores_sample_items_uniformly():
    options = SyntheticOptions(num_users=5000, num_items=40, popularity_skew=0.0, preference_stddev=0.0)
    data = make_synthetic(options, num_negatives=5)
    counts = np.bincount(np.concatenate([data.train.items, data.held_out.positives]), minlength=40)
    share = 25 / 40
    assert np.abs(counts - 5000 * share).max() < 4.5 * np.sqrt(5000 * share * (1 - share))


def test_skew_sets_how_popular_the_popular_items_are():
    top = []
    for skew in (0.0, 0.5, 1.0):
        counts = np.sort(popularity(make_synthetic(SyntheticOptions(popularity_skew=skew, preference_stddev=0.5)))[0])
        top.append(counts[-50:].sum() / counts.sum())
    assert top[0] + 0.1 < top[1] < top[2] - 0.1


def test_the_preference_has_its_standard_deviation():
    options = SyntheticOptions(num_users=2000, num_items=2000, rank=16, popularity_skew=0.0, preference_stddev=1.5)
    assert make_synthetic(options).oracle.scores.std() == pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_users": 0}, "synthetic.num_users: expected at least 1, got 0"),
        ({"rank": -1}, "synthetic.rank: expected at least 1, got -1"),
        ({"interactions_per_user": 1}, "synthetic.interactions_per_user: expected at least 2"),
        ({"popularity_skew": -0.1}, "synthetic.popularity_skew: expected at least 0, got -0.1"),
        ({"popularity_skew": float("nan")}, "synthetic.popularity_skew: expected at least 0, got nan"),
        ({"preference_stddev": float("inf")}, "synthetic.preference_stddev: expected a finite number, got inf"),
        ({"num_users": 100_000, "num_items": 1251}, r"at most 125,000,000 \(1 GB\), got 100,000 \* 1,251 \(1\.0 GB\)"),
        ({"rank": 10**9}, r"expected num_users \* rank of at most 125,000,000 \(1 GB\), got 1,000 \* 1,000,000,000"),
        ({"popularity_skew": float("-inf")}, "synthetic.popularity_skew: expected at least 0, got -inf"),
        ({"seed": -1}, "synthetic.seed: expected at least 0, got -1"),
    ],
)
def test_impossible_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        SyntheticOptions(**options)


@pytest.mark.parametrize("option", ["popularity_skew", "preference_stddev"])
def test_numbers_whose_scores_are_not_finite_are_refused(option):
    with pytest.raises(ValueError, match="expected a popularity_skew and preference_stddev of finite scores"):
        make_synthetic(SyntheticOptions(**{option: 1e300}))


def test_too_few_items_are_refused_with_the_number_needed():
    with pytest.raises(
        ValueError, match=r"num_items: expected at least 129 \(30 interactions and 99 negatives\), got 128"
    ):
        make_synthetic(SyntheticOptions(num_items=128))
    assert make_synthetic(SyntheticOptions(num_items=129)).train.num_items == 129


def test_items_that_nobody_drew_are_counted():
    data = make_synthetic(SyntheticOptions(num_users=5, num_items=200, interactions_per_user=5))
    rows = {*data.train.items.tolist(), *data.held_out.positives.tolist()}
    assert data.train.num_items == 200 and data.note == f"{200 - len(rows)} of 200 items are in no row"
    assert make_synthetic(SyntheticOptions()).note == ""
