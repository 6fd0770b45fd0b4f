import gzip

import numpy as np
import pytest

from ncfjax.data.movielens import read_movielens

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
        ((1, 10, 2, "monday"), "ratings:4: expected a number, got 'monday' in field 4"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path, separator, row, message):
    path = tmp_path / "ratings"
    path.write_bytes(text(separator, [*ROWS[:3], row, ROWS[4]]))
    with pytest.raises(ValueError, match=message):
        read_movielens(path, name="tiny", num_negatives=0)


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
