import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.interactions import Interactions
from ncfjax.training.sampling import (
    MOST_POSITIONS,
    feistel_permutation,
    make_training_data,
    sample_negatives,
    sample_unobserved,
    shuffled,
    weights_of_pairs,
    weights_of_users,
)


@pytest.mark.parametrize(("count", "batch_size"), [(10, 4), (12, 4), (3, 5), (1, 1)])
def test_every_row_comes_once_per_epoch_and_padding_is_past_the_end(key, count, batch_size):
    batches = np.asarray(shuffled(key, count, batch_size))
    assert batches.shape == (-(-count // batch_size), batch_size)
    assert sorted(batches.reshape(-1)) == [*range(count), *[count] * (batches.size - count)]


def test_positions_that_32_bits_cannot_tell_apart_are_refused_before_anything_is_compiled(key):
    """One more, and the last of them would be negative: pairs from the end of the arrays, trained twice."""
    for draw in (shuffled, feistel_permutation):
        with pytest.raises(
            ValueError, match="expected at most 2,147,395,600, as positions have 32 bits, got 2,147,395,"
        ):
            draw(key, MOST_POSITIONS + 1, 1)
        order = jax.eval_shape(lambda draw=draw: draw(key, MOST_POSITIONS, 1))
        assert MOST_POSITIONS <= order.size <= 2**31


def test_an_order_is_random():
    orders = np.stack([np.asarray(shuffled(jax.random.key(i), 6, 6))[0] for i in range(600)])
    first = np.bincount(orders[:, 0], minlength=6)
    assert first.min() > 60 and first.max() < 140  # 100 expected, a standard deviation of 9


@pytest.mark.parametrize(("count", "batch_size"), [(1, 1), (10, 4), (12, 4), (16, 5), (1000, 64)])
def test_scrambled_ids_come_once_and_the_rest_is_past_the_end(key, count, batch_size):
    batches = np.asarray(feistel_permutation(key, count, batch_size))
    ids = np.sort(batches.reshape(-1))
    assert list(ids[:count]) == list(range(count)) and np.all(ids[count:] >= count)
    assert batches.shape[1] == batch_size and batches.size < count + 2 * np.sqrt(count) + 1 + batch_size


def test_scrambling_is_random():
    """Every id in every place, and what follows an id: by chi-squared over 4,000 keys."""
    orders = np.asarray(
        jax.vmap(lambda key: feistel_permutation(key, 25, 25)[0])(jax.random.split(jax.random.key(2), 4000))
    )
    places = np.stack([np.bincount(orders[:, place], minlength=25) for place in range(25)])
    assert np.sum((places - 160.0) ** 2 / 160.0) < 691  # 0.1 % quantile of 24 * 24 degrees of freedom
    follows = np.bincount((orders[:, 1:] - orders[:, :-1]).reshape(-1) + 24, minlength=49)
    expected = 4000 * (25 - np.abs(np.arange(-24, 25))) * (np.arange(49) != 24) / 25
    assert np.all(np.abs(follows - expected) < 6 * np.sqrt(expected) + 1e-9)


def test_negatives_are_uniform_over_all_items(key):
    counts = np.bincount(np.asarray(sample_negatives(key, (1000, 100), 20)).reshape(-1), minlength=20)
    assert len(counts) == 20
    chi_squared = np.sum((counts - 5000.0) ** 2 / 5000.0)
    assert chi_squared < 43.8  # 0.1 % quantile of 19 degrees of freedom


def test_unobserved_negatives_are_uniform_over_what_a_user_has_not(key):
    """By counting: every other item about equally often, a positive never; users of none, some and all but one item."""
    history = np.zeros((4, 20), bool)
    history[1, [0, 3, 4, 5, 19]], history[2, :10], history[3, :19] = True, True, True
    data = make_training_data(Interactions(*np.nonzero(history), 4, 20))
    drawn = np.asarray(sample_unobserved(key, jnp.repeat(jnp.arange(4), 1000), 30, data, 20)).reshape(4, -1)
    for user in range(4):
        counts, others = np.bincount(drawn[user], minlength=20), ~history[user]
        assert not counts[history[user]].any()
        mean = drawn.shape[1] / others.sum()
        assert np.sum((counts[others] - mean) ** 2 / mean) < 43.8  # 0.1 % quantile of 19 degrees of freedom


def test_a_user_who_has_every_item_still_gets_a_valid_id(key):
    data = make_training_data(Interactions(*np.nonzero(np.ones((2, 6), bool)), 2, 6))
    assert np.all(np.asarray(sample_unobserved(key, jnp.array([0, 1]), 50, data, 6)) < 6)


@pytest.mark.parametrize("num_items", [1, 8, 21])
def test_the_weights_of_pairs_and_of_users_are_those_of_a_dense_table(num_items):
    """Pairs in any order; the last user of the block is padding."""
    rng = np.random.default_rng(num_items)
    table = (rng.random((6, num_items)) < 0.6) * rng.integers(1, 9, (6, num_items)).astype(np.float32)
    pairs = rng.permutation(np.argwhere(table))
    data = make_training_data(Interactions(*pairs.T, 6, num_items, weights=table[tuple(pairs.T)]))
    np.testing.assert_array_equal(weights_of_pairs(data, jnp.arange(len(pairs)))[:, 0], table[tuple(pairs.T)])
    block = np.array([5, 0, 3, 6])
    rows = np.append(table, np.zeros((1, num_items), np.float32), axis=0)[block]
    np.testing.assert_array_equal(weights_of_users(data, jnp.asarray(block), jnp.asarray(rows > 0)), rows)
