"""What a compiled program sends between devices."""

import math
import re

NAMES = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter"


def received(program: str) -> list[tuple[str, int]]:
    """Every collective of a compiled program, and how many numbers the largest array of it has."""
    matches = re.findall(rf"= (.*?) ({NAMES})(?:-start)?\(", program)
    return [(name, max(_size(dims) for dims in re.findall(r"\[([\d,]*)\]", shape))) for shape, name in matches]


def _size(dims: str) -> int:
    return math.prod(int(dim) for dim in dims.split(",") if dim)
