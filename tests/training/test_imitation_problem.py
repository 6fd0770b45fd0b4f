import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.dot_pairs import DotPairOptions
from ncfjax.training.blocks import Block, cut_into_blocks, cut_into_groups
from ncfjax.training.imitation import ImitationSpec, errors, init_imitator, train_imitator
from ncfjax.training.imitation_problem import ImitationMember, ImitationProblem, memory_estimate
from ncfjax.training.imitation_task import dot_source
from ncfjax.training.program import Program

SOURCE = dot_source(DotPairOptions(30, 4, pairs_per_user=10, num_fresh=50))
SPEC = ImitationSpec(embedding_dim=4, layers=(8, 4, 2), batch_size=32, num_epochs=4, schedule="cosine")
PROBLEM = ImitationProblem(SOURCE, SPEC)
GRID = [ImitationMember(rate, seed) for seed in (0, 7) for rate in (0.01, 0.003, 0.02)]
WIDE = Block([GRID[:3], GRID[3:5]], 3)  # as on an accelerator; the second group is filled up


@jax.jit
def alone(task, rate, seed):
    """Test and fresh errors of one run, which knows no grid."""
    pairs = task.regression_pairs(task.train)
    model = train_imitator(SPEC, pairs, rate, init_imitator(SPEC, seed), seed, 0, 4).model
    return errors(model, task.regression_pairs(task.test)), errors(model, task.fresh_regression_pairs())


def test_a_grid_measures_what_each_run_measures_alone():
    program = Program(PROBLEM, WIDE)
    measured = program.evaluate(program.advance(program.init(), 4))
    for index, (rate, seed) in enumerate(WIDE.members):
        for together, errors_alone in zip(measured, alone(SOURCE.draw(seed), rate, jnp.uint32(seed)), strict=True):
            np.testing.assert_allclose([x[index] for x in together], errors_alone, rtol=1e-4)
    assert np.ptp(measured.test.model) > 1e-3, "the members differ"
    assert np.ptp(measured.fresh.teacher[:3]) == 0 < np.ptp(measured.fresh.teacher), "those of one seed share a draw"


def test_on_a_cpu_every_member_is_a_group_and_every_device_trains_one(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    groups = cut_into_groups(GRID, PROBLEM.memory, 10**9, PROBLEM.cpu_width)
    assert groups == [[member] for member in GRID]
    assert [len(block.groups) for block in cut_into_blocks(groups, 1, PROBLEM.memory, 10**9)] == [2, 2, 2]


def test_what_no_memory_holds_is_refused():
    with pytest.raises(ValueError, match="memory: expected at least"):
        cut_into_groups(GRID, PROBLEM.memory, 1000, PROBLEM.cpu_width)


def test_parameters_are_those_of_one_member():
    assert PROBLEM.num_parameters == (8 * 8 + 8) + (8 * 4 + 4) + (4 * 2 + 2) + (2 + 1)


def test_the_largest_cell_of_the_study_fits_two_gigabytes():
    spec = ImitationSpec(128, (1024, 512, 256), batch_size=256, num_epochs=32)
    assert sum(memory_estimate(spec, dot_source(DotPairOptions(128_000, 128)).sizes)[:3]) < 2e9


def test_more_pairs_or_steps_than_can_be_numbered_are_refused():
    for sizes, message in (
        (
            {"num_users": 30_000_000},
            "pairs: expected at most 2,147,395,600, as positions have 32 bits, got 3,000,000,000",
        ),
        ({"num_users": 1_000_000}, r"steps: .*, got 28,125,000,000 = 10,000 epochs \* 2,812,500"),
    ):
        with pytest.raises(ValueError, match=message):
            ImitationProblem(dot_source(DotPairOptions(embedding_dim=4, **sizes)), SPEC._replace(num_epochs=10_000))
