import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncfjax.data.ncf import read_ncf, read_ncf_ratings
from ncfjax.data.ratings import STARS

# 3 users, 7 items; item 6 occurs in test only, user 2's positive is among its own negatives
FILES = {
    "train.rating": b"0\t1\t5\t30\n0\t0\t4\t20\n1\t2\t3\t40\n1\t0\t1\t10\n2\t3\t2\t50\n",
    "test.rating": b"0\t2\t5\t31\n1\t6\t4\t41\n2\t4\t3\t51\n",
    "test.negative": b"(0,2)\t3\t4\n(1,6)\t3\t4\n(2,4)\t4\t5\n",
}


def write(folder, **changed):
    for suffix, content in {**FILES, **{name.replace("_", "."): value for name, value in changed.items()}}.items():
        if content is not None:
            (folder / f"tiny.{suffix}").write_bytes(content)
    return folder / "tiny"


def read(folder, **changed):
    return read_ncf(write(folder, **changed), name="tiny", num_negatives=2)


def assert_is_tiny(data):
    assert data.train.users.tolist() == [0, 0, 1, 1, 2]
    assert data.train.items.tolist() == [1, 0, 2, 0, 3]
    assert (data.train.num_users, data.train.num_items) == (3, 7)
    assert data.held_out.users.tolist() == [0, 1, 2]
    assert data.held_out.positives.tolist() == [2, 6, 4]
    assert data.held_out.negatives.tolist() == [[3, 4], [3, 4], [4, 5]]
    assert (data.name, data.split, data.negatives, data.note) == ("tiny", "test", "file", "")


def test_reads_three_files_as_they_are(tmp_path):
    assert_is_tiny(read(tmp_path))


def test_reads_three_columns_and_fractional_ratings(tmp_path):
    train = b"0\t1\t4.5\n0\t0\t4\n1\t2\t3\n1\t0\t1\n2\t3\t2"
    assert_is_tiny(read(tmp_path, train_rating=train, test_rating=b"0\t2\t5\n1\t6\t4\n2\t4\t3\n"))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content.rstrip(b"\n"),
        lambda content: content + b"\n\n",
        lambda content: content.replace(b"\n", b"\r\n") + b"\r\n",
        lambda content: b"\xef\xbb\xbf" + content,
        gzip.compress,
        lambda content: gzip.compress(content[:11]) + gzip.compress(content[11:]),
    ],
    ids=[
        "windows",
        "no-last-newline",
        "empty-lines-at-end",
        "windows-empty-lines",
        "bom",
        "gzip-by-content",
        "gzip-parts",
    ],
)
def test_reads_other_line_ends_and_containers_alike(tmp_path, change):
    changed = {suffix.replace(".", "_"): change(content) for suffix, content in FILES.items()}
    assert_is_tiny(read(tmp_path, **changed))


def test_finds_gz_files_and_prefers_the_plain_one(tmp_path):
    prefix = write(tmp_path, train_rating=None)
    (tmp_path / "tiny.train.rating.gz").write_bytes(gzip.compress(FILES["train.rating"]))
    (tmp_path / "tiny.test.rating.gz").write_bytes(b"never looked at")
    assert_is_tiny(read_ncf(prefix, name="tiny", num_negatives=2))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"tiny\.test\.rating: expected a file, plain or \.gz"):
        read(tmp_path, test_rating=None)


TRAIN, TEST, NEGATIVE = "train.rating", "test.rating", "test.negative"


