"""How the value of a key is refused: `key: expected ..., got ...`, with the nearest right name where it is a name."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any


class ConfigError(ValueError):
    """The command or a file of conf/ asks for something that cannot be; the message says where, expected, got."""


def expect(key: str, is_right: bool, expected: str, got: object) -> None:
    if not is_right:
        raise ConfigError(f"{key}: expected {expected}, got {got!r}")


def expect_name(key: str, got: str, valid: Iterable[str]) -> None:
    if got not in (names := list(valid)):
        raise ConfigError(f"{key}={got}: no such name, {nearest(got, names)}")


def expect_count(key: str, got: int) -> None:
    expect(key, got >= 1, "an integer >= 1", got)


def expect_options(group: str, config: Any, keys_of: Mapping[str, Iterable[str]], choice: str) -> None:
    """The keys that one choice has, as model=mlp has layers, are set in `config`, and no others that a choice has.

    `choice` is "model=mlp", and `keys_of` the keys of every name that may stand there.
    """
    what, chosen = choice.split("=")
    for key in sorted({key for keys in keys_of.values() for key in keys}):
        value, takers = getattr(config, key), [name for name, keys in keys_of.items() if key in keys]
        full_key = f"{group}.{key}" if group else key
        if chosen in takers:
            expect(full_key, value is not None, f"a value, as {choice}", value)
        else:
            expect(full_key, value is None, f"nothing, as only {what}={' or '.join(takers)} has it", value)


def expect_folder(key: str, got: str) -> None:
    is_folder = re.fullmatch(r"\w[\w.+-]*", got) is not None
    expect(key, is_folder, "the name of a folder: letters, digits, . _ + -", got)


def is_number(value: Any, *, above: float | None = None, least: float | None = None) -> bool:
    """Whether it is a finite number in its range; a truth value is none."""
    if type(value) not in (int, float) or not math.isfinite(value):
        return False
    return (above is None or value > above) and (least is None or value >= least)


def is_seed(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def nearest(got: str, valid: Iterable[str]) -> str:
    """A question that holds the name that comes closest, if one is close, and all the valid names."""
    names = list(valid)
    close = difflib.get_close_matches(got, names, n=1)
    # `embeding_dim=16`, `learning_rate=0.1`: the last part of a key without, or with a wrong, first part.
    last_parts = {name.rsplit(".", 1)[-1]: name for name in names}
    close = close or [last_parts[part] for part in difflib.get_close_matches(got.rsplit(".", 1)[-1], last_parts, n=1)]
    question = f"did you mean {close[0]}? " if close else ""
    return f"{question}valid: {', '.join(names)}"
