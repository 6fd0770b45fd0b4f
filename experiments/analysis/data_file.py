"""YAML files whose content is checked against a type while they are read."""

import types
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml


def read(path: Path, kind: Any) -> Any:
    """The content as a value of `kind`: a NamedTuple, whose fields are keys; a dict, a list; a plain type or a union.

    Raises:
        ValueError: something else, with the file, the key, what was expected and what it is.
    """
    try:
        return _checked(yaml.safe_load(path.read_text(encoding="utf-8")), kind, f"{path}: ")
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: expected YAML, got {error}") from error


def _checked(value: Any, kind: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is dict and isinstance(value, dict):
        return {_checked(key, inner[0], where): _checked(v, inner[1], f"{where}{key}: ") for key, v in value.items()}
    if origin is list and isinstance(value, list):
        return [_checked(v, inner[0], f"{where}{number}: ") for number, v in enumerate(value, start=1)]
    if hasattr(kind, "_fields") and isinstance(value, dict):
        return _record(value, kind, where)
    plain = inner if origin is types.UnionType else (kind,)
    if type(value) in plain:  # a bool is no int
        return value
    if float in plain and type(value) is int:
        return float(value)
    names = " or ".join(getattr(option, "__name__", str(option)) for option in plain)
    raise ValueError(f"{where}expected {names}, got {value!r}")


def _record(value: dict, kind: Any, where: str) -> Any:
    hints, needed = get_type_hints(kind), [name for name in kind._fields if name not in kind._field_defaults]
    wrong = [key for key in value if key not in hints] + [name for name in needed if name not in value]
    if wrong:
        raise ValueError(
            f"{where}expected the keys {', '.join(needed)}, got {', '.join(map(str, value))} ({wrong[0]}?)"
        )
    return kind(**{key: _checked(v, hints[key], f"{where}{key}: ") for key, v in value.items()})
