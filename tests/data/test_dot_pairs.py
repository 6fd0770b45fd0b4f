import tracemalloc

import numpy as np
import pytest

from ncfjax.data.dot_pairs import DRAW_BYTES, DotPairOptions, distinct_below, draw_dot_pairs


def labels(vectors, pairs):
    return np.sum(vectors.user[pairs.users] * vectors.item[pairs.items], axis=1) + pairs.noise


@pytest.mark.parametrize("embedding_dim", [16, 128])
def test_predicting_nothing_is_off_by_1_13_and_the_dot_product_by_0_85(embedding_dim):
    data = draw_dot_pairs(DotPairOptions(num_users=10_000, embedding_dim=embedding_dim), seed=0)
    for vectors, pairs in ((data.vectors, data.train), (data.vectors, data.test), (data.fresh_vectors, data.fresh)):
        trivial, dot = labels(vectors, pairs), pairs.noise
        assert round(float(np.sqrt(np.mean(trivial**2))), 2) == 1.13
        assert round(float(np.sqrt(np.mean(dot**2))), 2) == 0.85


@pytest.mark.parametrize(("drop_last_users", "num_paired"), [(False, 220), (True, 200)])
def test_pairs_are_distinct_and_uniform_over_the_users_that_take_part(drop_last_users, num_paired):
    options = DotPairOptions(220, 4, pairs_per_user=50, num_fresh=10, drop_last_users=drop_last_users)
    data = draw_dot_pairs(options, seed=0)
    users, items = (np.concatenate([a, b]) for a, b in zip(data.train[:2], data.test[:2], strict=True))
    assert (len(data.train.users), len(data.test.users)) == (9 * 1100, 1100)
    assert len(set(zip(users.tolist(), items.tolist(), strict=True))) == 11_000
    for ids, count in ((users, num_paired), (items, 220)):
        assert ids.max() == count - 1
        counts = np.bincount(ids, minlength=count)
        mean = 11_000 / count
        assert np.sum((counts - mean) ** 2 / mean) < count + 4 * np.sqrt(
            2 * count
        )  # chi-squared, and 4 of its deviations
    tested = np.bincount(data.test.users, minlength=num_paired)
    assert tested.max() < 20, "the test pairs are no user's own"


def test_the_same_seed_gives_the_same_draw_and_another_seed_another():
    options = DotPairOptions(30, 4, pairs_per_user=5, num_fresh=10)
    first, again, other = (draw_dot_pairs(options, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train.users, again.train.users)
    np.testing.assert_array_equal(first.fresh_vectors.item, again.fresh_vectors.item)
    assert not np.array_equal(first.vectors.user, other.vectors.user)


@pytest.mark.parametrize("share", [49, 40, 20, 9, 6.3, 6.2, 3, 1.5, 1])
@pytest.mark.parametrize("count", [10_001, 62_500])
def test_drawing_few_of_many_gives_the_numbers_of_numpy_to_the_bit_and_leaves_its_generator_where_numpy_does(
    share, count
):
    """On both sides of the bounds where the way to draw changes."""
    size = int(count // share)
    ours, numpys = np.random.default_rng(7), np.random.default_rng(7)
    np.testing.assert_array_equal(distinct_below(ours, count, size), numpys.choice(count, size, replace=False))
    np.testing.assert_array_equal(ours.standard_normal(5, np.float32), numpys.standard_normal(5, np.float32))


@pytest.mark.parametrize(("count", "size"), [(100, 30), (10_000, 9_000), (10**12, 50), (2**33, 171)])
def test_what_numpy_draws_in_little_memory_is_left_to_it(count, size):
    drawn = (
        np.random.default_rng(3).choice(count, size, replace=False),
        distinct_below(np.random.default_rng(3), count, size),
    )
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize("size", [90_000, 200_000, 500_000, 3_900_000])
def test_memory_to_draw_follows_the_pairs_and_not_the_combinations(size):
    """Of 4,000,000 combinations, whose array would take 32 MB: 350 bytes for each of the 90,000 pairs."""
    tracemalloc.start()
    try:
        distinct_below(np.random.default_rng(0), 4_000_000, size)
        assert tracemalloc.get_traced_memory()[1] < (DRAW_BYTES + 16) * size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"embedding_dim": 15}, "embedding_dim: expected an even number from 2 on, got 15"),
        ({"embedding_dim": 0}, "embedding_dim: expected an even number"),
        ({"pairs_per_user": 31}, r"expected at most the 900 combinations of user and item, got 30 \* 31 = 930"),
        ({"pairs_per_user": 28, "drop_last_users": True}, "expected at most the 810 combinations"),
        ({"pairs_per_user": 0}, "pairs_per_user: expected at least 1, got 0"),
        ({"num_users": 2, "pairs_per_user": 2}, "expected at least 10 pairs"),
        ({"noise": 2.0}, "noise: expected 0 <= noise < trivial_rmse = 1.13, got 2.0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        DotPairOptions(**({"num_users": 30, "embedding_dim": 4} | changed))