@pytest.mark.parametrize(
    ("suffix", "old", "new", "message"),
    [
        # train
        (TRAIN, b"1\t2\t3\t40", b"1\t2", r"rating:3: expected 4 fields, as on the first line, got 2 in '1\\t2'"),
        (TRAIN, b"0\t1\t5\t30", b"0\t1", r"rating:1: expected 3 or 4 fields .*, got 2"),
        (TRAIN, b"0\t1\t5\t30", b"0 1 5 30", r"rating:1: expected 3 or 4 fields .*, got 1"),
        (TRAIN, b"1\t2\t3\t40", b"1\t2\t3\t40\t9", r"rating:3: expected 4 fields, as on the first line, got 5"),
        (TRAIN, b"0\t1\t5\t30", b"0\t1\t5", r"rating:2: expected 3 fields, as on the first line, got 4"),
        (TRAIN, b"1\t2\t3\t40", b"", r"rating:3: expected 4 fields, as on the first line, got 1 in ''"),
        (TRAIN, b"1\t2\t3", b"1\t2.5\t3", r"rating:3: expected an integer id, got '2\.5' in field 2"),
        (TRAIN, b"1\t2\t3", b"1\t2.0\t3", r"rating:3: expected an integer id, got '2\.0' in field 2"),
        (TRAIN, b"1\t2\t3", b"True\t2\t3", r"rating:3: expected an integer id, got 'True' in field 1"),
        (TRAIN, b"1\t2\t3", b"1\tx\t3", r"rating:3: expected an integer id, got 'x' in field 2"),
        (TRAIN, b"1\t2\t3", b"1\t\t3", r"rating:3: expected an integer id, got '' in field 2"),
        (TRAIN, b"1\t2\t3", b"1\t\xff\t3", r"rating:3: expected an integer id"),
        (TRAIN, b"1\t2\t3", b"1\t-2\t3", r"rating:3: expected an id in 0\.\.2\*\*31-1, got '-2' in field 2"),
        (TRAIN, b"1\t2\t3", b"1\t2147483648\t3", r"rating:3: expected an id in 0\.\.2\*\*31-1, got '2147483648'"),
        (TRAIN, b"1\t2\t3", b"1\t99999999999999999999\t3", r"rating:3: expected an id in 0\.\.2\*\*31-1"),
        (TRAIN, b"1\t2\t3\t40", b"1\t2\tgood\t40", r"rating:3: expected a number, got 'good' in field 3"),
        (TRAIN, b"1\t2\t3\t40", b"1\t2\tinf\t40", r"rating:3: expected a number, got 'inf' in field 3"),
        (TRAIN, b"1\t2\t3\t40", b"1\t2\t1_0\t40", r"rating:3: expected a number, got '1_0' in field 3"),
        (TRAIN, b"1\t2\t3\t40", b"1\t2\t\xd9\xa3\t40", r"rating:3: expected a number, got '\u0663' in field 3"),
        (TRAIN, b"1\t2\t3\t40", b"1\t2\t%d\t40" % 2**64, r"rating:3: expected a number in -2\*\*63\.\.2\*\*63-1, got"),
        (TRAIN, b"1\t2\t3\t40", b"1\t2\t3\t4\xff", r"train\.rating:3: expected text in UTF-8, got b'\\xff'"),
        (TRAIN, b"1\t2\t3\t40", b"1\t2\t3\xc2\xa0\t\x85", r"train\.rating:3: expected text in UTF-8, got b'\\x85'"),
        (TRAIN, b"1\t2\t3\t40", b"1\t2\t3\0\t40", r"rating:3: expected text in UTF-8, got a NUL byte"),
        (
            TRAIN,
            b"2\t3\t2",
            b"3\t3\t2",
            r"rating:5: expected a user with a row in .*test\.rating, got user 3 without one",
        ),
        (TRAIN, b"1\t0\t1", b"1\t6\t1", r"rating:4: expected a pair that is not in .*test\.rating, got user 1, item 6"),
        # test
        (TEST, b"1\t6\t4\t41", b"1\t6", r"rating:2: expected 4 fields, as on the first line, got 2"),
        (TEST, b"1\t6", b"1\t-6", r"rating:2: expected an id in 0"),
        (TEST, b"1\t6", b"0\t6", r"rating:2: expected one row per user, got a second one of user 0"),
        (TEST, b"1\t6\t4\t41\n", b"", r"train\.rating:3: expected a user with a row in .*, got user 1 without one"),
        (TEST, b"2\t4\t3\t51\n", b"2\t4\t3\t51\n3\t4\t3\t51\n", r"test\.negative:4: expected 4 lines.*, got 3"),
        # negatives
        (NEGATIVE, b"(1,6)\t3\t4", b"(1,6)\t3", r"negative:2: expected 2 negatives \(dataset.num_negatives\), got 1"),
        (NEGATIVE, b"(0,2)\t3\t4", b"(0,2)\t3", r"negative:1: expected 2 negatives \(dataset.num_negatives\), got 1"),
        (
            NEGATIVE,
            b"(1,6)\t3\t4",
            b"(1,6)\t3\t4\t5",
            r"negative:2: expected 2 negatives \(dataset.num_negatives\), got 3",
        ),
        (NEGATIVE, b"(1,6)", b"(1,5)", r"negative:2: expected \(1,6\) as in .*test\.rating:2, got \(1,5\)"),
        (
            NEGATIVE,
            b"(1,6)\t3",
            b"(1,6)3",
            r"negative:2: expected a line that starts with \(user,item\), got '\(1,6\)3",
        ),
        (NEGATIVE, b"(1,6)", b"1,6", r"negative:2: expected a line that starts with \(user,item\), got '1,6"),
        (NEGATIVE, b"(1,6)\t3", b"(1,6)\tthree", r"negative:2: expected an integer id, got 'three'"),
        (NEGATIVE, b"(1,6)\t3", b"(1,6)\t-3", r"negative:2: expected an id in 0"),
        (NEGATIVE, b"(2,4)\t4\t5\n", b"", r"negative:3: expected 3 lines, as in .*test\.rating, got 2"),
        (NEGATIVE, b"(2,4)\t4\t5\n", b"(2,4)\t4\t5\n(3,4)\t1\t2\n", r"negative:4: expected 3 lines, .*, got 4"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path, suffix, old, new, message):
    assert FILES[suffix].count(old) == 1
    with pytest.raises(ValueError, match=message):
        read(tmp_path, **{suffix.replace(".", "_"): FILES[suffix].replace(old, new)})


# ids with gaps


# FILES with every user id times 3 and every item id times 5
GAPPED = {
    "train_rating": b"0\t5\t5\t30\n0\t0\t4\t20\n3\t10\t3\t40\n3\t0\t1\t10\n6\t15\t2\t50\n",
    "test_rating": b"0\t10\t5\t31\n3\t30\t4\t41\n6\t20\t3\t51\n",
    "test_negative": b"(0,10)\t15\t20\n(3,30)\t15\t20\n(6,20)\t20\t25\n",
}


def test_ids_that_never_occur_have_no_number_and_are_counted(tmp_path):
    data, gapped = read(tmp_path), read(tmp_path, **GAPPED)
    assert (gapped.train.num_users, gapped.train.num_items) == (3, 7)
    for name in ("users", "items", "timestamps"):
        np.testing.assert_array_equal(getattr(gapped.train, name), getattr(data.train, name))
    for name in ("users", "positives", "negatives"):
        np.testing.assert_array_equal(getattr(gapped.held_out, name), getattr(data.held_out, name))
    assert gapped.train.user_ids.tolist() == [0, 3, 6] and gapped.train.item_ids.tolist() == list(range(0, 31, 5))
    assert gapped.note == "4 of the user ids 0 to 6 never occur; 24 of the item ids 0 to 30 never occur"
    assert (data.train.user_ids, data.train.item_ids, data.note) == (None, None, "")


def test_an_id_of_two_hundred_million_takes_one_row(tmp_path):
    huge = {name: content.replace(b"\t6", b"\t200000000") for name, content in FILES.items()}
    data = read(tmp_path, train_rating=huge["train.rating"], test_rating=huge["test.rating"], test_negative=None)
    assert data.train.num_items == 6 and data.train.item_ids.tolist() == [0, 1, 2, 3, 4, 200_000_000]
    assert data.note == "199999995 of the item ids 0 to 200000000 never occur"


def test_negatives_are_drawn_among_the_items_that_occur(tmp_path):
    data = read(tmp_path, **GAPPED | {"test_negative": None})
    assert set(data.train.item_ids[data.held_out.negatives].ravel().tolist()) <= {0, 5, 10, 15, 20, 30}
    without = read(tmp_path, test_negative=None)  # item 5 is in the file of negatives alone
    np.testing.assert_array_equal(data.held_out.negatives, without.held_out.negatives)


def test_messages_name_the_ids_of_the_files_where_they_have_gaps(tmp_path):
    leaked = GAPPED["train_rating"].replace(b"3\t0\t1\t10", b"3\t30\t1\t10")
    with pytest.raises(ValueError, match=r"rating:4: expected a pair that is not in .*, got user 3, item 30"):
        read(tmp_path, **GAPPED | {"train_rating": leaked})


def test_a_user_with_too_few_items_left_is_named_by_its_id(tmp_path):
    train = GAPPED["train_rating"] + b"6\t0\t1\t1\n6\t5\t1\t1\n"
    prefix = write(tmp_path, **GAPPED | {"train_rating": train, "test_negative": None})
    with pytest.raises(ValueError, match="user 6: expected at least 3 items to draw negatives from, got 2 of 6"):
        read_ncf(prefix, name="tiny", num_negatives=3)


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b" \r\n", gzip.compress(b"")], ids=["0-bytes", "newlines", "blank", "gz"]
)
def test_an_empty_file_is_refused(tmp_path, suffix, content):
    with pytest.raises(ValueError, match=rf"tiny\.{suffix}:1: expected at least one row, got an empty file"):
        read(tmp_path, **{suffix.replace(".", "_"): content})


