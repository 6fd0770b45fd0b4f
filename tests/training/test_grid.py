import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.evaluation.metrics import ndcg
from ncfjax.training.blocks import count_compiles
from ncfjax.training.grid import (
    Block,
    Member,
    Program,
    _rank,
    _trainer,
    cut_into_blocks,
    cut_into_groups,
    memory_estimate,
)
from ncfjax.training.loop import Spec

DATA = make_synthetic(SyntheticOptions(num_users=90, num_items=160, interactions_per_user=10))
SPECS = {
    "expected": Spec(embedding_dim=8, objective="expected", batch_size=4, num_negatives=4),
    "sampled": Spec(embedding_dim=8, objective="sampled", batch_size=32, num_negatives=4),
    "sampled, one negative": Spec(embedding_dim=8, objective="sampled", batch_size=32, num_negatives=1),
    "expected, adam": Spec(embedding_dim=8, objective="expected", batch_size=4, num_negatives=4, optimizer="adam"),
    "sampled, adam": Spec(embedding_dim=8, objective="sampled", batch_size=32, num_negatives=4, optimizer="adam"),
}
TOWER = (("layers", (8, 6)), ("regularize_weights", True))
SPECS |= {
    "sampled, plain dot": SPECS["sampled"]._replace(options=(("biases", False),), optimizer="adam"),
    "sampled, neumf": SPECS["sampled"]._replace(model="neumf", embedding_dim=6, options=TOWER, optimizer="lazy_adam"),
    "expected, gmf": SPECS["expected"]._replace(model="gmf", options=TOWER[1:]),
    "sampled, gmf": SPECS["sampled"]._replace(model="gmf", options=TOWER[1:], optimizer="lazy_adam"),
    "sampled, mlp": SPECS["sampled"]._replace(
        model="mlp", embedding_dim=4, options=TOWER, optimizer="adam", reject_positives=True
    ),
    "sampled, shuffled mlp": SPECS["sampled"]._replace(
        model="mlp", embedding_dim=4, options=TOWER, optimizer="adam", batch_size=4, shuffle_examples=True
    ),
    "expected, neumf": SPECS["expected"]._replace(model="neumf", embedding_dim=6, options=TOWER, optimizer="adam"),
    "expected, mlp": SPECS["expected"]._replace(model="mlp", embedding_dim=4, options=TOWER, reject_positives=True),
}
GRID = [
    Member(learning_rate, regularization, 0.1, weight, seed)
    for seed in (0, 1)
    for learning_rate, regularization, weight in [(0.01, 0.01, 1.0), (0.05, 0.0, 1.0), (0.01, 0.01, 0.5)]
]


EIGHT = [Member(0.03, 0.01, 0.1, 1.0, seed) for seed in range(8)]
PLENTY = 10**12  # bytes


def program_of(spec, members, data=DATA):
    """All members in one block."""
    groups = cut_into_groups(members, spec, data, PLENTY)
    return Program(data, spec, Block(groups, max(map(len, groups))))


