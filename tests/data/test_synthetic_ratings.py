"""Ratings that are drawn: their size, their scale, and that nothing but the seed decides them."""

import numpy as np
import pytest

from ncfjax.data.synthetic_ratings import make_synthetic_ratings


def test_every_user_has_as_many_distinct_ratings_on_the_scale():
    ratings = make_synthetic_ratings(50, 40, 10, 3, seed=0)
    assert (len(ratings), ratings.num_users, ratings.num_items) == (500, 50, 40)
    assert (np.bincount(ratings.users) == 10).all()
    assert set(np.unique(ratings.values)) <= {1, 2, 3, 4, 5}


def test_the_same_seed_draws_the_same_ratings_and_another_one_others():
    ratings, again, other = (make_synthetic_ratings(50, 40, 10, 3, seed=seed) for seed in (1, 1, 2))
    assert (ratings.values == again.values).all()
    assert (ratings.values != other.values).any()


@pytest.mark.parametrize("sizes", [(10**9, 10**9, 3), (10, 40, 10**8), (10**8, 40, 3)])
def test_sizes_that_fit_no_memory_are_refused(sizes):
    with pytest.raises(ValueError, match=r"synthetic-ratings: expected num_\w+ \* (num_items|rank) of at most "):
        make_synthetic_ratings(*sizes[:2], 10, sizes[2], seed=0)


def test_more_ratings_of_a_user_than_items_are_refused():
    with pytest.raises(ValueError, match="ratings_per_user: expected at most 40, the number of items, got 41"):
        make_synthetic_ratings(5, 40, 41, 3, seed=0)