@pytest.mark.parametrize("cut", [1, 8, 30, 2000])
def test_a_truncated_gzip_file_is_refused(tmp_path, cut):
    lines = b"".join(b"%d\t%d\t5\t30\n" % divmod(n * 7919 % 10_000, 100) for n in range(10_000))
    with pytest.raises(ValueError, match=r"train\.rating:\d+: expected the rest .*truncated gzip"):
        read(tmp_path, train_rating=gzip.compress(lines)[:-cut])


def test_a_damaged_gzip_file_is_refused(tmp_path):
    content = bytearray(gzip.compress(FILES["train.rating"]))
    content[-5] ^= 1  # in the checksum
    with pytest.raises(ValueError, match=r"train\.rating:\d+: expected .*damaged gzip"):
        read(tmp_path, train_rating=bytes(content))


def test_repeated_train_pairs_are_dropped_and_counted(tmp_path):
    data = read(tmp_path, train_rating=b"0\t0\t4\t20\n" + FILES["train.rating"] + b"1\t2\t3\t40\n")
    assert data.note == "2 repeated train pairs dropped"
    assert data.train.users.tolist() == [0, 0, 1, 1, 2]
    assert data.train.items.tolist() == [0, 1, 2, 0, 3]


def test_a_user_without_train_rows_is_kept(tmp_path):
    data = read(tmp_path, train_rating=FILES["train.rating"].replace(b"2\t3\t2\t50\n", b""))
    assert data.train.num_users == 3
    assert len(data.held_out) == 3


