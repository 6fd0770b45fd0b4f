"""A whole grid in one call, from Python: every member trained, and its model returned."""

import sys

import jax

from ncfjax.data.interactions import LeaveOneOut
from ncfjax.models.recommender import Recommender
from ncfjax.training.blocks import cut_into_blocks, cut_into_groups
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem


def train(
    data: LeaveOneOut, spec: Spec, members: list[Member], num_epochs: int, *, memory_bytes: int | None = None
) -> list[Recommender]:
    """The models after `num_epochs` epochs, in the order of `members`.

    A grid that `memory_bytes` do not hold is trained in blocks; one shape of block is compiled once. Without a limit a
    block takes half of what is free on an accelerator, and on a CPU the few members that its cores train at once.

    Raises:
        ValueError: a similarity that cannot be, no member, or one that alone is larger than the memory.
    """
    if not members:
        raise ValueError("members: expected at least one, got none")
    limit = _free_bytes() if memory_bytes is None else memory_bytes
    problem = RecommenderProblem(data, spec, memory_bytes=limit)
    groups = cut_into_groups(members, problem.memory, limit, problem.cpu_width)
    models: dict[Member, Recommender] = {}
    for block in cut_into_blocks(groups, max(map(len, groups)), problem.memory, limit):
        program = Program(problem, block)
        trained = program.models(program.advance(program.init(), num_epochs))
        models |= zip(block.members, trained, strict=True)
    return [models[member] for member in members]


def _free_bytes() -> int:
    stats = [device.memory_stats() for device in jax.local_devices()]
    if not stats[0] or "bytes_limit" not in stats[0]:
        return sys.maxsize
    return sum(device["bytes_limit"] - device["bytes_in_use"] for device in stats) // 2
