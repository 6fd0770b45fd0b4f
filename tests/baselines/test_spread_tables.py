"""iALS with tables spread over eight devices: the numbers of one, an eighth of the memory, nothing sent but rows."""

import json

import pytest

from tests.collectives import received
from tests.own_process import printed_by

# In a process of its own: the number of devices is fixed when JAX begins. 45 users and 1603 items divide by no 8.
SCRIPT = """
import json
import jax
jax.config.update("jax_num_cpu_devices", 8)
import numpy as np
from ncfjax.baselines import ials, least_squares
from ncfjax.baselines.cost import num_parameters
from ncfjax.baselines.folded import folded_in
from ncfjax.data.interactions import Interactions
from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.evaluation import ranking
from ncfjax.evaluation.ranking import ranks_of
from ncfjax.models.tables import ROWS

least_squares.FLOATS_AT_ONCE = 3_000  # so that histories go through in many chunks
data = make_synthetic(SyntheticOptions(45, 1603, interactions_per_user=60))
train = data.train
strong = np.random.default_rng(0).uniform(0.5, 2.0, len(train)).astype(np.float32)
weighted = Interactions(train.users, train.items, train.num_users, train.num_items, weights=strong)
programs = {}


def spied(module, name):
    # Keeps the text of every program of a function that takes spread tables.
    function = getattr(module, name)

    def call(*arguments, **how):
        leaves = jax.tree.leaves((arguments, how))
        if any(ROWS in str(getattr(x, "sharding", "")) for x in leaves):
            shapes = str([getattr(x, "shape", x) for x in leaves]) + str(how.get("block_size"))
            if (name, shapes) not in programs:
                programs[name, shapes] = function.lower(*arguments, **how).compile().as_text()
        return function(*arguments, **how)

    setattr(module, name, call)


for module, name in ((ials, "_solve_batch"), (ials, "_shared"), (ials, "in_order"), (ranking, "_rank_block")):
    spied(module, name)
reported = []
for what, block_size, pairs in (("exact", 8, train), ("in blocks", 4, train), ("weighted", 8, weighted)):
    options = {"regularization": 0.02, "unobserved_weight": 0.1, "nu": 1.0}
    how = {"embedding_dim": 8, "stddev": 0.1, "num_epochs": 3, "seed": 1, "block_size": block_size}
    one, spread = (ials.fit_ials(pairs, **options, **how, table_shards=shards) for shards in (1, 8))
    new = [folded_in(scorer, pairs, options) for scorer in (one, spread)]
    tables = lambda model: [np.asarray(model.user[...]), np.asarray(model.item[...])]
    pairs_of_tables = [*zip(tables(one), tables(spread.whole)), *zip(tables(new[0]), tables(new[1].whole))]
    reported.append({
        "what": what,
        "worst": max(float(np.abs(a - b).max()) for a, b in pairs_of_tables),
        "shapes": [[a.shape, b.shape] for a, b in pairs_of_tables],
        "ranks": [[ranks.tolist() for ranks in ranks_of(scorer, data)] for scorer in (one, spread)],
        "parameters": [num_parameters(one), num_parameters(spread)],
        "shares": [x.addressable_shards[0].data.nbytes / x.nbytes for x in jax.tree.leaves(spread.model)],
    })
longest = max(np.bincount(ids).max() for ids in (train.users, train.items))
print(json.dumps([reported, [[name, text] for (name, _), text in programs.items()], int(longest)]))
"""


@pytest.fixture(scope="module")
def reported() -> list:
    return json.loads(printed_by(SCRIPT))


@pytest.mark.slow
def test_spread_over_devices_ials_finds_the_vectors_of_one_device_and_folds_users_in_alike(reported):
    fits = reported[0]
    assert len(fits) == 3
    for one in fits:
        assert one["worst"] < 2e-5, one["what"]
        assert all(a == b for a, b in one["shapes"]), one["what"]
        assert one["parameters"][0] == one["parameters"][1] == 8 * (45 + 1603), one["what"]
        differing = sum(a != b for x, y in zip(*one["ranks"], strict=True) for a, b in zip(x, y, strict=True))
        assert differing <= 4, one["what"]  # of 90; an item that nearly ties may change its place


@pytest.mark.slow
def test_a_device_holds_an_eighth_of_the_tables_of_ials(reported):
    for one in reported[0]:
        assert len(one["shares"]) == 2 and max(one["shares"]) <= 1 / 8, one["what"]


@pytest.mark.slow
def test_no_device_of_ials_receives_a_table_or_the_scores_of_others(reported):
    """Of the vectors of a chunk, as each of 8 devices has them for all, a device gets an eighth: its own histories."""
    _, programs, longest = reported
    most = max(3_000, 8 * longest * 8)
    assert most < 1603 * 8  # numbers of the table of items
    expected = {
        "_solve_batch": ({"all-gather", "reduce-scatter"}, most),
        "_shared": ({"all-reduce"}, 8 * 8),
        "in_order": (set(), 0),
        "_rank_block": ({"all-reduce"}, 45 * 99),
    }
    assert {name for name, _ in programs} == set(expected) and len(programs) > 12
    for name, text in programs:
        sent, (kinds, numbers) = received(text), expected[name]
        assert {kind for kind, _ in sent} == kinds, name
        assert all(count * (8 if kind == "reduce-scatter" else 1) <= numbers for kind, count in sent), name