def test_missing_negatives_are_drawn_outside_train_and_test(tmp_path):
    data = read(tmp_path, test_negative=None)
    assert data.negatives == "2 drawn, seed=0"
    known = [{1, 0, 2}, {2, 0, 6}, {3, 4}]
    assert data.held_out.negatives.shape == (3, 2)
    assert all(not known[user] & set(row) for user, row in enumerate(data.held_out.negatives.tolist()))


def test_a_user_with_too_few_items_left_is_named(tmp_path):
    prefix = write(tmp_path, test_negative=None)
    message = (
        r"tiny\.train\.rating, .*: user 0: expected at least 5 items to draw negatives from, got 3 of 6; dataset.num"
    )
    with pytest.raises(ValueError, match=message):
        read_ncf(prefix, name="tiny", num_negatives=5)


def test_negatives_that_repeat_or_lie_in_train_are_counted(tmp_path):
    data = read(tmp_path, test_negative=b"(0,2)\t3\t3\n(1,6)\t3\t0\n(2,4)\t4\t5\n")
    assert data.note == "1 of 6 negatives stand twice in their line; 1 of 6 negatives are in train"
    assert data.held_out.negatives.tolist() == [[3, 3], [3, 0], [4, 5]], "they stay as they are"


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.integers(0, 12), min_size=4, max_size=8, unique=True), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_any_split_that_is_written_is_read_back(users, newline, compressed, timed, ends):
    """Each list holds a user's items: the positive, two negatives, the train items."""
    tail = "\t1\t0" if timed else "\t1"
    rows = {
        "train.rating": [f"{user}\t{item}{tail}" for user, items in enumerate(users) for item in items[3:]],
        "test.rating": [f"{user}\t{items[0]}{tail}" for user, items in enumerate(users)],
        "test.negative": [f"({user},{items[0]})\t{items[1]}\t{items[2]}" for user, items in enumerate(users)],
    }
    with tempfile.TemporaryDirectory() as folder:
        for suffix, lines in rows.items():
            content = (newline.join(lines) + newline * ends).encode()
            Path(folder, f"any.{suffix}").write_bytes(gzip.compress(content) if compressed else content)
        data = read_ncf(Path(folder, "any"), name="any", num_negatives=2)
    occurring = sorted({item for items in users for item in items})
    ids = np.arange(len(occurring)) if data.train.item_ids is None else data.train.item_ids
    assert ids.tolist() == occurring and data.train.num_items == len(occurring)
    assert ids[data.train.items].tolist() == [item for items in users for item in items[3:]]
    assert data.train.users.tolist() == [user for user, items in enumerate(users) for _ in items[3:]]
    assert ids[data.held_out.positives].tolist() == [items[0] for items in users]
    assert ids[data.held_out.negatives].tolist() == [items[1:3] for items in users]


@pytest.mark.realdata
def test_ml_1m_has_its_known_counts(real_data):
    data = read_ncf(real_data / "ml-1m", name="ml-1m")
    assert len(data.train) == 994_169
    assert (data.train.num_users, data.train.num_items) == (6040, 3706)
    assert len(np.unique(data.train.items)) == 3704  # two items occur only in test
    assert data.held_out.negatives.shape == (6040, 99)
    assert (data.held_out.negatives == data.held_out.positives[:, None]).any(axis=1).sum() == 156
    assert (np.diff(data.train.users) >= 0).all()
    assert (data.negatives, data.note) == ("file", "")


