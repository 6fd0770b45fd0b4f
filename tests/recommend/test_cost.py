"""Multiplications of an answer, by hand."""

import pytest

from ncfjax.recommend.cost import multiplications
from tests.recommend.models import DIM, NUM_ITEMS, saved


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ials", NUM_ITEMS * DIM),
        ("dot", NUM_ITEMS * DIM),
        ("alternating", NUM_ITEMS * 4),  # three factors, and a one for the item's bias
        ("mlp", DIM * DIM + NUM_ITEMS * (DIM * DIM + DIM * 3 + 3)),  # the user's half of the first layer, each item's
        ("popularity", 0),
        ("ease", None),
        ("user_knn", None),
    ],
)
def test_an_answer_takes_so_many_multiplications(name, expected):
    assert multiplications(saved(name)) == expected
