"""iALS with tables spread over eight devices: the numbers of one, an eighth of the memory, nothing sent but rows."""

import json
import os
import subprocess
import sys

import pytest

from tests.collectives import received

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
from ncfjax.evaluation.ranking import ranks_of

least_squares.FLOATS_AT_ONCE = 3_000  # so that histories go through in many chunks
data = make_synthetic(SyntheticOptions(45, 1603, interactions_per_user=60))
train = data.train
strong = np.random.default_rng(0).uniform(0.5, 2.0, len(train)).astype(np.float32)
weighted = Interactions(train.users, train.items, train.num_users, train.num_items, weights=strong)
sent, solve_batch = {}, ials._solve_batch


def spied(*arguments, **how):
    if how["mesh"] is not None:
        sent.setdefault(how["block_size"], solve_batch.lower(*arguments, **how).compile().as_text())
    return solve_batch(*arguments, **how)


ials._solve_batch = spied
told = []
for what, block_size, pairs in (("exact", 8, train), ("in blocks", 4, train), ("weighted", 8, weighted)):
    options = {"regularization": 0.02, "unobserved_weight": 0.1, "nu": 1.0}
    how = {"embedding_dim": 8, "stddev": 0.1, "num_epochs": 3, "seed": 1, "block_size": block_size}
    one, spread = (ials.fit_ials(pairs, **options, **how, table_shards=shards) for shards in (1, 8))
    new = [folded_in(scorer, pairs, options) for scorer in (one, spread)]
    tables = lambda model: [np.asarray(model.user[...]), np.asarray(model.item[...])]
    pairs_of_tables = [*zip(tables(one), tables(spread.whole)), *zip(tables(new[0]), tables(new[1].whole))]
    told.append({
        "what": what,
        "worst": max(float(np.abs(a - b).max()) for a, b in pairs_of_tables),
        "shapes": [[a.shape, b.shape] for a, b in pairs_of_tables],
        "ranks": [[ranks.tolist() for ranks in ranks_of(scorer, data)] for scorer in (one, spread)],
        "parameters": [num_parameters(one), num_parameters(spread)],
        "shares": [x.addressable_shards[0].data.nbytes / x.nbytes for x in jax.tree.leaves(spread.model)],
    })
print(json.dumps([told, list(sent.values())]))
"""


@pytest.fixture(scope="module")
def told() -> tuple[list[dict], list[str]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SCRIPT]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


@pytest.mark.slow
def test_spread_over_devices_ials_finds_the_vectors_of_one_device_and_folds_users_in_alike(told):
    fits, _ = told
    assert len(fits) == 3
    for one in fits:
        assert one["worst"] < 2e-5, one["what"]
        assert all(a == b for a, b in one["shapes"]), one["what"]
        assert one["parameters"][0] == one["parameters"][1] == 8 * (45 + 1603), one["what"]
        differing = sum(a != b for x, y in zip(*one["ranks"], strict=True) for a, b in zip(x, y, strict=True))
        assert differing <= 4, one["what"]  # of 90; an item that nearly ties may change its place


@pytest.mark.slow
def test_a_device_holds_an_eighth_of_the_tables_of_ials(told):
    for one in told[0]:
        assert len(one["shares"]) == 2 and max(one["shares"]) <= 1 / 8, one["what"]


@pytest.mark.slow
def test_ids_and_the_vectors_of_a_chunk_are_all_that_ials_sends(told):
    """A table of items has 1603 * 8 numbers; a chunk's vectors, as each device has them for all, fit FLOATS_AT_ONCE."""
    assert len(told[1]) == 2
    for program in told[1]:
        sent = received(program)
        assert {name for name, _ in sent} == {"all-gather", "reduce-scatter"}
        assert max(numbers for _, numbers in sent) <= 3_000
