"""recall@k on paper."""

import numpy as np

from ncfjax.retrieval.recall import recall


def test_the_share_of_the_expected_items_that_are_found_whatever_their_order():
    expected = np.array([[1, 2, 3, 4], [1, 2, 3, 4], [5, 6, -1, -1], [-1, -1, -1, -1]])
    found = np.array([[4, 3, 2, 1], [9, 2, 8, 7], [5, -1, -1, 3], [1, 2, 3, 4]])
    np.testing.assert_array_equal(recall(found, expected), [1.0, 0.25, 0.5, np.nan])
