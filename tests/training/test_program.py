"""Grids of every kind of run: what a block of members gives against what each of them gives alone."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest

from ncfjax.data.dot_pairs import DotPairOptions
from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.models.imitator import Imitator
from ncfjax.training.blocks import Block, count_compiles, cut_into_groups, memory_bytes
from ncfjax.training.imitation import ImitationSpec
from ncfjax.training.imitation_problem import ImitationMember, ImitationProblem
from ncfjax.training.imitation_task import dot_source
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program, _draw, _evaluate, _trainer
from ncfjax.training.recommender import Member, RecommenderProblem

pytestmark = pytest.mark.usefixtures("scaled")

EXPECTED = Spec(embedding_dim=8, objective="expected", batch_size=4, num_negatives=4)
SAMPLED = Spec(embedding_dim=8, objective="sampled", batch_size=32, num_negatives=4)
WEIGHTS = (("regularize_weights", True),)
TOWER = (("layers", (8, 6)), *WEIGHTS)
SPECS = {
    "expected": EXPECTED,
    "sampled": SAMPLED,
    "expected, adam": EXPECTED._replace(optimizer="adam"),
    "sampled, plain dot": SAMPLED._replace(options=(("biases", False),), optimizer="adam"),
    "sampled, neumf": SAMPLED._replace(model="neumf", embedding_dim=6, options=TOWER, optimizer="lazy_adam"),
    "expected, gmf": EXPECTED._replace(model="gmf", options=WEIGHTS),
    "sampled, gmf, one negative": SAMPLED._replace(
        model="gmf", options=WEIGHTS, optimizer="lazy_adam", num_negatives=1
    ),
    "sampled, mlp": SAMPLED._replace(
        model="mlp", embedding_dim=4, options=TOWER, optimizer="adam", reject_positives=True
    ),
    "sampled, shuffled mlp": SAMPLED._replace(
        model="mlp", embedding_dim=4, options=TOWER, optimizer="adam", batch_size=4, shuffle_examples=True
    ),
    "expected, neumf": EXPECTED._replace(model="neumf", embedding_dim=6, options=TOWER, optimizer="adam"),
    "expected, mlp": EXPECTED._replace(model="mlp", embedding_dim=4, options=TOWER, reject_positives=True),
    "expected, made up": EXPECTED._replace(model="scaled", options=(("temperature", 0.3),)),
    "imitation": ImitationSpec(embedding_dim=4, layers=(8, 4, 2), batch_size=32, num_epochs=6, schedule="cosine"),
}
CHAOTIC = SPECS["expected, mlp"], SPECS["sampled, shuffled mlp"]
RATES = [(0.01, 0.01, 1.0), (0.05, 0.0, 1.0), (0.01, 0.01, 0.5)]
GRID = [Member(rate, penalty, 0.1, weight, seed) for seed in (0, 1) for rate, penalty, weight in RATES]
IMITATORS = [ImitationMember(rate, seed) for seed in (0, 7) for rate in (0.01, 0.003, 0.02)]
PLENTY = 10**12  # bytes
EIGHT = [Member(0.03, 0.01, 0.1, 1.0, seed) for seed in range(8)]


@cache
def data_of(num_users, num_items, interactions_per_user):
    return make_synthetic(SyntheticOptions(num_users, num_items, interactions_per_user=interactions_per_user))


def problem_of(spec, data=None):
    if isinstance(spec, ImitationSpec):
        return ImitationProblem(dot_source(DotPairOptions(30, 4, pairs_per_user=10, num_fresh=50)), spec)
    return RecommenderProblem(data_of(90, 160, 10) if data is None else data, spec)


@cache
def weighted_data_of(*sizes):
    data = data_of(*sizes)
    weights = np.random.default_rng(0).integers(1, 6, len(data.train))
    return replace(data, train=replace(data.train, weights=weights))


def program_of(spec, members, data=None):
    """All members in one block, in the groups of this machine: on a CPU a tower goes alone."""
    problem = problem_of(spec, data)
    groups = cut_into_groups(members, problem.memory, PLENTY, problem.cpu_width)
    return Program(problem, Block(groups, max(map(len, groups))))


def run(spec, members, num_epochs=6, calls=1, data=None):
    program = program_of(spec, members, data)
    state = program.init()
    for _ in range(calls):
        state = program.advance(state, num_epochs // calls)
    return program, state


def parameters(program, state):
    """Every member's item table, or all weights of an imitator, side by side in the order of the members."""
    models = program.models(state)
    trained = [model if isinstance(model, Imitator) else model.item for model in models]
    return np.stack([np.concatenate([np.ravel(x) for x in jax.tree.leaves(leaves)]) for leaves in trained])


