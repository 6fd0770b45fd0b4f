import gzip

import numpy as np
import pytest

from ncfjax.data.movielens import read_movielens, read_movielens_ratings, read_official_fold
from ncfjax.data.ratings import HALF_STARS, STARS

ROWS = [(2, 10, 5, 300), (2, 40, 3, 100), (1, 30, 4, 200), (1, 10, 2, 250), (2, 30, 1, 200)]


def text(separator, rows=ROWS):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows).encode()


@pytest.mark.parametrize(
    "content", [text("::"), text("\t"), gzip.compress(text("::"), mtime=0), text("\t").replace(b"\n", b"\r\n")]
)
def test_both_formats_give_the_same_split(tmp_path, content):
    path = tmp_path / "ratings"
    path.write_bytes(content)
    data = read_movielens(path, name="tiny", num_negatives=0)
    # users 1, 2 -> 0, 1; items by first appearance: 10, 40, 30 -> 0, 1, 2
    assert data.held_out.positives.tolist() == [0, 0]
    assert data.train.users.tolist() == [0, 1, 1]
    assert data.train.items.tolist() == [2, 2, 1]
    assert (data.name, data.train.num_users, data.train.num_items) == ("tiny", 2, 3)


@pytest.mark.parametrize("separator", ["::", "\t"])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, 10, 2), "ratings:4: expected 4 fields .user, item, rating, timestamp., got 3"),
        ((1, 10, 2, 250, 0), "ratings:4: expected 4 fields .*, got 5"),
        ((1, "ten", 2, 250), "ratings:4: expected an integer id, got 'ten' in field 2"),
        ((-1, 10, 2, 250), "ratings:4: expected an id in 0"),
        ((1, 10, 2, "monday"), "ratings:4: expected a number as timestamp, got 'monday'"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path, separator, row, message):
    path = tmp_path / "ratings"
    path.write_bytes(text(separator, [*ROWS[:3], row, ROWS[4]]))
    with pytest.raises(ValueError, match=message):
        read_movielens(path, name="tiny", num_negatives=0)


# ratings

CSV = b"userId,movieId,rating,timestamp\n" + text(",", [(2, 10, 4.5, 300), (2, 40, 3.0, 100), (1, 30, 0.5, 200)])


@pytest.mark.parametrize(
    ("content", "values", "scale"),
    [
        (text("\t"), [5, 3, 4, 2, 1], STARS),
        (text("::"), [5, 3, 4, 2, 1], STARS),
        (text("::", [*ROWS[:4], (2, 30, 1.5, 200)]), [5, 3, 4, 2, 1.5], HALF_STARS),
        (CSV, [4.5, 3, 0.5], HALF_STARS),
    ],
    ids=["u.data", "ratings.dat", "ml-10m", "ratings.csv"],
)
def test_all_formats_are_read_as_ratings_with_the_ids_of_the_file(tmp_path, content, values, scale):
    (tmp_path / "ratings").write_bytes(content)
    ratings = read_movielens_ratings(tmp_path / "ratings")
    assert (ratings.values.tolist(), ratings.scale, ratings.note) == (values, scale, "")
    assert ratings.user_ids.tolist() == [1, 2] and ratings.users[:3].tolist() == [1, 1, 0]
    assert ratings.item_ids.tolist() == [10, 40, 30] and ratings.items[:3].tolist() == [0, 1, 2]
    assert ratings.timestamps[:3].tolist() == [300, 100, 200]


def test_of_a_repeated_pair_the_latest_rating_counts(tmp_path):
    (tmp_path / "ratings").write_bytes(text("\t", [*ROWS, (2, 10, 1, 400)]))
    ratings = read_movielens_ratings(tmp_path / "ratings")
    assert ratings.values.tolist() == [3, 4, 2, 1, 1] and ratings.note == "1 repeated pairs dropped"
    assert ratings.item_ids.tolist() == [10, 40, 30], "numbered by the first line of all"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (text("\t", [*ROWS, (1, 40, 6, 7)]), "ratings:6: expected a rating on the scale 1 to 5 in steps of 1, got 6"),
        (text("\t", [*ROWS, (1, 40, 3.5, 7)]), "ratings:6: .* 1 to 5 in steps of 1, got 3.5"),
        (text("::", [*ROWS, (1, 40, 3.7, 7)]), "ratings:6: .* 0.5 to 5 in steps of 0.5, got 3.7"),
        (CSV + b"7,8,0,9\n", "ratings:5: .* 0.5 to 5 in steps of 0.5, got 0"),
        (CSV + b"7,8,4\n", "ratings:5: expected 4 fields .*, got 3"),
        (CSV + b"7,x,4,9\n", "ratings:5: expected an integer id, got 'x' in field 2"),
    ],
)
def test_a_rating_off_its_scale_is_refused_with_its_line(tmp_path, content, message):
    (tmp_path / "ratings").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_movielens_ratings(tmp_path / "ratings")


def test_the_split_of_high_ratings_leaves_the_others_out(tmp_path):
    (tmp_path / "ratings").write_bytes(text("\t"))
    data = read_movielens(tmp_path / "ratings", name="tiny", min_rating=2.0, num_negatives=0)
    assert data.held_out.positives.tolist() == [0, 0] and data.train.items.tolist() == [2, 1]
    assert data.note == "ratings of at least 2"
    with pytest.raises(ValueError, match="min_rating: expected at most 5, the highest rating, got 6"):
        read_movielens(tmp_path / "ratings", name="tiny", min_rating=6.0)


