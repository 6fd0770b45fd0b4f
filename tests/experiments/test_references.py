"""Popularity and the oracle: what every table of results is to be read against."""

from pathlib import Path

import numpy as np
import pytest

from experiments.references import references
from experiments.rows import metrics
from ncfjax.data.catalog import load
from ncfjax.data.interactions import HeldOut, Interactions, LeaveOneOut
from ncfjax.evaluation.ranking import ranks_of


def test_popularity_ranks_by_the_number_of_users():
    """Items 0..4 have 3, 2, 1, 0, 0 users. User 0 has seen 0 and 1: among all others its positive 2 comes first."""
    train = Interactions(np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 0, 1, 2, 0]), 3, 5)
    held_out = HeldOut(np.array([0, 2]), np.array([2, 3]), np.array([[0, 3], [1, 4]]))
    data = LeaveOneOut("toy", "test", train, held_out, "file")
    ranks = ranks_of(references(data)["popularity"], data)
    # User 2 has seen 0: its positive 3 loses to 1 and 2, and against 4 a tie counts against it.
    assert ranks.sampled.tolist() == [1, 2] and ranks.full.tolist() == [0, 3]


@pytest.mark.realdata
def test_popularity_on_movielens_1m_is_as_published(real_data: Path):
    """HR@10 0.4533, NDCG@10 0.2542 (Ferrari Dacrema et al. 2021), less the ties that count against it here."""
    data = load("ml-1m", data_dir=real_data)
    values = metrics(ranks_of(references(data)["popularity"], data))
    assert (round(float(values["hit_ratio@10"]), 4), round(float(values["ndcg@10"]), 4)) == (0.4531, 0.2541)
