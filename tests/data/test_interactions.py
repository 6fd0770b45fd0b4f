import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.data.interactions import HeldOut, Interactions, LeaveOneOut, is_among, pair_keys, sorted_distinct

keys = st.lists(st.integers(0, 30)).map(lambda values: np.array(values, np.int64))


def interactions(users=(0, 1, 1), items=(2, 0, 1), num_users=2, num_items=4):
    return Interactions(np.array(users), np.array(items), num_users, num_items)


def held_out(users=(0, 1), positives=(3, 3), negatives=((0, 1), (2, 0))):
    return HeldOut(np.array(users), np.array(positives), np.array(negatives))


@given(keys)
def test_sorted_distinct_equals_numpy_unique(values):
    np.testing.assert_array_equal(sorted_distinct(values), np.unique(values))


@given(keys, keys)
def test_is_among_equals_numpy_isin(values, known):
    np.testing.assert_array_equal(is_among(values, known), np.isin(values, known))


def test_pair_keys_do_not_overflow_32_bits():
    users, items = np.array([60_000, 60_000], np.int32), np.array([99_998, 99_999], np.int32)
    assert pair_keys(users, items, 100_000).tolist() == [6_000_099_998, 6_000_099_999]


@given(
    st.sets(st.tuples(st.integers(0, 9), st.integers(0, 19)), min_size=1).flatmap(lambda s: st.permutations(list(s)))
)
def test_interactions_keep_their_order_as_int32(pairs):
    users, items = np.array(pairs).T
    result = Interactions(users, items, 10, 20)
    assert result.users.dtype == result.items.dtype == np.int32
    assert list(zip(result.users.tolist(), result.items.tolist(), strict=True)) == pairs
    assert len(result) == len(pairs)


def test_interactions_cannot_be_changed_and_leave_their_source_alone():
    users = np.array([0, 1], np.int32)
    result = Interactions(users, np.array([0, 0]), 2, 1)
    with pytest.raises(ValueError, match="read-only"):
        result.users[0] = 1
    users[0] = 9
    assert result.users.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": (0, 1, 2)}, "users: expected ids below 2, got 2"),
        ({"items": (0, 1, 4)}, "items: expected ids below 4, got 4"),
        ({"users": (0, -1, 1)}, r"users: expected ids in 0\.\.2\*\*31-1, got -1\.\.1"),
        ({"items": (0, 1, 2**31)}, "items: expected ids in 0"),
        ({"items": (0.0, 1.0, 2.0)}, "items: expected integers of 1 dimension.*float64"),
        ({"items": ((0, 1, 2),)}, r"items: expected integers of 1 dimension.*\(1, 3\)"),
        ({"items": (0, 1)}, "items: expected 3 ids, one per user, got 2"),
        ({"users": (1, 0, 1), "items": (2, 2, 2)}, "expected distinct pairs, got user 1, item 2 twice"),
    ],
)
def test_interactions_refuse_what_would_be_clamped_or_counted_twice(change, message):
    with pytest.raises(ValueError, match=message):
        interactions(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": (1, 1)}, "expected each user once"),
        ({"positives": (1,)}, "positives: expected 2 rows, one per user, got 1"),
        ({"negatives": ((0, 1),)}, "negatives: expected 2 rows, one per user, got 1"),
        ({"negatives": (0, 1)}, "negatives: expected integers of 2 dimension"),
    ],
)
def test_held_out_refuses_rows_that_do_not_match(change, message):
    with pytest.raises(ValueError, match=message):
        held_out(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": (0, 2)}, "held-out users: expected ids below 2, got 2"),
        ({"positives": (3, 4)}, "held-out positives: expected ids below 4, got 4"),
        ({"negatives": ((0, 1), (2, 4))}, "held-out negatives: expected ids below 4, got 4"),
        ({"positives": (3, 1)}, "expected pairs that are not in train, got user 1, item 1"),
    ],
)
def test_leave_one_out_refuses_a_held_out_pair_that_is_out_of_range_or_in_train(change, message):
    with pytest.raises(ValueError, match=message):
        LeaveOneOut("tiny", "test", interactions(), held_out(**change), "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": (0, 0, 2), "num_users": 3}, "set-aside users: expected ids below 2, got 2"),
        ({"items": (2, 0, 4), "num_items": 5}, "set-aside items: expected ids below 4, got 4"),
        ({"items": (2, 0, 3)}, "expected pairs that are not in set_aside, got user 1, item 3"),
    ],
)
def test_leave_one_out_refuses_a_set_aside_pair_that_is_out_of_range_or_held_out(change, message):
    with pytest.raises(ValueError, match=message):
        LeaveOneOut("tiny", "test", interactions(), held_out(), "file", set_aside=interactions(**change))


