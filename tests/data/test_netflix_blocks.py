import datetime
import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.data import netflix_blocks
from ncfjax.data.netflix_blocks import MAX_MOVIE, MAX_USER, RATINGS, USERS, read_blocks
from ncfjax.data.text import read_chunks

EPOCH = datetime.date(1970, 1, 1)
CONTENT = "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n17770:\n7,1,1999-12-31\n"

rows = st.tuples(
    st.integers(1, MAX_USER), st.integers(1, 5), st.dates(datetime.date(1970, 1, 1), datetime.date(2058, 12, 31))
)
blocks = st.lists(st.tuples(st.integers(1, MAX_MOVIE), st.lists(rows, max_size=4)), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("netflix") / "combined_data_1.txt"


def read(path, text, rows=RATINGS):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [np.concatenate(column).tolist() for column in zip(*read_blocks(path, rows), strict=True)]


@given(blocks, st.integers(1, 90))
def test_blocks_are_what_was_written_whatever_the_pieces(path, blocks, size):
    text = "".join(
        f"{movie}:\n" + "".join(f"{user},{value},{date}\n" for user, value, date in rows) for movie, rows in blocks
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(netflix_blocks, "read_chunks", lambda path: read_chunks(path, size))
        movies, users, values, days = read(path, text)
    expected = [(movie, *row) for movie, rows in blocks for row in rows]
    dates = [EPOCH + datetime.timedelta(days=day) for day in days]
    assert list(zip(movies, users, values, dates, strict=True)) == expected


def test_columns_are_small(path):
    path.write_text(CONTENT)
    for columns in read_blocks(path, RATINGS):
        assert [column.dtype for column in columns] == [np.int16, np.int32, np.int8, np.int16]


@pytest.mark.parametrize(
    "text",
    [CONTENT.rstrip(), CONTENT + "\n\n", CONTENT.replace("\n", "\r\n"), gzip.compress(CONTENT.encode(), mtime=0)],
    ids=["no-last-newline", "empty-lines", "windows", "gzip"],
)
def test_other_line_ends_and_containers_are_read_alike(path, text):
    assert read(path, text) == read(path, CONTENT)


def test_the_probe_has_users_alone(path):
    assert read(path, "1:\n30878\n2647871\n10:\n1952305\n", USERS) == [[1, 1, 10], [30878, 2647871, 1952305]]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0,3,2005-09-06", r"a user id in 1\.\.2649429"),
        ("2649430,3,2005-09-06", r"a user id in 1\.\.2649429"),
        ("12345678,3,2005-09-06", r"a user id in 1\.\.2649429"),
        ("00000012,3,2005-09-06", r"a user id in 1\.\.2649429"),
        ("-12,3,2005-09-06", r"a user id in 1\.\.2649429"),
        ("x,3,2005-09-06", r"a user id in 1\.\.2649429"),
        (",3,2005-09-06", r"a user id in 1\.\.2649429"),
        ("12,0,2005-09-06", "a rating of 1 to 5"),
        ("12,6,2005-09-06", "a rating of 1 to 5"),
        ("12,10,2005-09-06", "a rating of 1 to 5"),
        ("12,4.5,2005-09-06", "a rating of 1 to 5"),
        ("12,,2005-09-06", "a rating of 1 to 5"),
        ("12,3,2005-02-29", "a date YYYY-MM-DD"),
        ("12,3,2005-13-01", "a date YYYY-MM-DD"),
        ("12,3,2005-00-01", "a date YYYY-MM-DD"),
        ("12,3,2005-04-31", "a date YYYY-MM-DD"),
        ("12,3,2005-04-00", "a date YYYY-MM-DD"),
        ("12,3,2005/04-01", "a date YYYY-MM-DD"),
        ("12,3,2005-04/01", "a date YYYY-MM-DD"),
        ("12,3,1969-12-31", "a date YYYY-MM-DD"),
        ("12,3,2059-01-01", "a date YYYY-MM-DD"),
        ("12,3,20050-4-01", "a date YYYY-MM-DD"),
        ("12,3,2005-04-1", "a date YYYY-MM-DD"),
        ("12,3,", "a date YYYY-MM-DD"),
        ("12,3", "user,rating,YYYY-MM-DD"),
        ("12,3,2005-09-06,1", "user,rating,YYYY-MM-DD"),
        ("12;3,2005-09-06", "user,rating,YYYY-MM-DD"),
        ("12,3;2005-09-06", "user,rating,YYYY-MM-DD"),
        ("", "user,rating,YYYY-MM-DD"),
        ("0:", r"a movie id in 1\.\.17770 before the colon"),
        ("17771:", r"a movie id in 1\.\.17770 before the colon"),
        (":", r"a movie id in 1\.\.17770 before the colon"),
        ("one:", r"a movie id in 1\.\.17770 before the colon"),
        ("10000012:", r"a movie id in 1\.\.17770 before the colon"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(path, line, expected):
    """Wherever it stands: the bytes before a line too short are those of the line before it."""
    for place in range(1, 5):
        lines = CONTENT.splitlines()
        lines.insert(place, line)
        with pytest.raises(ValueError, match=rf"combined_data_1\.txt:{place + 1}: expected {expected}.*, got "):
            read(path, "\n".join(lines))


def test_a_wrong_line_of_a_later_piece_has_its_number_in_the_file(path, monkeypatch):
    monkeypatch.setattr(netflix_blocks, "read_chunks", lambda path: read_chunks(path, 20))
    with pytest.raises(ValueError, match=r"combined_data_1\.txt:6: expected a rating of 1 to 5, got '8,9,2005-01-01'"):
        read(path, CONTENT + "8,9,2005-01-01\n")


@pytest.mark.parametrize("text", ["5,3,2005-09-06\n" + CONTENT, CONTENT.removeprefix("1:\n")])
def test_a_row_before_the_first_header_is_refused(path, text):
    with pytest.raises(ValueError, match=r"combined_data_1\.txt:1: expected the header of a movie, such as 1:, before"):
        read(path, text)


@pytest.mark.parametrize("line", ["0", "2649430", "12345678", "x", "12,3", ""])
def test_a_wrong_line_of_the_probe_is_refused_with_its_number(path, line):
    with pytest.raises(ValueError, match=r"combined_data_1\.txt:2: expected a user id in 1\.\.2649429, got "):
        read(path, f"1:\n{line}\n30878\n", USERS)
