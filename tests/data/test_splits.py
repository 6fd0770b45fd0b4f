import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ncfjax.data.interactions import HeldOut, Interactions, LeaveOneOut
from ncfjax.data.numbering import number_pairs
from ncfjax.data.ratings import Ratings, Scale
from ncfjax.data.splits import draw_negatives, holdout, leave_one_out, leave_one_out_of_ratings


def draw(users, pairs, num_items, num_negatives, seed=0):
    excluded = np.array(pairs, np.int32).reshape(-1, 2)
    sizes = {"num_items": num_items, "num_negatives": num_negatives}
    return draw_negatives(np.array(users, np.int32), excluded[:, 0], excluded[:, 1], **sizes, seed=seed)


# draw_negatives


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 11)), max_size=30),
    st.integers(0, 5),
    st.integers(0, 2**32),
)
def test_negatives_are_distinct_and_never_excluded(users, pairs, num_negatives, seed):
    allowed = [set(range(12)) - {item for owner, item in pairs if owner == user} for user in users]
    if min(map(len, allowed)) < num_negatives:
        with pytest.raises(ValueError, match=f"expected at least {num_negatives} items to draw negatives from"):
            draw(users, pairs, 12, num_negatives, seed)
        return
    negatives = draw(users, pairs, 12, num_negatives, seed)
    assert negatives.dtype == np.int32
    assert negatives.shape == (len(users), num_negatives)
    for row, items in zip(negatives.tolist(), allowed, strict=True):
        assert len(set(row)) == num_negatives
        assert set(row) <= items


def test_a_user_with_just_enough_items_gets_all_of_them():
    pairs = [(3, item) for item in range(0, 10, 2)]
    assert sorted(draw([3], pairs, 10, 5)[0].tolist()) == [1, 3, 5, 7, 9]


