import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.evaluation.metrics import ndcg
from ncfjax.training.grid import Member, Program, arrange, count_compiles, cut_into_blocks, memory_estimate
from ncfjax.training.loop import Spec

DATA = make_synthetic(SyntheticOptions(num_users=90, num_items=160, interactions_per_user=10))
SPECS = {
    "expected": Spec(embedding_dim=8, objective="expected", batch_size=4, num_negatives=4),
    "sampled": Spec(embedding_dim=8, objective="sampled", batch_size=32, num_negatives=4),
    "sampled, one negative": Spec(embedding_dim=8, objective="sampled", batch_size=32, num_negatives=1),
    "expected, adam": Spec(embedding_dim=8, objective="expected", batch_size=4, num_negatives=4, optimizer="adam"),
    "sampled, adam": Spec(embedding_dim=8, objective="sampled", batch_size=32, num_negatives=4, optimizer="adam"),
}
GRID = [
    Member(learning_rate, regularization, 0.1, weight, seed)
    for seed in (0, 1)
    for learning_rate, regularization, weight in [(0.01, 0.01, 1.0), (0.05, 0.0, 1.0), (0.01, 0.01, 0.5)]
]


def run(spec, block, num_epochs=6, calls=1, data=DATA):
    program = Program(data, spec, block)
    state = program.init()
    for _ in range(calls):
        state = program.advance(state, num_epochs // calls)
    return program, state


def tables(program, state):
    """Every member's item table, in the order of the block."""
    return program._in_order(state.learners.model.item[...])


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


@pytest.mark.parametrize("name", ["expected", "sampled"])
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
    """On data drawn from a known preference a trained model beats popularity and does not beat the truth."""
    rates = {"expected": Member(0.03, 0.02, 0.1, 1.0, 0), "sampled": Member(0.03, 0.02, 0.1, 1.0, 0)}
    data = make_synthetic(SyntheticOptions(num_users=400, num_items=200, interactions_per_user=25))
    program, state = run(SPECS[name], [rates[name]], num_epochs=60, data=data)
    quality = ndcg(program.ranks(state).sampled, 10)[0]
    held_out = data.held_out

    def quality_of(table):
        candidates = np.take_along_axis(table[held_out.users], held_out.negatives, axis=1)
        own = table[held_out.users, held_out.positives][:, None]
        return ndcg(np.sum((candidates >= own) & (held_out.negatives != held_out.positives[:, None]), axis=1), 10)

    popularity = np.broadcast_to(np.bincount(data.train.items, minlength=200), (400, 200))
    assert quality_of(popularity) < quality < quality_of(data.oracle.scores) + 0.02


def test_a_program_is_compiled_once_per_shape():
    spec = SPECS["expected"]
    Program(DATA, spec, GRID).compile()
    before = count_compiles()
    other_rates = [member._replace(learning_rate=0.123, seed=member.seed + 7) for member in GRID]
    program, state = run(spec, other_rates, num_epochs=5)
    program.ranks(state)
    assert count_compiles() == before
    Program(DATA, spec._replace(embedding_dim=9), GRID).compile()
    assert count_compiles() == before + 3  # draw, train, rank


def test_parameters_are_those_of_one_member():
    assert Program(DATA, SPECS["expected"], GRID).num_parameters == (90 + 160) * 8 + 1


def test_blocks_fit_the_memory_and_hold_every_member_once():
    spec = SPECS["expected"]
    fixed, each = memory_estimate(spec, DATA)
    blocks = cut_into_blocks(GRID, spec, DATA, fixed + 2 * each)
    assert [len(block) for block in blocks] == [2, 2, 2]
    assert sorted(member for block in blocks for member in block) == sorted(GRID)
    with pytest.raises(ValueError, match="memory: expected at least"):
        cut_into_blocks(GRID, spec, DATA, fixed)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_every_member_has_a_slot_and_a_group_shares_its_seed(seeds):
    block = [Member(0.1, 0.0, 0.1, 1.0, seed) for seed in seeds]
    slots = arrange(block, SPECS["expected"])
    assert sorted(set(slots.reshape(-1).tolist())) == list(range(len(block)))
    for group in slots:
        assert len({block[index].seed for index in group}) == 1


def numbers_with(devices: int, graph_mode: str = "true") -> np.ndarray:
    """The embedding tables that a fresh process gets on so many (forced) host devices."""
    code = (
        f"import jax; jax.config.update('jax_num_cpu_devices', {devices}); import numpy as np;"
        "from tests.training.test_grid import *;"
        "print(jax.device_count()); np.save(sys.argv[1], tables(*run(SPECS['expected'], GRID)))"
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
    here = tables(*run(SPECS["expected"], GRID))
    np.testing.assert_allclose(numbers_with(8), here, atol=2e-5)


def test_flax_tree_mode_gives_the_numbers_of_graph_mode(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_TMP", str(tmp_path))
    np.testing.assert_array_equal(numbers_with(1, "false"), numbers_with(1, "true"))


def test_on_a_cpu_a_block_has_one_group_per_device(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    members = [Member(0.1, 0.0, 0.1, 1.0, seed) for seed in range(8)]
    blocks = cut_into_blocks(members, SPECS["expected"], DATA, 10**12)
    assert [len(block) for block in blocks] == [2, 2, 2, 2]
    assert {arrange(block, SPECS["expected"]).shape for block in blocks} == {(2, 1)}, "and one program serves them all"


def test_on_several_devices_a_seed_alone_is_spread_over_them(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    assert arrange([Member(0.1 * i, 0.0, 0.1, 1.0, 0) for i in range(1, 5)], SPECS["expected"]).shape == (2, 2)
