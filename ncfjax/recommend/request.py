"""What is asked of trained models, as plain data: every key that there is, and what it takes.

    users, history, items        who (ids, or "all"), or a history with its ratings; which items to predict
    k, include_seen              how many to recommend, and whether what a user had may be among them
    allow, deny                  items, for all or for each user: [12, 15] or {"7": [12], "9": [15]}
    genre, not_genre, years, title, num_ratings        conditions.py
    prefer, weights              blend.py
    explain                      how many items of the history to name beside each recommendation

Users and items are named as their data set's files call them, items also by title.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ncfjax.keys import nearest

MOST = 1000  # of k
LARGEST = sys.float_info.max  # a longer integer is no float
Name = str | int
Number = float | int
Range = tuple[Number | None, Number | None]
PerUser = Mapping[Name, tuple[Name, ...]]


class Refused(ValueError):
    """A question that cannot be, or that these models cannot answer: the message is for who asks it."""


@dataclass(frozen=True)
class Request:
    """One question. Raises Refused for a value that cannot be; names are looked up when it is answered."""

    users: tuple[Name, ...] | str = ()  # "all": every user of the model
    history: tuple[Name, ...] = ()  # of somebody who is no user of the model
    ratings: tuple[Number, ...] | None = None  # of the history
    items: tuple[Name, ...] = ()  # to predict; none: recommend
    k: int = 10
    include_seen: bool = False
    allow: tuple[Name, ...] | PerUser | None = None  # None: all
    deny: tuple[Name, ...] | PerUser = ()
    genre: tuple[str, ...] = ()  # one of these at least
    not_genre: tuple[str, ...] = ()  # none of these
    years: Range = (None, None)  # both included
    title: tuple[str, ...] = ()  # all of these words
    num_ratings: Range = (None, None)
    prefer: Mapping[str, Number] | None = None  # genre or decade -> standard deviations of the user's scores
    weights: tuple[Number, ...] | None = None  # of the models; None: all alike
    explain: int | None = None  # None: 2 for one user, 0 for several

    def __post_init__(self):
        for name, read in _READERS.items():
            value = getattr(self, name)
            object.__setattr__(self, name, read(name, value) if value is not None else _default(name))
        if self.history and self.users:
            raise Refused("history: expected none beside users, as it is of somebody else, got both")
        if self.ratings is not None and len(self.ratings) != len(self.history):
            raise Refused(f"ratings: expected {len(self.history)}, one for each of history, got {len(self.ratings)}")
        if self.weights is not None and not (min(self.weights, default=-1.0) >= 0 and sum(self.weights) > 0):
            raise Refused(f"weights: expected numbers >= 0, one of them > 0, got {list(self.weights)}")
        self._check_each("allow")
        self._check_each("deny")

    def _check_each(self, name: str) -> None:
        """Lists for each user are of users that are asked about."""
        lists = getattr(self, name)
        if isinstance(lists, Mapping) and self.users != "all":
            strangers = set(lists) - {str(user) for user in self.users}
            if strangers:
                expected = "lists of users that are asked about" if self.users else "a list, as no users are given"
                raise Refused(f"{name}: expected {expected}, got {', '.join(sorted(strangers))}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Request":
        """The request of plain values, such as those of JSON; None is a key's default.

        Raises:
            Refused: a key that there is not, a value that cannot be.
        """
        for name in values:
            if name not in _READERS:
                raise Refused(f"{name}: no such key, {nearest(str(name), _READERS)}")
        return cls(**{name: _READERS[name](name, value) for name, value in values.items() if value is not None})

    def of_user(self, name: str, user: Name | None) -> tuple[Name, ...] | None:
        """`allow` or `deny` as it is for one user; None: not limited."""
        given = getattr(self, name)
        return given.get(str(user)) if isinstance(given, Mapping) else given


def _default(name: str) -> Any:
    return next(field.default for field in fields(Request) if field.name == name)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST  # a NaN is not


def _refusal(name: str, expected: str, got: Any) -> Refused:
    return Refused(f"{name}: expected {expected}, got {got!r}")


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _names(name: str, value: Any) -> tuple[Name, ...]:
    """A list of names, or one alone; each once."""
    entries = _list(value)
    if not all(type(entry) in (str, int) and str(entry).strip() for entry in entries):
        raise _refusal(name, "a list of names", value)
    texts = [str(entry) for entry in entries]
    if len(set(texts)) < len(texts):
        raise _refusal(name, "each name once", value)
    return tuple(entries)


def _users(name: str, value: Any) -> tuple[Name, ...] | str:
    return value if value == "all" else _names(name, value)


def _lists(name: str, value: Any) -> tuple[Name, ...] | PerUser:
    if isinstance(value, Mapping):
        return {str(user): _names(name, items) for user, items in value.items()}
    return _names(name, value)


def _numbers(name: str, value: Any) -> tuple[float, ...]:
    if not all(map(_is_number, _list(value))):
        raise _refusal(name, "a list of numbers", value)
    return tuple(map(float, _list(value)))


def _range(name: str, value: Any) -> Range:
    """[first, last]; one number alone is both."""
    ends = _list(value)
    ends = [ends[0], ends[0]] if len(ends) == 1 else ends
    is_right = len(ends) == 2 and all(end is None or _is_number(end) for end in ends)
    if not is_right or (None not in ends and ends[0] > ends[1]):
        raise _refusal(name, "[first, last], null for no limit", value)
    return tuple(ends)


def _between(least: int, most: int) -> Callable[[str, Any], int]:
    def read(name: str, value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise _refusal(name, f"an integer from {least} to {most}", value)
        return value

    return read


def _flag(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise _refusal(name, "true or false", value)
    return value


def _preferences(name: str, value: Any) -> Mapping[str, float]:
    if not isinstance(value, Mapping) or not all(map(_is_number, value.values())):
        raise _refusal(name, "{GENRE: NUMBER, ...}", value)
    return {str(label): float(strength) for label, strength in value.items()}


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "users": _users,
    "history": _names,
    "ratings": _numbers,
    "items": _names,
    "k": _between(1, MOST),
    "include_seen": _flag,
    "allow": _lists,
    "deny": _lists,
    "genre": lambda name, value: tuple(map(str, _names(name, value))),
    "not_genre": lambda name, value: tuple(map(str, _names(name, value))),
    "years": _range,
    "title": lambda name, value: tuple(map(str, _names(name, value))),
    "num_ratings": _range,
    "prefer": _preferences,
    "weights": _numbers,
    "explain": _between(0, 100),
}
KEYS: tuple[str, ...] = tuple(_READERS)
