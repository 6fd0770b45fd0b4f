"""How the value of a key is refused: `key: expected ..., got ...`."""


class ConfigError(ValueError):
    """The command or a file of conf/ asks for something that cannot be; the message says where, expected, got."""


class TuningError(Exception):
    """No candidate can win."""


def expect(key: str, is_right: bool, expected: str, got: object) -> None:
    if not is_right:
        raise ConfigError(f"{key}: expected {expected}, got {got!r}")