def grid_of(spec):
    if spec in CHAOTIC:  # at the other rates rounding would decide its numbers
        return [member._replace(learning_rate=member.learning_rate / 10) for member in GRID]
    return IMITATORS if isinstance(spec, ImitationSpec) else GRID


@pytest.mark.parametrize("name", SPECS)
def test_a_member_equals_the_same_run_alone_and_the_same_seed_gives_the_same_bits_in_one_call_or_many(name):
    spec, grid = SPECS[name], grid_of(SPECS[name])
    together = parameters(*run(spec, grid))
    for index, member in enumerate(grid):
        np.testing.assert_allclose(together[index], parameters(*run(spec, [member]))[0], atol=2e-5)
    assert np.std(together, axis=0).max() > 1e-3, "the members differ"
    np.testing.assert_array_equal(together, parameters(*run(spec, grid, calls=3)))


@pytest.mark.parametrize("name", ["expected", "sampled", "sampled, shuffled mlp"])
def test_a_member_equals_the_same_run_alone_with_weights_too(name):
    spec, grid, data = SPECS[name], grid_of(SPECS[name]), weighted_data_of(90, 160, 10)
    together = parameters(*run(spec, grid, data=data))
    for index, member in enumerate(grid):
        np.testing.assert_allclose(together[index], parameters(*run(spec, [member], data=data))[0], atol=2e-5)
    assert np.std(together - parameters(*run(spec, grid)), axis=1).min() > 1e-4, "the weights make a difference"


@pytest.mark.parametrize("name", ["expected", "sampled", "imitation"])
def test_a_member_that_diverges_leaves_its_neighbours_alone(name):
    """In the shape of the grid: the last of six goes astray."""
    spec, grid = SPECS[name], grid_of(SPECS[name])
    bad = grid[-1]._replace(learning_rate=1e30 if name == "imitation" else 1e6)
    program, state = run(spec, [*grid[:-1], bad], num_epochs=12)
    assert program.diverged(state).tolist() == [False] * 5 + [True]
    alone, sound = run(spec, grid, num_epochs=12)
    np.testing.assert_allclose(parameters(program, state)[:5], parameters(alone, sound)[:5], atol=2e-5)
    measured, expected = program.evaluate(state), alone.evaluate(sound)
    if name == "imitation":
        np.testing.assert_allclose(measured.fresh.model[:5], expected.fresh.model[:5], rtol=1e-4)
    else:
        assert np.all(measured.sampled[5] >= 98), "a diverged member ranks last"


@pytest.mark.parametrize("name", ["expected", "imitation"])
def test_a_program_is_compiled_once_per_shape_and_its_state_is_donated(name):
    spec, grid = SPECS[name], grid_of(SPECS[name])
    program_of(spec, grid).compile()
    before = count_compiles()
    others = [member._replace(learning_rate=0.123, seed=member.seed + 7) for member in grid]
    program = program_of(spec, others)
    state = program.init()
    program.evaluate(program.advance(state, 5))
    assert count_compiles() == before
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.train_states.model))


def test_another_shape_is_compiled_anew():
    before = count_compiles()
    program_of(EXPECTED._replace(embedding_dim=9), GRID[:1]).compile()
    assert count_compiles() == before + 3  # draw, train, evaluate


