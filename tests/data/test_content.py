"""What identifies a file, wherever it lies."""

import gzip
import os
import time

import pytest

from ncfjax.data.content import of_file, of_files

TEXT = b"user,item,timestamp\nann,tea,1\n"
DIGEST = "34e728ef900e9ea8"


def test_a_file_is_known_by_its_content_and_not_by_its_name_its_place_or_gzip(tmp_path):
    (tmp_path / "there").mkdir()
    for name, content in (("a.csv", TEXT), ("there/b", TEXT), ("c.csv.gz", gzip.compress(TEXT)), ("d.csv", TEXT[:-1])):
        (tmp_path / name).write_bytes(content)
    one, *same, other = (of_file(tmp_path / name) for name in ("a.csv", "there/b", "c.csv.gz", "d.csv"))
    assert one == DIGEST and same == [DIGEST, DIGEST] and other != one


def test_a_file_that_has_changed_is_known_anew_even_at_the_same_size(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT)
    before = of_file(path)
    path.write_bytes(TEXT.replace(b"ann", b"bob"))
    os.utime(path, ns=(0, time.time_ns() + 1))
    assert of_file(path) != before


def test_a_file_that_has_changed_and_kept_its_size_and_time_is_known_anew(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT)
    before, kept = of_file(path), path.stat()
    time.sleep(0.02)  # a file system counts in ticks
    path.write_bytes(TEXT.replace(b"ann", b"bob"))
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert of_file(path) != before


def test_what_cannot_be_read_has_no_content(tmp_path):
    (tmp_path / "cut.gz").write_bytes(gzip.compress(TEXT * 100)[:-9])
    assert [of_file(tmp_path / name) for name in ("cut.gz", "nowhere", ".")] == ["", "", ""]
    assert of_files([tmp_path / "cut.gz"]) == of_files([tmp_path / "cut.gz", None]) == ""


def test_of_several_files_their_order_and_what_is_missing_count(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    a, b = tmp_path / "a", tmp_path / "b"
    assert of_files([a]) == of_file(a)
    assert len({of_files(paths) for paths in ([a], [a, b], [b, a], [a, None], [a, b, None])}) == 5


@pytest.mark.realdata
def test_hashing_is_quick_beside_reading(real_data):
    """The .gz of 21 MB; measured 0.07 s on two cores, which other tests may keep busy."""
    started = time.perf_counter()
    assert of_file(real_data / "ml-1m.train.rating.gz") == "605fbbaf01fa1294"
    assert time.perf_counter() - started < 1.0
