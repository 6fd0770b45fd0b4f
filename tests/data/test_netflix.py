import os
import time

import numpy as np
import pytest

from ncfjax.data import netflix_packed
from ncfjax.data.netflix import read_netflix, take_probe
from ncfjax.data.netflix_packed import pack, read_packed

PARTS = {
    "combined_data_1.txt": "3:\n20,5,2005-01-02\n7,1,2005-01-01\n1:\n20,4,2004-12-31\n",
    "combined_data_2.txt": "9:\n2649429,3,1999-12-31\n7,2,2000-01-01\n",
}


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "netflix"
    folder.mkdir()
    for name, text in PARTS.items():
        (folder / name).write_text(text)
    return [folder / name for name in PARTS]


@pytest.fixture
def packings(monkeypatch):
    """What is packed, and not read from the cache."""
    calls = []
    monkeypatch.setattr(netflix_packed, "pack", lambda paths: calls.append(paths) or pack(paths))
    return calls


def caches(paths, tmp_path):
    return [path.parent for folder in (paths[0].parent, tmp_path / "cache") for path in folder.rglob("*.npz")]


def test_users_and_movies_are_numbered_by_their_ids(paths):
    ratings = read_netflix(paths)
    assert ratings.user_ids.tolist() == [7, 20, 2_649_429] and ratings.item_ids.tolist() == [1, 3, 9]
    assert ratings.users.tolist() == [1, 0, 1, 2, 0] and ratings.items.tolist() == [1, 1, 0, 2, 2]
    assert ratings.values.tolist() == [5, 1, 4, 3, 2]
    assert ratings.timestamps.tolist() == [12785, 12784, 12783, 10956, 10957]
    assert str(ratings.scale) == "1 to 5 in steps of 1"


def test_a_pair_that_is_rated_twice_is_refused_in_its_own_ids(paths):
    paths[1].write_text("3:\n7,2,2000-01-01\n")
    with pytest.raises(ValueError, match="ratings: expected distinct pairs, got user 7, item 3 twice"):
        read_netflix(paths)


def test_headers_without_a_rating_are_refused(paths):
    for path in paths:
        path.write_text("3:\n9:\n \n")
    with pytest.raises(ValueError, match=r"combined_data_2\.txt: expected at least one rating, got headers of movies"):
        read_netflix(paths)


# the cache


def test_a_file_that_changed_and_kept_its_size_and_time_is_packed_anew(paths, packings):
    """As after cp -p or rsync of another version: nobody can set the time of the change itself."""
    read_packed(paths)
    kept = paths[1].stat()
    time.sleep(0.02)  # a file system counts in ticks
    paths[1].write_text(PARTS[paths[1].name].replace(",3,", ",5,"))
    os.utime(paths[1], ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert (paths[1].stat().st_size, paths[1].stat().st_mtime_ns) == (kept.st_size, kept.st_mtime_ns)
    assert read_netflix(paths).values.tolist() == [5, 1, 4, 5, 2] and len(packings) == 2


def test_files_are_packed_once(paths, packings, tmp_path):
    first, again = read_packed(paths), read_packed(paths)
    assert len(packings) == 1 and caches(paths, tmp_path) == [paths[0].parent]
    for one, other in zip(first, again, strict=True):
        assert one.dtype == other.dtype and np.array_equal(one, other)
    assert sum(column.dtype.itemsize for column in again[:4]) == 9


@pytest.mark.parametrize("change", ["content", "time", "files"])
def test_other_files_are_packed_anew(paths, packings, change):
    read_packed(paths)
    if change == "content":
        paths[1].write_text("9:\n8,3,1999-12-31\n")
    elif change == "time":
        os.utime(paths[1], (1, 1))
    else:
        paths = paths[:1]
    assert len(read_packed(paths).users) == len(pack(paths).users) and len(packings) == 2


@pytest.mark.parametrize("damage", [lambda content: content[:-30], lambda content: b"", lambda content: b"\0" * 99])
def test_a_damaged_cache_is_made_anew(paths, packings, damage):
    read_packed(paths)
    (cache,) = paths[0].parent.glob("*.npz")
    cache.write_bytes(damage(cache.read_bytes()))
    assert len(read_packed(paths).users) == 5 and len(packings) == 2
    read_packed(paths)
    assert len(packings) == 2


def test_where_the_folder_cannot_be_written_to_the_cache_is_the_users(paths, packings, tmp_path, monkeypatch):
    write = netflix_packed._write_cache
    monkeypatch.setattr(
        netflix_packed, "_write_cache", lambda path, *of: path.parent != paths[0].parent and write(path, *of)
    )
    read_packed(paths)
    read_packed(paths)
    assert caches(paths, tmp_path) == [tmp_path / "cache" / "ncfjax" / "netflix"] and len(packings) == 1


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(paths, packings, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file, not a folder")

    def refuse(*arguments):
        raise PermissionError("read-only")

    monkeypatch.setattr(netflix_packed.os, "replace", refuse)
    assert len(read_packed(paths).users) == len(read_packed(paths).users) == 5 and len(packings) == 2
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(PARTS), "nothing half-written is left"


# the probe


def test_the_probe_is_taken_out_of_the_training(paths):
    probe = paths[0].parent / "probe.txt"
    probe.write_text("3:\n7\n1:\n20\n")
    split = take_probe(read_netflix(paths), probe)
    assert split.test.values.tolist() == [1, 4] and split.train.values.tolist() == [5, 3, 2]
    assert (split.name, split.note) == ("given", "probe.txt")


def test_pairs_of_the_probe_that_are_not_rated_are_counted(paths):
    probe = paths[0].parent / "probe.txt"
    probe.write_text("3:\n7\n8\n2:\n20\n9:\n20\n")
    split = take_probe(read_netflix(paths), probe)
    assert len(split.test) == 1 and split.note == "probe.txt: 3 of 4 pairs are not among the ratings"
    probe.write_text("3:\n7\n7\n8\n")
    assert take_probe(read_netflix(paths), probe).note == "probe.txt: 1 of 3 pairs are not among the ratings"
    probe.write_text("2:\n20\n")
    with pytest.raises(ValueError, match=r"probe\.txt: expected pairs that are rated, got none of 1"):
        take_probe(read_netflix(paths), probe)


# real data


@pytest.mark.realdata
def test_the_head_of_kaggles_last_file_is_read(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ratings = read_netflix([real_data / "netflix-prize-sample" / "combined_data_4.head.txt.gz"])
    assert (len(ratings), ratings.num_items, ratings.num_users) == (10_068, 11, 9_337)
    assert ratings.item_ids.tolist() == list(range(13368, 13379))
    assert ratings.user_id(int(ratings.users[0])) == 2385003 and ratings.values[0] == 4
    dates = ratings.timestamps.astype("datetime64[D]")
    assert (str(dates[0]), str(dates.min()), str(dates.max())) == ("2004-07-08", "2000-01-05", "2005-12-31")
