"""Popularity and the oracle: what every table of results is to be read against."""

import numpy as np
import pytest

from experiments.cli.compose import configured
from experiments.sweep import ENTRY
from experiments.tasks.ranking import values_of
from experiments.tasks.recommender.plan import plan_of
from experiments.tasks.recommender.task import reference_names
from experiments.tasks.recommender.work import RecommenderWork
from ncfjax.baselines.popularity import fit_popularity
from ncfjax.data.interactions import HeldOut, Interactions, LeaveOneOut
from ncfjax.evaluation.ranking import ranks_of
from ncfjax.training.blocks import size_text
from ncfjax.training.loop import Spec
from ncfjax.training.recommender import RecommenderProblem


def test_popularity_ranks_by_the_number_of_users():
    """Items 0..4 have 3, 2, 1, 0, 0 users. User 0 has seen 0 and 1: among all others its positive 2 comes first."""
    train = Interactions(np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 0, 1, 2, 0]), 3, 5)
    held_out = HeldOut(np.array([0, 2]), np.array([2, 3]), np.array([[0, 3], [1, 4]]))
    data = LeaveOneOut("toy", "test", train, held_out, "file")
    ranks = ranks_of(fit_popularity(data.train), data)
    # User 2 has seen 0: its positive 3 loses to 1 and 2, and against 4 a tie counts against it.
    assert ranks.sampled.tolist() == [1, 2] and ranks.full.tolist() == [0, 3]


@pytest.fixture
def config(tiny_data: tuple[str, ...]):
    return lambda *arguments: configured(ENTRY, *tiny_data, *arguments)


def test_the_oracle_is_ahead_of_popularity(config):
    one = config("dataset.synthetic.num_users=400")
    scores = {result.cells["model"]: result.cells["ndcg@10"] for _, result in RecommenderWork(one).references(set())}
    assert scores["oracle"] > 1.2 * scores["popularity"]


def test_references_are_those_of_the_data_and_the_split_and_tuning_has_none(config):
    assert reference_names(config()) == ["popularity", "oracle"]
    assert reference_names(configured(ENTRY, "dataset=ml-1m")) == ["popularity"]
    assert reference_names(config("phase=tune", "split=holdout")) == []
    commands = ([], ["model=gmf"], ["split=holdout"], ["dataset.seed=1"])
    ids = [ENTRY.task.reference_ids(config(*arguments)) for arguments in commands]
    assert ids[0] == ids[1] and not ids[0] & ids[2] and not ids[0] & ids[3] and len(ids[0]) == 2


def test_only_references_that_are_missing_are_ranked(config):
    one = config()
    results = dict(RecommenderWork(one).references(set()))
    first, second = results
    ((rest, _),) = RecommenderWork(one).references({first})
    assert rest == second and set(results) == ENTRY.task.reference_ids(one)
    assert set(results[first].arrays) == {"sampled", "full"}
    assert (results[first].cells["phase"], results[first].cells["split"]) == ("run", "test")


@pytest.mark.realdata
def test_popularity_on_movielens_1m_is_as_published(ml_1m: LeaveOneOut):
    """HR@10 0.4533, NDCG@10 0.2542 (Ferrari Dacrema et al. 2021), less the ties that count against it here."""
    values = values_of(ranks_of(fit_popularity(ml_1m.train), ml_1m))
    assert (round(float(values["hit_ratio@10"]), 4), round(float(values["ndcg@10"]), 4)) == (0.4531, 0.2541)


@pytest.mark.parametrize(("objective", "optimizer", "sent"), [("expected", "sgd", 128), ("sampled", "lazy_adam", 1152)])
def test_the_plan_of_spread_tables_says_what_lies_on_a_device_and_what_a_step_sends(config, objective, optimizer, sent):
    work = RecommenderWork(config())
    assert work.plan == []
    spec = Spec(8, objective, 64, 4, "dot", (("biases", True),), optimizer)
    rows, vectors = plan_of(RecommenderProblem(work.data, spec, table_shards=7).run)
    train, copies = work.data.train, {"sgd": 1, "lazy_adam": 3}[optimizer]
    filled = 7 * -(-train.num_users // 7) + 7 * -(-train.num_items // 7)
    on_each, whole = (size_text(copies * 4 * 8 * filled / devices) for devices in (7, 1))
    assert f"{filled - train.num_users - train.num_items} rows fill them up: {on_each} on each device" in rows
    assert f"instead of {whole}" in rows and f"{sent:,} x 8 ({size_text(4 * sent * 8)})" in vectors