# official folds


@pytest.fixture
def fold(tmp_path):
    """Reads the fold of two files of ROWS, of which the last two lines are the test file's."""

    def fold(train=ROWS[:3], test=ROWS[3:]):
        for name, rows in (("u.data", ROWS), ("u1.base", train), ("u1.test", test)):
            (tmp_path / name).write_bytes(text("\t", rows))
        ratings = read_movielens_ratings(tmp_path / "u.data")
        return read_official_fold(ratings, tmp_path / "u1.base", tmp_path / "u1.test", fold=1)

    return fold


def test_an_official_fold_is_that_of_its_files_whatever_their_order(fold):
    for rows in (ROWS[:3], ROWS[2::-1]):
        split = fold(rows)
        assert split.train.values.tolist() == [5, 3, 4] and split.test.values.tolist() == [2, 1]
        assert (split.name, split.fold, split.note) == ("official", 1, "u1.base, u1.test")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"test": ROWS[2:]}, r"u1\.base:3: expected a pair that is not in .*u1\.test, got user 1, item 30"),
        ({"train": [(2, 10, 4, 300)]}, r"u1\.base:1: expected a rating of the whole .*, got 4 of user 2, item 10"),
        (
            {"test": [ROWS[3], (9, 10, 4, 1)]},
            r"u1\.test:2: expected a rating of the whole .*, got 4 of user 9, item 10",
        ),
        (
            {"test": [ROWS[3], (1, 40, 4, 1)]},
            r"u1\.test:2: expected a rating of the whole .*, got 4 of user 1, item 40",
        ),
    ],
    ids=["overlap", "other value", "other user", "other pair"],
)
def test_a_fold_that_overlaps_or_has_other_ratings_is_refused(fold, files, message):
    with pytest.raises(ValueError, match=message):
        fold(**files)


def test_lines_of_a_fold_below_a_header_are_counted_from_the_header(fold, tmp_path):
    def with_header(rows):
        return b"userId,movieId,rating,timestamp\n" + text(",", rows)

    fold()
    ratings = read_movielens_ratings(tmp_path / "u.data")
    for train, test, message in (
        (ROWS[:3], ROWS[2:], r"u1\.base:4: expected a pair that is not in"),
        (
            ROWS[:3],
            [ROWS[3], (9, 10, 4, 1)],
            r"u1\.test:3: expected a rating of the whole .*, got 4 of user 9, item 10",
        ),
        ([], ROWS[2:], r"u1\.base:2: expected at least one row after the header, got the end of the file"),
    ):
        (tmp_path / "u1.base").write_bytes(with_header(train))
        (tmp_path / "u1.test").write_bytes(with_header(test))
        with pytest.raises(ValueError, match=message):
            read_official_fold(ratings, tmp_path / "u1.base", tmp_path / "u1.test", fold=1)


# real data


@pytest.mark.realdata
def test_ml_100k_holds_out_the_latest_rating_of_each_user(real_data):
    path = real_data / "ml-100k" / "u.data.gz"
    data = read_movielens(path, name="ml-100k")
    assert len(data.train) + len(data.held_out) == 100_000
    assert (data.train.num_users, data.train.num_items) == (943, 1682)
    assert data.held_out.negatives.shape == (943, 99)
    rows = np.loadtxt(path, dtype=np.int64)
    assert (data.held_out.users == np.arange(943)).all()
    items = {item: number for number, item in enumerate(dict.fromkeys(rows[:, 1].tolist()))}
    time = {(user - 1, items[item]): timestamp for user, item, _, timestamp in rows.tolist()}
    train = np.array([time[pair] for pair in zip(data.train.users.tolist(), data.train.items.tolist(), strict=True)])
    latest = np.array([time[user, item] for user, item in enumerate(data.held_out.positives.tolist())])
    assert (train <= latest[data.train.users]).all()
    same_user = np.diff(data.train.users) == 0
    assert (np.diff(data.train.users) >= 0).all()
    assert (np.diff(train)[same_user] <= 0).all()


@pytest.mark.realdata
def test_ml_100k_has_the_ratings_that_its_authors_count(real_data):
    ratings = read_movielens_ratings(real_data / "ml-100k" / "u.data.gz")
    assert (len(ratings), ratings.num_users, ratings.num_items) == (100_000, 943, 1682)
    assert np.bincount(ratings.values.astype(int)).tolist() == [0, 6110, 11370, 27145, 34174, 21201]
    assert len(ratings.at_least(4.0)) == 34174 + 21201


@pytest.mark.realdata
def test_the_official_folds_are_disjoint_and_cover_all_ratings(real_data):
    folder = real_data / "ml-100k"
    ratings, tests = read_movielens_ratings(folder / "u.data.gz"), []
    for fold in range(1, 6):
        split = read_official_fold(ratings, folder / f"u{fold}.base.gz", folder / f"u{fold}.test.gz", fold=fold)
        assert (len(split.train), len(split.test)) == (80_000, 20_000)
        tests.append(split.test.keys)
    assert len(np.unique(np.concatenate(tests))) == 100_000
