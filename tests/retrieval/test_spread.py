"""Items on eight devices are searched as on one, and only candidates are sent."""

import json
import re

import pytest

from tests.own_process import printed_by

SCRIPT = """
import json
import jax
jax.config.update("jax_num_cpu_devices", 8)
import jax.numpy as jnp
import numpy as np
from ncfjax.cost import work
from ncfjax.models.similarity import make_similarity
from ncfjax.retrieval import exact, spread
from ncfjax.retrieval.filters import deny_each

rng = np.random.default_rng(0)
items = jnp.asarray(rng.integers(-2, 3, (1003, 6)), jnp.float32)  # many scores are equal; 1003 divides by no 8
queries = jnp.asarray(rng.integers(-2, 3, (5, 6)), jnp.float32)
denied = deny_each([rng.integers(0, 1003, 400) for _ in range(5)], 1003)
told = []
mlp = make_similarity("mlp", 6, key=jax.random.key(0), layers=(12, 4), regularize_weights=True)
for similarity in (None, make_similarity("dot", 6, biases=True, key=jax.random.key(0)), mlp):
    one, many = exact.build(items, similarity), spread.build(items, similarity, 8)
    for k, kept_out in ((10, None), (10, denied), (200, denied), (1003, denied)):
        pair = [module.search(index, queries, k, kept_out) for module, index in ((exact, one), (spread, many))]
        told.append({"items": [found.items.tolist() for found in pair]})
        told[-1]["worst"] = float(jnp.nanmax(jnp.abs(jnp.nan_to_num(pair[0].scores) - jnp.nan_to_num(pair[1].scores))))
program = spread.search.lower(many, queries, 10, denied).compile().as_text()
works = [work(lambda index, one: module.search(index, one, 10), index, queries[:1]).multiplications
         for module, index in ((exact, exact.build(items)), (spread, spread.build(items, None, 8)))]
print(json.dumps({"told": told, "program": program, "works": works, "bytes": [
    max(x.addressable_shards[0].data.nbytes / x.nbytes for x in jax.tree.leaves(many.keys))]}))
"""


@pytest.fixture(scope="module")
def told() -> dict:
    return json.loads(printed_by(SCRIPT))


@pytest.mark.slow
def test_what_is_found_on_eight_devices_is_what_is_found_on_one_also_among_equal_scores(told):
    assert len(told["told"]) == 12
    for one in told["told"]:
        assert one["items"][0] == one["items"][1] and one["worst"] < 1e-5


@pytest.mark.slow
def test_each_device_has_an_eighth_and_receives_candidates_alone(told):
    assert told["bytes"] == [1 / 8]
    assert told["works"] == [1003 * 6, 1024 * 6]  # products of all devices, filling included
    gathered = re.findall(r"= (.*?) all-gather(?:-start)?\(", told["program"])
    sizes = [re.findall(r"\[(\d+),(\d+)\]", shape) for shape in gathered]
    assert sizes and all((int(a), int(b)) == (5, 10 * 8) for shapes in sizes for a, b in shapes)
    assert "all-reduce" not in told["program"] and "all-to-all" not in told["program"]