def test_leave_one_out_refuses_an_unknown_split():
    with pytest.raises(ValueError, match="split: expected 'test' or 'holdout', got 'train'"):
        LeaveOneOut("tiny", "train", interactions(), held_out(), "file")


def test_a_positive_among_its_own_negatives_stays():
    data = LeaveOneOut("tiny", "test", interactions(), held_out(negatives=((3, 1), (2, 0))), "file")
    assert data.held_out.negatives[0].tolist() == [3, 1]


@pytest.mark.parametrize(
    ("users", "times", "order"),
    [
        ([0, 0, 1, 1], [9, 5, 7, 7], "newest first"),
        ([0, 1, 0, 1], [9, 7, 5, 7], "newest first"),
        ([0, 0, 1, 1], [5, 9, 7, 7], "file"),
        ([0, 0, 1, 1], [3, 3, 3, 3], "unknown"),
        ([0, 0, 1, 1], None, "unknown"),
        ([], [], "unknown"),
    ],
)
def test_time_stamps_tell_the_order_of_each_users_rows(users, times, order):
    items = np.arange(len(users))
    assert Interactions(np.array(users, int), items, 2, 4, None if times is None else np.array(times)).order == order


@pytest.mark.parametrize("times", [[1.0], [[1.0], [2.0]], [1.0, np.nan], ["a", "b"]])
def test_time_stamps_that_are_not_one_number_per_pair_are_refused(times):
    with pytest.raises(ValueError, match="timestamps: expected 2 numbers, one per pair, got"):
        Interactions(np.array([0, 1]), np.array([0, 1]), 2, 2, np.array(times))


def test_weights_are_single_precision_and_go_with_their_pairs():
    users, items = np.array([0, 1, 1]), np.array([2, 0, 1])
    weighted = Interactions(users, items, 2, 4, np.array([3, 2, 1]), np.array([1, 5, 2]))
    assert weighted.weights.dtype == np.float32
    for rows in (np.array([False, True, True]), np.array([1, 2])):
        part = weighted.where(rows)
        assert (part.weights.tolist(), part.timestamps.tolist(), part.items.tolist()) == ([5, 2], [2, 1], [0, 1])
    assert interactions().where(np.array([0])).weights is None


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2, 3], r"weights: expected 2 numbers, one per pair, got shape \(3,\)"),
        ([1, 0], "weights: expected numbers > 0, got 0"),
        ([-2, 1], "weights: expected numbers > 0, got -2"),
        ([1, np.nan], "weights: expected numbers > 0, got nan"),
        ([1, np.inf], "weights: expected numbers > 0, got inf"),
    ],
)
def test_weights_that_are_not_one_positive_number_per_pair_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        Interactions(np.array([0, 1]), np.array([0, 1]), 2, 2, weights=np.array(weights))


def test_messages_name_users_and_items_as_their_files_do():
    names = {"user_ids": np.array(["ann", "bob"], object), "item_ids": np.array(["tea", "milk"], object)}
    with pytest.raises(ValueError, match="expected distinct pairs, got user bob, item tea twice"):
        Interactions(np.array([1, 1]), np.array([0, 0]), 2, 2, **names)
    train = Interactions(np.array([1]), np.array([0]), 2, 2, **names)
    with pytest.raises(ValueError, match="held_out: expected pairs that are not in train, got user bob, item tea"):
        LeaveOneOut("tiny", "test", train, HeldOut(np.array([1]), np.array([0]), np.array([[1]])), "file")