def test_same_seed_same_negatives_and_another_seed_others():
    pairs = [(user, user % 50) for user in range(100)]
    first, again, other = (draw(range(100), pairs, 500, 20, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9


def test_every_allowed_item_is_equally_likely_in_every_place():
    num_draws, pairs = 40_000, [(0, 0), (0, 3), (0, 4), (0, 9)]
    negatives = draw([0] * num_draws, pairs, 10, 3)
    counts = np.stack([np.bincount(place, minlength=10) for place in negatives.T])
    assert (counts[:, [0, 3, 4, 9]] == 0).all()
    stderr = np.sqrt(num_draws * (1 / 6) * (5 / 6))
    assert np.abs(counts[:, [1, 2, 5, 6, 7, 8]] - num_draws / 6).max() < 4.5 * stderr


def test_every_pair_of_allowed_items_is_equally_likely():
    num_draws = 30_000
    negatives = np.sort(draw([0] * num_draws, [(0, 2)], 5, 2), axis=1)
    counts = np.unique(negatives, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert np.abs(counts - num_draws / 6).max() < 4.5 * np.sqrt(num_draws * (1 / 6) * (5 / 6))


def test_memory_does_not_grow_with_the_catalogue():
    users = np.arange(5000, dtype=np.int32)
    tracemalloc.start()
    draw_negatives(users, users, users, num_items=1_000_000, num_negatives=20, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # one byte per user and item would be 5e9


# leave_one_out


def split(users, items, timestamps, **options):
    """Of rows of any ids."""
    pairs = number_pairs(users, items, timestamps)
    sizes = len(pairs.user_ids), len(pairs.item_ids)
    return leave_one_out(Interactions(pairs.users, pairs.items, *sizes, timestamps[pairs.rows]), name="tiny", **options)


def plain_leave_one_out(rows):
    """The same split, user by user; rows of (user, item, timestamp)."""
    items = {item: number for number, item in enumerate(dict.fromkeys(item for _, item, _ in rows))}
    train, held_out = [], []
    for number, user in enumerate(sorted({user for user, _, _ in rows})):
        mine = [(time, row, items[item]) for row, (owner, item, time) in enumerate(rows) if owner == user]
        newest_first = list(dict.fromkeys(item for _, _, item in sorted(mine, reverse=True)))
        if len(newest_first) > 1:
            held_out.append((number, newest_first.pop(0)))
        train += [(number, item) for item in newest_first]
    return train, held_out


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([7, 3, 30, -1]), st.sampled_from([90, 5, 7, 60]), st.integers(0, 3)), min_size=1)
)
def test_leave_one_out_equals_a_loop_over_users(rows):
    train, held_out = plain_leave_one_out(rows)
    arguments = [np.array(column) for column in zip(*rows, strict=True)]
    if not held_out:
        with pytest.raises(ValueError, match="tiny: expected a user with at least two items, got none"):
            split(*arguments, num_negatives=0)
        return
    data = split(*arguments, num_negatives=0)
    assume(not data.note)  # else no time tells the order
    assert list(zip(data.train.users.tolist(), data.train.items.tolist(), strict=True)) == train
    assert list(zip(data.held_out.users.tolist(), data.held_out.positives.tolist(), strict=True)) == held_out


def test_leave_one_out_by_hand():
    users = np.array([20, 10, 20, 10, 20, 30])
    items = np.array([5, 5, 4, 9, 8, 4])
    timestamps = np.array([1.5, 2.0, 3.0, 2.0, 2.5, 9.0])  # user 10: a tie, the later row is held out
    data = split(users, items, timestamps, num_negatives=1)
    assert data.held_out.users.tolist() == [0, 1]
    assert data.held_out.positives.tolist() == [2, 1]
    assert data.train.users.tolist() == [0, 1, 1, 2]
    assert data.train.items.tolist() == [0, 3, 0, 1]
    assert data.held_out.negatives[1].tolist() == [2]
    assert (data.split, data.negatives) == ("test", "1 drawn, seed=0")
    assert data.note == "not evaluated: 1 of 3 users, with a single row"


def test_users_and_items_without_interactions_are_left_out():
    observed = Interactions(np.array([1, 1, 4]), np.array([7, 2, 7]), 6, 9, np.array([1, 2, 3]))
    data = leave_one_out(observed, name="tiny", num_negatives=0)
    assert (data.train.num_users, data.train.num_items) == (2, 2)
    assert pairs_of(data.train.users, data.train.items) == [(0, 1), (1, 1)]
    assert pairs_of(data.held_out.users, data.held_out.positives) == [(0, 0)]


def test_weights_go_with_their_pairs():
    times, weights = np.array([3, 1, 2]), np.array([1.0, 5.0, 2.0])
    observed = Interactions(np.array([0, 0, 0]), np.array([0, 1, 2]), 1, 3, times, weights)
    data = leave_one_out(observed, name="tiny", num_negatives=0)
    assert data.train.items.tolist() == [2, 1] and data.train.weights.tolist() == [2.0, 5.0]
    assert holdout(data, num_negatives=0).train.weights.tolist() == [5.0]


@pytest.mark.parametrize("times", [lambda n: None, np.ones])
def test_where_no_time_is_known_a_random_row_of_each_user_is_held_out(times):
    """Not the first or last of the file, which may be sorted by item."""
    users, items = np.repeat(np.arange(900), 3), np.tile(np.arange(3), 900)
    observed = Interactions(users, items, 900, 3, times(2700))
    data, again, other = (leave_one_out(observed, name="tiny", num_negatives=0, seed=seed) for seed in (0, 0, 1))
    assert (np.bincount(data.held_out.positives) > 250).all() and np.bincount(data.held_out.positives).sum() == 900
    assert data.note == "held out: a random row of each user, no time stamp tells their order"
    np.testing.assert_array_equal(data.held_out.positives, again.held_out.positives)
    assert (data.held_out.positives != other.held_out.positives).any()
    assert holdout(data, num_negatives=0).note.endswith(
        "holdout: a random row of each user, no time stamp tells their order"
    )


@pytest.mark.parametrize("times", [[-(2**63), 2**63 - 1, 0], np.array([0, 2**63 + 5, 2**63], np.uint64)])
def test_the_largest_and_the_smallest_times_are_in_their_order(times):
    users, items = np.zeros(4, int), np.arange(4)
    train = Interactions(users[:3], items[:3], 1, 5, np.array(times))
    assert train.order == "file"
    data = LeaveOneOut("tiny", "test", train, HeldOut(users[3:], items[3:], np.array([[4]])), "file")
    assert holdout(data, num_negatives=1).held_out.positives.tolist() == [1]


def test_a_user_with_too_few_items_is_named_as_in_the_file():
    observed = Interactions(np.array([0, 0]), np.array([0, 1]), 1, 2, np.arange(2), user_ids=np.array(["ann"], object))
    message = (
        "user ann: expected at least 9 items to draw negatives from, got 0 of 2; dataset.num_negatives asks for fewer"
    )
    with pytest.raises(ValueError, match=message):
        leave_one_out(observed, name="tiny", num_negatives=9)


def test_ratings_below_the_threshold_are_no_interactions():
    users, items, times = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 0, 3]), np.arange(5)
    ratings = Ratings(users, items, np.array([4, 5, 3, 2, 1]), 2, 4, Scale(1.0, 5.0), times, note="mine")
    data = leave_one_out_of_ratings(ratings, name="tiny", min_rating=4.0, num_negatives=0)
    assert pairs_of(data.held_out.users, data.held_out.positives) == [(0, 1)]
    assert pairs_of(data.train.users, data.train.items) == [(0, 0)] and data.train.num_users == 1
    assert data.note == "mine; ratings of at least 4"
    every = leave_one_out_of_ratings(ratings, name="tiny", num_negatives=0)
    assert (len(every.train), every.note) == (3, "mine")


