"""Who is trained beside whom, on pretended machines."""

import jax
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ncfjax.training.blocks import (
    WITHOUT_YNN,
    Block,
    MemoryEstimate,
    compiler_options,
    cut_into_blocks,
    cut_into_groups,
    memory_bytes,
)
from ncfjax.training.recommender import Member

MEMORY, PLENTY = MemoryEstimate(fixed=300_000, each=40_000), 10**12  # bytes


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
@given(grids, st.integers(1, 16), st.sampled_from(["cpu", "gpu"]), st.integers(1, 40), st.sampled_from([1, 8]))
def test_groups_share_a_seed_and_blocks_fit_the_memory(pretend, members, devices, backend, members_that_fit, cpu_width):
    pretend(devices, backend)
    fixed, each, *_ = MEMORY
    limit = fixed + members_that_fit * each
    groups = cut_into_groups(members, MEMORY, limit, cpu_width)
    width = max(map(len, groups))
    blocks = cut_into_blocks(groups, width, MEMORY, limit)
    assert [member for block in blocks for group in block.groups for member in group] == members
    assert backend != "cpu" or width <= cpu_width
    for group in groups:
        assert len({member.seed for member in group}) == 1
    for block in blocks:
        used = min(devices, len(block.groups))
        per_device = -(-len(block.groups) // used)
        assert fixed + per_device * width * each <= limit / min(devices, limit // (fixed + each))
        assert backend != "cpu" or per_device == 1
    assert width * len(groups) <= 2 * len(members), "at most as many slots that only fill up"


def test_a_grid_that_no_memory_holds_is_refused():
    members = [Member(0.1, 0.0, 0.1, 1.0, 0)]
    with pytest.raises(ValueError, match="memory: expected at least .* KB for one member, got"):
        cut_into_groups(members, MEMORY, MEMORY.fixed, cpu_width=8)


def test_bytes_of_the_host_are_of_a_cpus_memory_and_not_of_an_accelerators(pretend):
    members = [Member(0.1 + 0.1 * i, 0.0, 0.1, 1.0, 0) for i in range(4)]
    memory = MemoryEstimate(fixed=100, each=10, host=1000)
    block = Block([members], 4)
    for backend, needed in (("cpu", 1140), ("gpu", 140)):
        pretend(1, backend)
        assert memory_bytes(memory, block) == needed
        assert cut_into_groups(members, memory, needed, cpu_width=8) == [members]
        with pytest.raises(ValueError, match="memory: expected at least"):
            cut_into_groups(members, memory, needed - 31, cpu_width=8)


def test_groups_do_not_depend_on_what_was_trained_before(pretend):
    """Eight seeds on two cores: a group each, two groups in a block, and one shape for all blocks."""
    pretend(2, "cpu")
    members = [Member(0.1, 0.0, 0.1, 1.0, seed) for seed in range(8)]
    groups = cut_into_groups(members, MEMORY, PLENTY, cpu_width=8)
    assert groups == [[member] for member in members]
    blocks = cut_into_blocks(groups[3:], 1, MEMORY, PLENTY)
    assert [len(block.groups) for block in blocks] == [2, 1, 2]


@pytest.mark.parametrize(("devices", "backend", "widths"), [(1, "cpu", [4]), (2, "cpu", [2, 2]), (8, "gpu", [1] * 4)])
def test_one_seed_is_spread_over_the_devices(pretend, devices, backend, widths):
    pretend(devices, backend)
    members = [Member(0.1 * i, 0.0, 0.1, 1.0, 0) for i in range(1, 5)]
    assert [len(group) for group in cut_into_groups(members, MEMORY, PLENTY, cpu_width=8)] == widths


def test_members_that_go_alone_on_a_cpu_go_together_on_an_accelerator(pretend):
    members = [Member(0.1 * i, 0.0, 0.1, 1.0, 0) for i in range(1, 5)]
    for backend, widths in (("cpu", [1] * 4), ("gpu", [2, 2])):
        pretend(2, backend)
        assert [len(group) for group in cut_into_groups(members, MEMORY, PLENTY, cpu_width=1)] == widths


def test_an_option_that_this_jaxlib_does_not_know_is_left_out():
    """XLA refuses to compile with it: a later one may have dropped an experimental option, or one of its values."""
    known = dict(WITHOUT_YNN)
    unknown = {"xla_cpu_an_option_of_another_year": "1"}
    wrong = {"xla_cpu_experimental_ynn_fusion_type": "a value of another year"}
    assert compiler_options(known | unknown) == compiler_options(known)
    assert compiler_options(unknown) == compiler_options(wrong) == {}
    assert jax.jit(lambda x: x + 1, compiler_options=compiler_options(unknown))(1) == 2
