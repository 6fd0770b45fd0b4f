"""Brute force pair by pair finds what exact search finds."""

import numpy as np
import pytest

from ncfjax.retrieval import exact, pairs
from ncfjax.retrieval.filters import deny_each


@pytest.mark.slow  # XLA compiles
@pytest.mark.parametrize("at_once", [64, 1000])  # 200 items are four blocks, the last of them not full, or one
def test_it_finds_what_exact_search_finds(model, at_once, monkeypatch):
    monkeypatch.setattr(pairs, "PAIRS_AT_ONCE", at_once)
    pairs.search.clear_cache()
    items, queries, similarity = model.item[...], model.user[...], model.similarity
    for denied in (None, deny_each([range(u, 200, 4) for u in range(13)], 200)):
        found = pairs.search(pairs.build(items, similarity), queries, 7, denied)
        expected = exact.search(exact.build(items, similarity), queries, 7, denied)
        np.testing.assert_array_equal(found.items, expected.items)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)