# holdout

rows_per_user = st.lists(st.integers(0, 4), min_size=1, max_size=8).filter(lambda counts: max(counts) > 1)


def newest_first(num_rows: int) -> np.ndarray:
    return -np.arange(num_rows)


def make_data(num_rows, seed=0, num_items=30, times=newest_first):
    """User u has num_rows[u] train items and one test item, all distinct; `times` gives each row's time stamp."""
    rng = np.random.default_rng(seed)
    items = [rng.permutation(num_items)[: count + 1] for count in num_rows]
    users = np.repeat(np.arange(len(num_rows)), num_rows)
    order = rng.permutation(len(users))  # users need not be contiguous
    train_items = np.concatenate([row[1:] for row in items])
    train = Interactions(users[order], train_items[order], len(num_rows), num_items, times(len(users)))
    positives = np.array([row[0] for row in items])
    negatives = np.zeros((len(num_rows), 1), np.int32)
    return LeaveOneOut("tiny", "test", train, HeldOut(np.arange(len(num_rows)), positives, negatives), "file", "subset")


def pairs_of(users, items):
    return list(zip(users.tolist(), items.tolist(), strict=True))


@settings(deadline=None)
@given(rows_per_user, st.integers(0, 9))
def test_where_rows_are_newest_first_holdout_moves_the_first_row_of_each_user_with_two(num_rows, seed):
    data = make_data(num_rows, seed)
    before = pairs_of(data.train.users, data.train.items)
    first = {}
    for row in before:
        first.setdefault(row[0], row)
    moved = [first[user] for user in first if num_rows[user] > 1]
    result = holdout(data, num_negatives=3, seed=seed)
    assert set(pairs_of(result.held_out.users, result.held_out.positives)) == set(moved)
    assert len(result.held_out) == len(moved)
    assert pairs_of(result.train.users, result.train.items) == [row for row in before if row not in moved]


@settings(deadline=None)
@given(rows_per_user, st.integers(0, 9))
def test_where_rows_are_in_another_order_holdout_moves_the_latest_row(num_rows, seed):
    data = make_data([*num_rows, 3], seed, times=lambda n: np.random.default_rng(seed).permutation(n) / 7)
    rows = sorted(zip(data.train.timestamps, data.train.users, data.train.items, strict=True))
    latest = {user: item for _, user, item in rows}
    result = holdout(data, num_negatives=3, seed=seed)
    moved = pairs_of(result.held_out.users, result.held_out.positives)
    assert dict(moved) == {user: latest[user] for user, _ in moved}
    expected = {"newest first": "subset", "file": "subset; holdout: latest time stamp, rows are in another order"}
    assert result.note.partition("; holdout: not evaluated")[0] == expected[data.train.order]


