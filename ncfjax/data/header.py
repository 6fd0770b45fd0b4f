"""The header of a table: which of its columns is which, by the usual names or by those that a person gives."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ncfjax.data.text import bad_line

SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "double_colon": "::", "space": " ", r"\t": "\t"}
COLUMNS = ("user", "item", "rating", "timestamp", "strength")
ORDERS = {"oldest_first": 1, "newest_first": -1}  # of a table's rows: the direction of time along them
_DETECTED = (",", "\t", ";", "|", "::")  # in this order, where none is given
_MOVIELENS = ("user", "item", "rating", "timestamp")  # of ratings.dat
_USUAL = {
    "user": "userid uid userno username customer customerid reviewer reviewerid visitor visitorid member memberid",
    "item": "itemid iid itemno movie movieid product productid asin parentasin book bookid song songid track trackid "
    "artist artistid article articleid business businessid",
    "rating": "ratings stars score overall",
    "timestamp": "timestamps time date datetime unixtime unixreviewtime ratingtimestamp createdat",
    "strength": "weight",
}


class Column(NamedTuple):
    """A column that is looked for."""

    name: str
    usual: tuple[str, ...] = ()  # other names, compared in lower case without blanks and punctuation
    given: str | None = None  # what a person says it is called, and nothing else is taken for it; digits: its place
    is_optional: bool = False


class TableForm(NamedTuple):
    """How a person's own table is written; None: as its header tells.

    A column is given by its name, or by its number from 1 where the table has no header: then those that are not given
    are not there. With `order`, one of ORDERS, the rows' order counts and no time is read.
    """

    separator: str | None = None  # one of SEPARATORS, by name or itself, or any other text
    user: str | None = None
    item: str | None = None
    rating: str | None = None
    timestamp: str | None = None
    strength: str | None = None
    order: str | None = None

    @property
    def note(self) -> str:
        """What a result's row must say of columns that are given: another column is other data."""
        given = [f"{name}={getattr(self, name)}" for name in COLUMNS if getattr(self, name) is not None]
        return f"columns {', '.join(given)}" if given else ""

    def columns(self, *names: str, optional: Sequence[str] = ()) -> list[Column]:
        """Those of some of the names in COLUMNS."""
        wanted = [*names, *(name for name in optional if name not in names)]
        return [Column(name, tuple(_USUAL[name].split()), getattr(self, name), name not in names) for name in wanted]


def is_separator(text: str) -> bool:
    """Whether a table may have it between its fields."""
    return text in SEPARATORS or (bool(text) and not re.search(r'[\w"\n\r]', text))


def separator_of(line: str, columns: Sequence[Column], given: str | None) -> str:
    """The text between fields: what is given, else the first of some that finds user and item, else a comma."""
    if given is not None:
        return SEPARATORS.get(given, given)
    ids = [column for column in columns if column.name in ("user", "item")]
    fields = ((text, [field.strip(' "') for field in line.split(text)]) for text in _DETECTED)
    found = (text for text, header in fields if _is_movielens(line, text) or all(_places(header, one) for one in ids))
    return next(found, ",")


def find_columns(
    path: Path, row: int, line: str, fields: Sequence[str], columns: Sequence[Column], separator: str
) -> tuple[dict[str, int], bool]:
    """Returns the place of each column that is there, and whether the first line, which has these fields, is a header.

    It is none where columns are given by number, and in MovieLens's files of user::item::rating::timestamp. Raises
    ValueError with file and line for a column that is missing or there twice.
    """
    is_given = any(column.given for column in columns)
    is_movielens = _is_movielens(line, separator) and not is_given
    names = _MOVIELENS[: len(fields)] if is_movielens else fields
    found = {column.name: _places(names, column) for column in columns}
    for column in columns:
        places = found[column.name]
        if len(places) > 1 or (not places and (column.given is not None or not column.is_optional)):
            raise bad_line(path, row, _expected(column, columns, [names[place] for place in places]), repr(line))
    has_header = not (is_movielens or any(_is_number(column.given) for column in columns))
    chosen: dict[int, str] = {}
    for name, places in found.items():
        if places and (other := chosen.setdefault(places[0], name)) != name:
            expected = f"columns of their own for {other} and {name} (dataset.columns.{name})"
            raise bad_line(path, row, expected, f"the same one, {fields[places[0]]!r}")
    return {name: place for place, name in chosen.items()}, has_header


def kind_of(name: str) -> str | None:
    """What a column of this name is, "user" or "item", if it is a usual name of one of them."""
    if not name[-1:].isalpha():  # most ids end with a digit: for a million of them this is a second less
        return None
    plain = _plain(name)
    return next((kind for kind in ("user", "item") if plain == kind or plain in _USUAL[kind].split()), None)


def _is_movielens(line: str, separator: str) -> bool:
    return separator == "::" and re.match(r"\d+::\d+(::|$)", line) is not None


def _is_number(given: str | None) -> bool:
    return given is not None and given.isascii() and given.isdigit()


def _places(header: Sequence[str], column: Column) -> list[int]:
    names = [field.strip() for field in header]
    if _is_number(column.given):
        return [int(column.given) - 1] if 1 <= int(column.given) <= len(header) else []
    if column.given is not None:
        return _equal(names, column.given.strip()) or _equal(map(str.lower, names), column.given.strip().lower())
    own = _equal(map(str.lower, names), column.name)
    known = (column.name, *column.usual) if column.usual else ()
    return own or [place for place, name in enumerate(names) if _plain(name) in known]


def _equal(names: Iterable[str], wanted: str) -> list[int]:
    return [place for place, name in enumerate(names) if name == wanted]


def _plain(name: str) -> str:
    """A name as _USUAL has it; RecBole's files say user_id:token."""
    return re.sub(r"[\W_]", "", name.split(":")[0].lower())


def _expected(column: Column, columns: Sequence[Column], found: Sequence[str]) -> str:
    key = f"dataset.columns.{column.name}"
    if found:
        which = f" ({key}=NAME says which of {', '.join(found)})" if column.usual else ""
        return f"a header with {column.name} once{which}"
    if column.given is not None:
        what = f"a header with {column.given}"
        if _is_number(column.given):
            what = f"at least {column.given} fields" if int(column.given) else "a column from 1 on"
        return f"{what} ({key})"
    *first, last = [one.name for one in columns if not one.is_optional]
    hint = f" ({key}=NAME gives another name, dataset.separator=TEXT another separator)" if column.usual else ""
    return f"a header with {', '.join(first)} and {last}{hint}"