def run(spec, members, num_epochs=6, calls=1, data=DATA):
    program = program_of(spec, members, data)
    state = program.init()
    for _ in range(calls):
        state = program.advance(state, num_epochs // calls)
    return program, state


def tables(program, state):
    """Every member's item table, in the order of the members as they were given."""
    return program.per_member(state.train_states.model.item[...])


@pytest.mark.parametrize("name", SPECS)
def test_a_member_of_a_grid_equals_the_same_run_alone(name):
    program, state = run(SPECS[name], GRID)
    together = tables(program, state)
    for index, member in enumerate(GRID):
        np.testing.assert_allclose(together[index], tables(*run(SPECS[name], [member]))[0], atol=2e-5)
    assert np.std(together, axis=0).max() > 1e-3, "the members differ"


@pytest.mark.parametrize("name", SPECS)
def test_the_same_seed_gives_the_same_bits(name):
    first, second = (tables(*run(SPECS[name], GRID)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["expected", "sampled", "sampled, shuffled mlp"])
def test_epochs_in_many_calls_equal_epochs_in_one(name):
    one, many = (tables(*run(SPECS[name], GRID, calls=calls)) for calls in (1, 3))
    np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("name", ["expected", "sampled"])
def test_a_member_that_diverges_leaves_its_neighbours_alone(name):
    good = GRID[:2]
    bad = Member(1e6, 0.5, 0.1, 1.0, 0)
    program, state = run(SPECS[name], [*good, bad], num_epochs=12)
    assert program.diverged(state).tolist() == [False, False, True]
    np.testing.assert_allclose(tables(program, state)[:2], tables(*run(SPECS[name], good, num_epochs=12)), atol=2e-5)
    ranks = program.ranks(state)
    assert np.all(ranks.sampled[2] >= 98), "a diverged member ranks last"


@pytest.mark.parametrize("name", ["expected", "sampled"])
def test_training_comes_close_to_the_oracle(name):
    """On data drawn from a known preference a trained model goes half the way from popularity to the truth."""
    data = make_synthetic(SyntheticOptions(num_users=400, num_items=200, interactions_per_user=25))
    program, state = run(SPECS[name], [Member(0.03, 0.02, 0.1, 1.0, 0)], num_epochs=60, data=data)
    quality = ndcg(program.ranks(state).sampled, 10)[0]
    held_out = data.held_out

    def quality_of(table):
        candidates = np.take_along_axis(table[held_out.users], held_out.negatives, axis=1)
        score = table[held_out.users, held_out.positives][:, None]
        return ndcg(np.sum((candidates >= score) & (held_out.negatives != held_out.positives[:, None]), axis=1), 10)

    popularity = np.broadcast_to(np.bincount(data.train.items, minlength=200), (400, 200))
    start, truth = quality_of(popularity), quality_of(data.oracle.scores)
    assert start + 0.5 * (truth - start) < quality < truth + 0.02


def test_a_program_is_compiled_once_per_shape():
    spec = SPECS["expected"]
    program_of(spec, GRID).compile()
    before = count_compiles()
    other_rates = [member._replace(learning_rate=0.123, seed=member.seed + 7) for member in GRID]
    program, state = run(spec, other_rates, num_epochs=5)
    program.ranks(state)
    assert count_compiles() == before
    program_of(spec._replace(embedding_dim=9), GRID).compile()
    assert count_compiles() == before + 3  # draw, train, rank


def test_parameters_are_those_of_one_member():
    assert program_of(SPECS["expected"], GRID).num_parameters == (90 + 160) * 8 + 1
    assert program_of(SPECS["expected"]._replace(options=(("biases", False),)), GRID).num_parameters == (90 + 160) * 8


@pytest.fixture
def pretend(monkeypatch):
    """As if the machine had so many devices, of another kind."""

    def pretend(count, backend):
        monkeypatch.setattr(jax, "device_count", lambda: count)
        monkeypatch.setattr(jax, "default_backend", lambda: backend)

    return pretend


grids = st.tuples(st.integers(1, 6), st.integers(1, 12)).map(
    lambda size: [Member(0.1 + 0.01 * i, 0.0, 0.1, 1.0, seed) for seed in range(size[0]) for i in range(size[1])]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grids, st.integers(1, 16), st.sampled_from(["cpu", "gpu"]), st.integers(1, 40))
def test_groups_share_a_seed_and_blocks_fit_the_memory(pretend, members, devices, backend, members_that_fit):
    pretend(devices, backend)
    spec = SPECS["expected"]
    fixed, each = memory_estimate(spec, DATA)
    limit = fixed + members_that_fit * each
    groups = cut_into_groups(members, spec, DATA, limit)
    width = max(map(len, groups))
    blocks = cut_into_blocks(groups, width, spec, DATA, limit)
    assert [member for block in blocks for group in block.groups for member in group] == members
    for group in groups:
        assert len({member.seed for member in group}) == 1
    for block in blocks:
        used = min(devices, len(block.groups))
        per_device = -(-len(block.groups) // used)
        assert fixed + per_device * width * each <= limit / min(devices, limit // (fixed + each))
        assert backend != "cpu" or per_device == 1
    assert width * len(groups) <= 2 * len(members), "at most as many slots that only fill up"


def test_a_grid_that_no_memory_holds_is_refused():
    fixed, _ = memory_estimate(SPECS["expected"], DATA)
    with pytest.raises(ValueError, match="memory: expected at least .* GB for one member, got"):
        cut_into_groups(GRID, SPECS["expected"], DATA, fixed)


def test_towers_go_alone_on_a_cpu_and_together_on_an_accelerator(pretend):
    members = [Member(0.1 * i, 0.0, 0.1, 1.0, 0) for i in range(1, 5)]
    for backend, widths in (("cpu", [1] * 4), ("gpu", [2, 2])):
        pretend(2, backend)
        assert [len(group) for group in cut_into_groups(members, SPECS["sampled, mlp"], DATA, PLENTY)] == widths


def test_groups_do_not_depend_on_what_was_trained_before(pretend):
    """Eight seeds on two cores: a group each, two groups in a block, and one shape for all blocks."""
    pretend(2, "cpu")
    members = [Member(0.1, 0.0, 0.1, 1.0, seed) for seed in range(8)]
    groups = cut_into_groups(members, SPECS["expected"], DATA, PLENTY)
    assert groups == [[member] for member in members]
    blocks = cut_into_blocks(groups[3:], 1, SPECS["expected"], DATA, PLENTY)
    assert [len(block.groups) for block in blocks] == [2, 1, 2]


@pytest.mark.parametrize(("devices", "backend", "widths"), [(1, "cpu", [4]), (2, "cpu", [2, 2]), (8, "gpu", [1] * 4)])
def test_one_seed_is_spread_over_the_devices(pretend, devices, backend, widths):
    pretend(devices, backend)
    members = [Member(0.1 * i, 0.0, 0.1, 1.0, 0) for i in range(1, 5)]
    assert [len(group) for group in cut_into_groups(members, SPECS["expected"], DATA, PLENTY)] == widths


@pytest.mark.parametrize("name", SPECS)
def test_the_memory_estimate_holds_what_xla_reserves(name):
    data = make_synthetic(SyntheticOptions(num_users=2000, num_items=700, interactions_per_user=30))
    scale = 32 // SPECS[name].embedding_dim
    options = tuple((k, tuple(scale * width for width in v) if k == "layers" else v) for k, v in SPECS[name].options)
    spec = SPECS[name]._replace(embedding_dim=scale * SPECS[name].embedding_dim, options=options)
    program = program_of(spec, [GRID[0]], data)
    state = program.init()
    arguments = (
        state.train_states,
        program._hyperparameters,
        program._seeds,
        program._training_data,
        np.int32(0),
        np.int32(1),
    )
    trains = _trainer(spec.objective).lower(*arguments, spec=spec, mesh=program.mesh).compile().memory_analysis()
    ranks = (
        _rank.lower(state.train_states.model, program._evaluation_batches, mesh=program.mesh)
        .compile()
        .memory_analysis()
    )
    resident = trains.argument_size_in_bytes + ranks.argument_size_in_bytes
    needed = resident + max(trains.temp_size_in_bytes, ranks.temp_size_in_bytes)
    assert 0.6 * needed < program.memory_bytes() < 2 * needed


def test_the_memory_estimate_holds_a_tower_that_an_accelerator_ranks_with(pretend):
    """There the units of a million pairs are held at once; compiled for a CPU, in the accelerator's layout."""
    data = make_synthetic(SyntheticOptions(num_users=200, num_items=700, interactions_per_user=30))
    options = (("layers", (32, 64, 32)), ("regularize_weights", True))
    spec = SPECS["sampled, mlp"]._replace(embedding_dim=16, options=options)
    on_a_cpu = memory_estimate(spec, data)[1]
    pretend(1, "gpu")
    program = program_of(spec, [GRID[0]], data)
    models = jax.eval_shape(program.init).train_states.model
    ranks = _rank.lower(models, program._evaluation_batches, mesh=program.mesh).compile().memory_analysis()
    assert on_a_cpu < ranks.temp_size_in_bytes < program.memory_bytes() < 4 * ranks.temp_size_in_bytes


def test_the_state_is_donated():
    program = program_of(SPECS["expected"], GRID)
    state = program.init()
    program.advance(state, 1)
    assert state.train_states.model.item[...].is_deleted()


def numbers_with(devices: int, graph_mode: str = "true") -> np.ndarray:
    """The embedding tables that a fresh process gets on so many (forced) host devices."""
    code = (
        f"import jax; jax.config.update('jax_num_cpu_devices', {devices}); import numpy as np;"
        "from tests.training.test_grid import *;"
        "done = run(SPECS['expected'], EIGHT); print(done[0].mesh.size); np.save(sys.argv[1], tables(*done))"
    )
    path = Path(os.environ["PYTEST_TMP"]) / f"{devices}-{graph_mode}.npy"
    environment = os.environ | {"NNX_GRAPH_MODE": graph_mode}
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, path], env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(devices)
    return np.load(path)


def test_eight_devices_give_the_numbers_of_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_TMP", str(tmp_path))
    here = tables(*run(SPECS["expected"], EIGHT))
    np.testing.assert_allclose(numbers_with(8), here, atol=2e-5)


def test_flax_tree_mode_gives_the_numbers_of_graph_mode(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_TMP", str(tmp_path))
    np.testing.assert_array_equal(numbers_with(1, "false"), numbers_with(1, "true"))