def reserved_bytes(program):
    """What XLA reserves to train and to evaluate."""
    state = jax.eval_shape(program.init)._replace(epoch=0)
    lowered = _trainer(program.problem.run).lower(*program._to_train(state, 1), **program._static)
    trains = lowered.compile().memory_analysis()
    lowered = _evaluate.lower(state.train_states.model, program.data.evaluation, **program._static)
    return trains, lowered.compile().memory_analysis()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        *((name, data_of) for name in SPECS if name != "imitation"),
        *((name, weighted_data_of) for name in ("expected", "sampled", "sampled, shuffled mlp", "expected, mlp")),
    ],
)
def test_the_memory_estimate_holds_what_xla_reserves(name, data):
    scale = 32 // SPECS[name].embedding_dim
    options = tuple((k, tuple(scale * width for width in v) if k == "layers" else v) for k, v in SPECS[name].options)
    spec = SPECS[name]._replace(embedding_dim=scale * SPECS[name].embedding_dim, options=options)
    program = program_of(spec, GRID[:1], data(2000, 700, 30))
    trains, ranks = reserved_bytes(program)
    resident = trains.argument_size_in_bytes + ranks.argument_size_in_bytes
    needed = resident + max(trains.temp_size_in_bytes, ranks.temp_size_in_bytes)
    assert 0.6 * needed < memory_bytes(program.problem.memory, program.block) < 2 * needed


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        (DotPairOptions(2000, 32, num_fresh=5000), (64, 32, 16)),
        (DotPairOptions(500, 16, pairs_per_user=20, num_fresh=1000), (128, 64, 32)),
    ],
)
def test_the_memory_estimate_of_an_imitator_holds_what_xla_reserves(options, layers):
    spec = ImitationSpec(options.embedding_dim, layers, batch_size=256, num_epochs=2)
    program = Program(ImitationProblem(dot_source(options), spec), Block([IMITATORS[:1]], 1))
    trains, measures = reserved_bytes(program)
    resident = sum(x.nbytes for x in jax.tree.leaves(program.data.evaluation)) - shared_bytes(program)
    needed = trains.argument_size_in_bytes + resident + max(trains.temp_size_in_bytes, measures.temp_size_in_bytes)
    assert 0.6 * needed < memory_bytes(program.problem.memory, program.block) < 2 * needed


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_memory_estimate_holds_the_draw_of_large_tables(optimizer):
    """A draw has random bits and more beside the tables: 3.9 copies, where a step of sgd needs 1.3."""
    spec = SAMPLED._replace(embedding_dim=512, optimizer=optimizer)
    program = program_of(spec, GRID[:1], data_of(2000, 700, 30))
    draws = _draw.lower(program._hyperparameters, program._seeds, **program._static).compile().memory_analysis()
    needed = draws.temp_size_in_bytes + draws.output_size_in_bytes
    assert needed > 3.5 * 4 * 512 * 2700
    assert needed < memory_bytes(program.problem.memory, program.block) < 1.5 * needed


def shared_bytes(program):
    """Of the vectors that training and evaluation both have."""
    pairs = program.data.training
    return pairs.p.nbytes + pairs.q.nbytes


def numbers_with(devices: int, folder: Path, **environment: str) -> np.ndarray:
    """The parameters that a fresh process gets on so many (forced) host devices."""
    code = (
        f"import jax; jax.config.update('jax_num_cpu_devices', {devices}); import numpy as np;"
        "from tests.training.test_program import *;"
        "done = run(EXPECTED, EIGHT); print(done[0].mesh.size); np.save(sys.argv[1], parameters(*done))"
    )
    command, root = [sys.executable, "-c", code, folder / "numbers.npy"], Path(__file__).parents[2]
    done = subprocess.run(command, env=os.environ | environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(devices)
    return np.load(folder / "numbers.npy")


def test_eight_devices_and_flax_tree_mode_give_the_numbers_of_one_device_and_graph_mode(tmp_path):
    here = parameters(*run(EXPECTED, EIGHT))
    np.testing.assert_allclose(numbers_with(8, tmp_path), here, atol=2e-5)
    np.testing.assert_array_equal(numbers_with(1, tmp_path, NNX_GRAPH_MODE="false"), here)
