"""What the data of a job hold, counted and measured."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.engine.memory import TEXT_BYTES, held_bytes

ROOT = Path(__file__).parents[3]


class Pair(NamedTuple):
    first: np.ndarray
    second: np.ndarray | None


@dataclass
class Data:
    name: str
    pair: Pair
    more: list


def test_arrays_are_counted_wherever_they_are_and_once():
    array, texts = np.zeros(100), np.array(["a", "bc"], dtype=object)
    data = Data("data", Pair(array, None), [array, np.zeros(3, np.int8), texts])
    assert held_bytes(data, array) == 800 + 3 + 2 * (8 + TEXT_BYTES)


def test_what_reading_takes_is_the_growth_of_the_process_and_is_kept_with_what_was_read():
    """In a process of its own: this one may have been larger before."""
    code = (
        "import numpy as np; from experiments.engine.memory import measured;"
        "_, first = measured('data', lambda: np.ones(30_000_000).sum());"
        "_, again = measured('data', lambda: 0);"
        "_, other = measured('other data', lambda: np.ones(1_000));"
        "print(first, again, other)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    first, again, other = map(int, said.split())
    assert 200_000_000 < first == again < 300_000_000 and other < 10_000_000
