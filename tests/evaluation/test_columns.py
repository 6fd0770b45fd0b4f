"""The columns of metrics."""

import numpy as np
import pytest

from ncfjax.evaluation.columns import COLUMNS, METRIC_COLUMNS, SAMPLED


def test_every_column_is_its_metric_of_its_protocols_ranks():
    """Ranks 0 and 20: one of two users is a hit, in the first place; of all places the mean inverse is 1/2 + 1/42."""
    ranks = np.array([0, 20])
    values = {name: column.of_ranks(ranks) for name, column in METRIC_COLUMNS.items()}
    sampled = {"hit_ratio@10": 0.5, "ndcg@10": 0.5, "mrr": 0.5 + 1 / 42}
    assert values == pytest.approx(sampled | {f"full_{name}": value for name, value in sampled.items()})


def test_labels_and_titles_name_the_protocol():
    assert [column.label for column in COLUMNS.values()] == ["HR@10", "NDCG@10", "full HR@10", "full NDCG@10"]
    assert COLUMNS["full_ndcg@10"].title == "NDCG@10, full catalogue" and SAMPLED == ["hit_ratio@10", "ndcg@10"]