def test_time_stamps_are_kept_and_a_file_without_them_has_none(tmp_path):
    assert read(tmp_path).train.timestamps.tolist() == [30, 20, 40, 10, 50]
    assert read(tmp_path).train.order == "newest first"
    train = b"\n".join(line.rsplit(b"\t", 1)[0] for line in FILES["train.rating"].splitlines()) + b"\n"
    assert read(tmp_path, train_rating=train).train.timestamps is None


def test_blanks_around_fields_do_not_count(tmp_path):
    """Of any kind that Unicode has; they stand in each of the three files."""
    changed = {
        name.replace(".", "_"): content.replace(b"\t", "\u3000\t\u00a0".encode()) for name, content in FILES.items()
    }
    assert_is_tiny(read(tmp_path, **changed))


def test_one_fraction_does_not_tie_the_time_stamps(tmp_path):
    times = [1700000000000000001, 1700000000000000003, 1700000000000000002, "1700000000000000000.5", 2**64]
    lines = [line.rsplit(b"\t", 1)[0] for line in FILES["train.rating"].splitlines()]
    train = b"".join(b"%s\t%s\n" % (line, str(time).encode()) for line, time in zip(lines, times, strict=True))
    assert read(tmp_path, train_rating=train).train.timestamps.tolist() == [1, 3, 2, 0, 4], "ranks"


def test_dates_are_time_stamps(tmp_path):
    train = b"0\t1\t5\t2024-02-29\n0\t0\t4\t2024-02-28\n1\t2\t3\t2024-03-02\n1\t0\t1\t2024-03-01\n2\t3\t2\t2024-01-01\n"
    assert read(tmp_path, train_rating=train).train.order == "newest first"
    with pytest.raises(
        ValueError, match=r"tiny\.train\.rating:2: expected an ISO date as timestamp, .*, got '2024-02-30'"
    ):
        read(tmp_path, train_rating=train.replace(b"2024-02-28", b"2024-02-30"))


# ratings


def read_tiny_ratings(folder, item_ids=None, **changed):
    prefix = write(folder, **changed)
    path = None
    if item_ids is not None:
        path = folder / "ids.tsv"
        path.write_text(item_ids)
    return read_ncf_ratings(Path(f"{prefix}.train.rating"), Path(f"{prefix}.test.rating"), path, scale=STARS)


def test_both_files_together_are_read_as_ratings(tmp_path):
    ratings = read_tiny_ratings(tmp_path)
    assert ratings.users.tolist() == [0, 0, 1, 1, 2, 0, 1, 2]
    assert ratings.values.tolist() == [5, 4, 3, 1, 2, 5, 4, 3]
    assert ratings.timestamps.tolist() == [30, 20, 40, 10, 50, 31, 41, 51]
    assert ratings.item_ids[ratings.items].tolist() == [1, 0, 2, 0, 3, 2, 6, 4]
    assert (ratings.num_users, ratings.num_items, ratings.user_ids) == (3, 6, None)  # item 5 is a negative alone
    assert ratings.note == "1 of the item ids 0 to 6 never occur"


def test_items_have_the_ids_of_a_map_and_users_one_more_than_their_number(tmp_path):
    ids = "item\tid\n" + "".join(f"{item}\t{100 - item}\n" for item in reversed(range(8)))
    ratings = read_tiny_ratings(tmp_path, ids)
    assert ratings.item_ids.tolist() == [100, 99, 98, 97, 96, 94] and ratings.user_ids.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"train_rating": b"0\t1\t5\n1\t0\t0\n2\t0\t1\n"},
            r"train\.rating:2: expected a rating on the scale 1 to 5 .*, got 0",
        ),
        (
            {"test_rating": b"0\t2\t5\n1\t6\t4.5\n2\t4\t3\n"},
            r"test\.rating:2: expected a rating on the scale .*, got 4.5",
        ),
        ({"item_ids": "item\tid\n0\t7\n1\t8\n"}, r"ids\.tsv: expected an id for each of 6 items, got none for 2"),
        ({"item_ids": "item\tid\n0\t7\n1\tx\n"}, r"ids\.tsv:3: expected an integer id, got 'x' in field 2"),
    ],
)
def test_ratings_off_the_scale_and_items_without_an_id_are_refused(tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        read_tiny_ratings(tmp_path, **changed)