@pytest.mark.parametrize("times", [lambda n: None, np.zeros])
def test_where_no_time_is_known_holdout_moves_a_random_row(times):
    """A row is as likely to be moved wherever it stands: the first of three in a third of the users."""
    data = make_data([3] * 3_000, num_items=300, times=times)
    result = holdout(data, num_negatives=3)
    assert result.note == "subset; holdout: a random row of each user, no time stamp tells their order"
    _, first = np.unique(data.train.users, return_index=True)
    share = np.mean(data.train.items[first] == result.held_out.positives[np.argsort(result.held_out.users)])
    assert abs(share - 1 / 3) < 4 * np.sqrt(2 / 9 / 3_000)
    again, other = (holdout(data, num_negatives=3, seed=seed).held_out for seed in (0, 1))
    np.testing.assert_array_equal(result.held_out.positives, again.positives)
    assert np.mean(again.positives != other.positives) > 0.5


def test_what_is_left_keeps_its_time_stamps():
    result = holdout(make_data([3, 1, 4]), num_negatives=2)
    assert len(result.train.timestamps) == len(result.train) and result.train.order == "newest first"


@settings(deadline=None)
@given(rows_per_user, st.integers(0, 9))
def test_holdout_negatives_avoid_train_holdout_and_test_items(num_rows, seed):
    data = make_data(num_rows, seed)
    result = holdout(data, num_negatives=5, seed=seed)
    known = set(pairs_of(data.train.users, data.train.items) + pairs_of(data.held_out.users, data.held_out.positives))
    for user, row in zip(result.held_out.users.tolist(), result.held_out.negatives.tolist(), strict=True):
        assert len(set(row)) == 5
        assert not known & {(user, item) for item in row}


def test_holdout_draws_100_negatives_by_default_and_says_so():
    data = make_data([3] * 20, num_items=200)
    result = holdout(data, seed=7)
    assert result.held_out.negatives.shape == (20, 100)  # 101 candidates with the positive
    assert (result.split, result.negatives) == ("holdout", "100 drawn, seed=7")
    assert (result.note, result.name) == ("subset", "tiny")


def test_the_study_could_draw_the_test_item_as_a_negative():
    data = make_data([3] * 50, num_items=20)
    for excluded, expected in ((True, 0), (False, 50)):
        num_negatives = 16 if excluded else 17  # all that there are
        result = holdout(data, num_negatives=num_negatives, exclude_test_item=excluded)
        test_items = data.held_out.positives[result.held_out.users]
        assert (result.held_out.negatives == test_items[:, None]).sum() == expected


def test_the_split_by_time_keeps_the_times_of_what_is_trained_on():
    data = split(np.array([7, 7, 7]), np.array([1, 2, 3]), np.array([5, 9, 7]), num_negatives=0)
    assert data.train.timestamps.tolist() == [7, 5] and data.train.order == "newest first"


def test_holdout_is_deterministic_by_seed():
    data = make_data([3] * 50, num_items=300)
    first, again, other = (holdout(data, seed=seed).held_out.negatives for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_holdout_sets_the_test_items_aside_unless_they_may_be_negatives():
    data = make_data([3, 1, 4])
    assert data.set_aside is None
    aside = holdout(data, num_negatives=2).set_aside
    assert pairs_of(aside.users, aside.items) == pairs_of(data.held_out.users, data.held_out.positives)
    assert holdout(data, num_negatives=2, exclude_test_item=False).set_aside is None


def test_who_is_not_evaluated_on_the_holdout_is_counted():
    note = holdout(make_data([3, 1, 4]), num_negatives=2).note
    assert note == "subset; holdout: not evaluated: 1 of 3 users, with fewer than two train rows"
    assert holdout(make_data([3, 4]), num_negatives=2).note == "subset"


def test_who_has_too_few_items_left_is_named_by_its_id():
    """As users and items are in a file: by text, by numbers with gaps."""
    users, items = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, 2])
    observed = Interactions(users, items, 2, 3, np.arange(5), user_ids=np.array(["ada", "bo"]))
    with pytest.raises(ValueError, match="user bo: expected at least 1 items to draw negatives from, got 0 of 3"):
        leave_one_out(observed, name="tiny", num_negatives=1)


def test_a_holdout_without_users_is_refused():
    with pytest.raises(ValueError, match="holdout: expected a user of tiny with at least two train rows, got none"):
        holdout(make_data([1, 0, 1]), num_negatives=2)


def test_a_holdout_of_a_holdout_is_refused():
    data = holdout(make_data([3, 3]), num_negatives=2)
    with pytest.raises(ValueError, match="expected the test split of tiny, got its 'holdout' split"):
        holdout(data, num_negatives=2)
