"""How the value of a key is refused: `key: expected ..., got ...`."""

from collections.abc import Iterator
from contextlib import contextmanager


class ConfigError(ValueError):
    """The command or a file of conf/ asks for something that cannot be; the message says where, expected, got."""


class TuningError(Exception):
    """No candidate can win."""


class ProcessError(Exception):
    """One of the processes that train a study together has gone."""


def expect(key: str, is_right: bool, expected: str, got: object) -> None:
    if not is_right:
        raise ConfigError(f"{key}: expected {expected}, got {got!r}")


@contextmanager
def refused(where: str) -> Iterator[None]:
    """What a library refuses, as a refusal of the key that asked for it: "dataset=ml-1m: ..."."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise ConfigError(f"{where}: {error}") from error
