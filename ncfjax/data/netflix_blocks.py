"""Netflix's files of blocks, read as bytes: a line "MovieID:", then a line for each of the movie's rows.

    1:                     combined_data_*.txt   user,rating,YYYY-MM-DD
    1488844,3,2005-09-06   probe.txt             user

A piece of a file is one array of bytes. The last bytes of each line make a table with a column per line. Since a row is
right-aligned in it, a field is some rows of the table: NumPy reads all lines at once. A piece that does not fit is
walked line by line, to say which line is at fault.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt8

from ncfjax.data.text import bad_line, read_chunks, without_blanks

MAX_USER, MAX_MOVIE = 2_649_429, 17_770
_HEADER_WIDTH = 6  # 17770:
# Of the month 0 = January 1970 and so on; the last one fits days into int16.
_FIRST_DAYS = np.arange("1970-01", "2059-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int32)
_NEWLINE, _ZERO = ord("\n"), ord("0")

Columns = tuple[np.ndarray, ...]
Parsed = tuple[Columns, Bool[np.ndarray, " rows"]]  # and which rows are sound


class RowFormat(NamedTuple):
    """How the rows of a file are read: at most `width` bytes each."""

    expected: str  # in words, for messages
    width: int
    parse: Callable[[UInt8[np.ndarray, "width rows"], Int[np.ndarray, " rows"]], Parsed]  # last bytes, lengths
    problem: Callable[[str], str | None]  # what was expected of a row that is wrong


def read_blocks(path: Path, rows: RowFormat) -> Iterator[Columns]:
    """Yields for each piece of a plain or gzip file the movies of its rows, int16, and the columns of the rows.

    Raises ValueError with file and line for a row before the first header, and for a header or row that is wrong.
    """
    movie, line = 0, 0  # none yet
    for text in read_chunks(path):
        piece = _parse(text, movie, rows)
        if not piece.is_sound:  # with blanks around a field, maybe
            piece = _parse(without_blanks(text, ","), movie, rows)
        if not piece.is_sound:
            raise _first_problem(path, line, text, movie, rows)
        yield piece.columns
        movie, line = piece.last_movie, line + piece.num_lines


class _Piece(NamedTuple):
    columns: Columns  # the first one: the movie of each row
    last_movie: int
    num_lines: int
    is_sound: bool  # all lines are as they should be


def _parse(text: bytes, movie: int, rows: RowFormat) -> _Piece:
    """Reads the lines of a piece, of which the first rows are of `movie`, 0 where there is none yet."""
    content = np.frombuffer(b"\n" * rows.width + text, np.uint8)  # so that the first line has as many bytes before it
    ends = np.flatnonzero(content == _NEWLINE)[rows.width :]
    lengths = np.minimum(np.diff(ends, prepend=rows.width - 1) - 1, rows.width + 1).astype(np.int8)
    is_header = content[ends - 1] == ord(":")
    headers, are_headers = _headers(content, ends[is_header], lengths[is_header])
    columns, are_rows = rows.parse(_last_bytes(content, ends[~is_header], rows.width), lengths[~is_header])
    headers = np.concatenate([np.array([movie], np.int16), headers])
    movies = headers[np.append(np.cumsum(is_header)[~is_header], len(headers) - 1)]
    is_sound = are_headers.all() and are_rows.all() and movies.all()
    return _Piece((movies[:-1], *columns), int(movies[-1]), len(ends), bool(is_sound))


def _last_bytes(content: np.ndarray, ends: np.ndarray, width: int) -> UInt8[np.ndarray, "width rows"]:
    """The bytes before each end; those of the line before it where a line is shorter."""
    windows = np.lib.stride_tricks.sliding_window_view(content, width)
    return np.ascontiguousarray(windows[ends - width].T)


def _headers(content: np.ndarray, ends: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the movie of each header, int16, and which of them are sound."""
    movies, is_number = digits_of(_last_bytes(content, ends, _HEADER_WIDTH)[:-1], lengths - 1)
    is_sound = is_number & (lengths <= _HEADER_WIDTH) & (movies >= 1) & (movies <= MAX_MOVIE)
    return np.where(is_sound, movies, 0).astype(np.int16), is_sound


