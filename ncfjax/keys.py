"""A key of a configuration, said once: which values it takes, in code and in words, and how a table shows one.

What reads a command line, makes a table or builds a model follows from this.
"""

import difflib
import math
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

LARGEST = 2**31 - 1  # of JAX's integers
FLOATS = 2.0**-126, 3.4028234e38  # the smallest and the largest of 32 bits; what is closer to 0 is 0 for XLA
REQUIRED = ...  # the default of a key that has none


class Key(NamedTuple):
    """Which values a key takes, and which one it has if none is given."""

    kind: type  # bool, int, float, str, or tuple (of integers)
    is_valid: Callable[[Any], bool]  # of a value of this kind
    expected: str  # "a number > 0": the words of an error
    default: Any = REQUIRED  # a value, or a function of embedding_dim
    # For a key that came later, both true: a run at its default is the run from before.
    default_is_blank: bool = False  # in tables its cell is empty
    default_is_unnamed: bool = False  # it is no part of what makes a run what it is
    names: tuple[str, ...] = ()  # all its values, where these are names
    most: int | None = None  # of an integer, or of each in a tuple: one more sentence than `expected`
    is_path: bool = False  # ~ and ~USER are home folders

    def read(self, name: str, value: Any) -> Any:
        """The value in its type; where it is None, the default.

        Raises:
            ValueError: naming the key, what was expected and what it got.
        """
        if value is None and self.default is not REQUIRED:
            return None if callable(self.default) else self.default
        if self.names and value not in self.names:
            raise ValueError(f"{name}={value}: no such name, {nearest(str(value), self.names)}")
        if not (_is_of_kind(self.kind, value) and self.is_valid(value)):
            raise ValueError(f"{name}: expected {self.expected}, got {value!r}")
        if self.kind is float and value and not FLOATS[0] <= abs(value) <= FLOATS[1]:
            size = f"{FLOATS[0]:.2g} to {FLOATS[1]:.2g}"
            raise ValueError(f"{name}: expected 0, or a size that 32 bits hold ({size}), got {value!r}")
        if self.most is not None and max(value if self.kind is tuple else [value], default=0) > self.most:
            raise ValueError(f"{name}: expected at most {self.most}, got {value!r}")
        return os.path.expanduser(str(value)) if self.is_path else self.kind(value)

    @property
    def column(self) -> type:
        """Of its cells in a table."""
        return self.kind if self.kind in (int, float) else str

    def cell(self, value: Any) -> Any:
        """A value as a table shows it; layers are 64-32-16-8."""
        if value is None or (self.default_is_blank and value == self.default):
            return None
        if self.kind is bool:
            return str(value).lower()
        return "-".join(map(str, value)) if self.kind is tuple else value


def _is_of_kind(kind: type, value: Any) -> bool:
    match kind():
        case float():
            return type(value) in (int, float) and math.isfinite(value)
        case str():  # a name that is a number is one on a command line too
            return type(value) in (str, int, float)
        case tuple():
            return type(value) in (list, tuple) and all(type(entry) is int for entry in value)
    return type(value) is kind


def anything(value: Any) -> bool:
    return True


def one_of(*names: str, **default: Any) -> Key:
    return Key(str, anything, f"one of {', '.join(names)}", names=names, **default)


COUNT = Key(int, lambda value: value >= 1, "an integer >= 1", most=LARGEST)
COUNT_OR_ZERO = Key(int, lambda value: value >= 0, "an integer >= 0", most=LARGEST)
POSITIVE = Key(float, lambda value: value > 0, "a number > 0")
NON_NEGATIVE = Key(float, lambda value: value >= 0, "a number >= 0")
SHARE = Key(float, lambda value: 0 <= value <= 1, "a number from 0 to 1")
DECAY = Key(float, lambda value: 0 < value <= 1, "a number above 0, at most 1")  # of a learning rate, per epoch
SEED = Key(int, lambda value: 0 <= value < 2**31, "an integer from 0 to 2147483647")
TEXT = Key(str, anything, "a text")
PATH = Key(str, bool, "a path", is_path=True)
TRUE = Key(bool, anything, "true or false", default=True)
FLAG = Key(bool, anything, "true or false", default=False, default_is_blank=True, default_is_unnamed=True)


def nearest(got: str, valid: Iterable[str]) -> str:
    """A question that holds the name that comes closest, if one is close, and all the valid names."""
    names = list(valid)
    close = difflib.get_close_matches(got, names, n=1)
    # `embeding_dim=16`, `learning_rate=0.1`: the last part of a key without, or with a wrong, first part.
    last_parts = {name.rsplit(".", 1)[-1]: name for name in names}
    close = close or [last_parts[part] for part in difflib.get_close_matches(got.rsplit(".", 1)[-1], last_parts, n=1)]
    question = f"did you mean {close[0]}? " if close else ""
    return f"{question}valid: {', '.join(names)}"
