"""Tables spread over eight devices: the numbers of one, an eighth of the memory, and nothing sent but rows."""

import json

import pytest

from tests.collectives import received
from tests.own_process import printed_by

MODELS = {
    "dot": {"biases": True},
    "gmf": {},
    "mlp": {"layers": [16, 8], "regularize_weights": True},
    "neumf": {"layers": [8, 4], "regularize_weights": True},
}
RECIPES = [
    ("dot", "expected", "sgd"), ("dot", "sampled", "adam"), ("gmf", "sampled", "sgd"), ("mlp", "expected", "sgd"),
    ("neumf", "sampled", "lazy_adam"),
]  # fmt: skip

# In a process of its own: the number of devices is fixed when JAX begins. 45 users and 1603 items divide by no 8.
SCRIPT = """
import json, sys
import jax
jax.config.update("jax_num_cpu_devices", 8)
import numpy as np
import ncfjax.models.tower as tower
from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.training import program as programs
from ncfjax.training.blocks import Block
from ncfjax.training.loop import Spec
from ncfjax.training.recommender import Member, RecommenderProblem

tower.pairs_at_once = lambda: 16  # so that a catalogue is long: towers go through it in parts
data = make_synthetic(SyntheticOptions(45, 1603, interactions_per_user=7))
for model, options, objective, optimizer in json.loads(sys.argv[1]):
    options = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in options.items())
    spec = Spec(8, objective, 16, 4, model, options, optimizer)
    told = {"what": f"{model} {objective} {optimizer}", "trained": [], "ranks": [], "parameters": []}
    for shards in (1, 8):
        problem = RecommenderProblem(data, spec, table_shards=shards)
        program = programs.Program(problem, Block([[Member(0.05, 0.01, 0.1, 1.0, 3)]], 1))
        state = program.advance(program.init(), 3)
        told["ranks"].append([ranks.tolist() for ranks in program.evaluate(state)])
        told["parameters"].append(problem.num_parameters)
        (trained,) = program.models(state)
        told["trained"].append([np.asarray(x) for x in jax.tree.leaves(trained)])
    told["worst"] = max(float(np.abs(a - b).max()) for a, b in zip(*told.pop("trained"), strict=True))
    tables = [state.train_states.model.user[...], state.train_states.model.item[...]]
    tables += jax.tree.leaves(state.train_states.optimizer[1:3])
    told["shares"] = [x.addressable_shards[0].data.nbytes / x.nbytes for x in tables]
    run = problem.run
    train = programs._trainer(run).lower(*program._to_train(state, 1), **program._static)
    evaluate = programs._evaluate.lower(state.train_states.model, program.data.evaluation, **program._static)
    told["programs"] = [train.compile().as_text(), evaluate.compile().as_text()]
    print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> list[dict]:
    asked = [(model, MODELS[model], *recipe) for model, *recipe in RECIPES]
    return [json.loads(line) for line in printed_by(SCRIPT, json.dumps(asked)).splitlines()]


@pytest.mark.slow
def test_spread_over_devices_every_model_is_trained_to_the_numbers_of_one_device(told):
    assert len(told) == len(RECIPES)
    for one in told:
        assert one["worst"] < 2e-5, one["what"]
        assert one["parameters"][0] == one["parameters"][1], one["what"]
        differing = sum(a != b for x, y in zip(*one["ranks"], strict=True) for a, b in zip(x, y, strict=True))
        assert differing <= 4, one["what"]  # of 180; an item that nearly ties may change its place


@pytest.mark.slow
def test_a_device_holds_an_eighth_of_every_table_and_of_its_moments(told):
    for one in told:
        assert max(one["shares"]) <= 1 / 8, one["what"]


@pytest.mark.slow
def test_no_device_receives_a_table_or_the_scores_of_others(told):
    """What adds up are vectors of a batch, a network's gradient, and scores and counts of a block's candidates."""
    candidates = 45 * 99  # a table of items has 1603 * 8 numbers
    for one in told:
        for text in one["programs"]:
            collectives = received(text)
            assert collectives and {name for name, _ in collectives} == {"all-reduce"}, one["what"]
            assert max(numbers for _, numbers in collectives) <= candidates, one["what"]
