import gzip
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.data.ncf import read_ncf
from ncfjax.data.ratings_csv import read_csv
from ncfjax.data.text import find_file, read_chunks, read_content, read_text

lines = st.lists(st.text("ab,:1\n", max_size=6).filter(lambda line: "\n" not in line), max_size=12)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("text") / "file"


@given(
    lines, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from(["", "", " ", "\t "]), st.integers(0, 3),
    st.booleans(), st.integers(1, 9),
)  # fmt: skip
def test_pieces_together_are_the_whole_content(path, lines, end, has_mark, blank, num_empty, is_gzip, size):
    text = b"\xef\xbb\xbf" * has_mark + (end.join(lines) + (end + blank) * num_empty).encode()
    path.write_bytes(gzip.compress(text) if is_gzip else text)
    content = "\n".join(lines).rstrip("\n").encode()
    if not content:
        with pytest.raises(ValueError, match="file:1: expected at least one row, got an empty file"):
            list(read_chunks(path, size))
        return
    pieces = list(read_chunks(path, size))
    assert b"".join(pieces) == content + b"\n" == read_content(path) + b"\n"
    assert all(piece.endswith(b"\n") for piece in pieces)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda content: content[:-9], "its early end"),
        (lambda content: content[:-8] + b"12345678", "damaged gzip data"),
        (lambda content: content[:20] + b"\xff\xff\xff\xff" + content[24:], "damaged gzip data"),
    ],
    ids=["truncated", "checksum", "stream"],
)
def test_a_bad_gzip_stream_is_refused_with_its_line(tmp_path, damage, problem):
    (tmp_path / "file").write_bytes(damage(gzip.compress(b"".join(b"%d\n" % row for row in range(3000)), mtime=0)))
    with pytest.raises(ValueError, match=rf"file:\d+: expected the rest of the gzip stream, got {problem}"):
        list(read_chunks(tmp_path / "file", 100))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_of_two_bytes_a_letter_is_refused_as_such(tmp_path, encoding):
    (tmp_path / "file").write_bytes("1::A::War\n2::B::War\n".encode(encoding))
    with pytest.raises(
        ValueError, match="file:1: expected text in UTF-8, got a NUL byte, which UTF-16 and other forms"
    ):
        read_text(tmp_path / "file")


def test_what_a_disk_refuses_names_the_file(tmp_path, monkeypatch):
    def fail(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(OSError, match=r"Input/output error: '.*file'"):
        read_content(tmp_path / "file")


def test_a_path_without_a_name_is_no_file():
    assert find_file(Path(".")) is find_file(Path("/")) is None


def test_text_that_is_not_utf_8_is_latin_1(tmp_path):
    for content in ("café\n".encode(), "café\n".encode("latin-1")):
        (tmp_path / "file").write_bytes(content)
        assert read_text(tmp_path / "file") == "café"


@pytest.mark.parametrize("read", [read_ncf, lambda path, name: read_csv(path.with_name("a.train.rating"), name=name)])
def test_a_file_that_memory_does_not_hold_is_no_fault_of_the_file(tmp_path, monkeypatch, read):
    """pandas says so as it does of a bad table, which would be read again, line by line, to find its fault."""
    for suffix in ("train", "test"):
        (tmp_path / f"a.{suffix}.rating").write_text("user,item,timestamp\n1,2,3\n1,3,4\n")

    def fail(*arguments, **options):
        raise pd.errors.ParserError("Error tokenizing data. C error: out of memory")

    monkeypatch.setattr(pd, "read_csv", fail)
    with pytest.raises(MemoryError, match="out of memory"):
        read(tmp_path / "a", name="a")