def digits_of(
    field: UInt8[np.ndarray, "width rows"], lengths: Int[np.ndarray, " rows"] | None = None
) -> tuple[Int[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """Returns right-aligned numbers of so many digits (None: all), int32, 0 for no digit; and which are digits only."""
    numbers, is_sound = np.zeros(field.shape[1], np.int32), np.ones(field.shape[1], bool)
    for place, byte in enumerate(field):
        digit = byte - np.uint8(_ZERO)  # of another byte 10 or more
        if lengths is not None:
            digit *= place >= len(field) - lengths
        is_sound &= digit < 10
        numbers *= 10
        numbers += digit
    return numbers, is_sound


def _parse_users(lines: UInt8[np.ndarray, "width rows"], lengths: Int[np.ndarray, " rows"]) -> Parsed:
    """Lines that end with a user id: 7 bytes."""
    users, is_number = digits_of(lines, lengths)
    return (users,), is_number & (lengths <= len(lines)) & (users >= 1) & (users <= MAX_USER)


def _parse_ratings(lines: UInt8[np.ndarray, "width rows"], lengths: Int[np.ndarray, " rows"]) -> Parsed:
    """Lines of 20 bytes: user 7, comma, rating 1, comma, date 10."""
    (users,), has_user = _parse_users(lines[:7], lengths - 13)
    values = lines[8] - np.uint8(_ZERO)
    days, has_day = _days(lines[10:])
    has_commas = (lines[7] == ord(",")) & (lines[9] == ord(","))
    is_sound = has_user & has_day & has_commas & (values >= 1) & (values <= 5)
    return (users, values.astype(np.int8), days), is_sound


def _days(date: UInt8[np.ndarray, "10 rows"]) -> tuple[Int[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """Returns days since 1970-01-01 as int16, and which of the dates are some from 1970 to 2058."""
    (year, has_year), (month, has_month), (day, has_day) = (
        digits_of(date[part]) for part in (slice(0, 4), slice(5, 7), slice(8, 10))
    )
    is_sound = has_year & has_month & has_day & (date[4] == ord("-")) & (date[7] == ord("-"))
    is_sound = is_sound & (month >= 1) & (month <= 12) & (year >= 1970) & (year <= 2058)
    months = np.where(is_sound, (year - 1970) * 12 + month - 1, 0)
    days = _FIRST_DAYS[months] + day - 1
    return days.astype(np.int16), is_sound & (day >= 1) & (days < _FIRST_DAYS[months + 1])


def _user_problem(field: str) -> str | None:
    is_user = field.isascii() and field.isdigit() and len(field) <= 7 and 1 <= int(field) <= MAX_USER
    return None if is_user else f"a user id in 1..{MAX_USER}"


def _rating_problem(line: str) -> str | None:
    fields = line.split(",")
    if len(fields) != 3:
        return RATINGS.expected
    user, value, date = fields
    if problem := _user_problem(user):
        return problem
    if not re.fullmatch("[1-5]", value):
        return "a rating of 1 to 5"
    return None if _is_date(date) else "a date YYYY-MM-DD from 1970 to 2058"


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"(19[7-9]\d|20[0-5]\d)-\d\d-\d\d", text, re.ASCII) or text.startswith("2059"):
        return False
    try:
        np.datetime64(text, "D")
    except ValueError:
        return False
    return True


USERS = RowFormat("user", 7, _parse_users, _user_problem)
RATINGS = RowFormat("user,rating,YYYY-MM-DD", 20, _parse_ratings, _rating_problem)


def _first_problem(path: Path, before: int, text: bytes, movie: int, rows: RowFormat) -> ValueError:
    """Walks the lines of a piece and returns the error of the first one that is at fault."""
    for row, line in enumerate(text.decode("utf-8", "replace").split("\n")[:-1], before):
        if line.endswith(":"):
            is_movie = re.fullmatch("[0-9]{1,5}:", line) and 1 <= int(line[:-1]) <= MAX_MOVIE
            problem = None if is_movie else f"a movie id in 1..{MAX_MOVIE} before the colon"
            movie = 1
        else:
            problem = rows.problem(line) if movie else "the header of a movie, such as 1:, before its rows"
        if problem:
            return bad_line(path, row, problem, repr(line[:60]))
    return ValueError(f"{path}: expected blocks of {rows.expected} below a movie's header, got something else")
