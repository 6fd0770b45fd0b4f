"""The split of whole users, against the steps of the original with pandas, and what is refused."""

import gzip

import numpy as np
import pandas as pd
import pytest

from ncfjax.data import user_catalog
from ncfjax.data.events import Events
from ncfjax.data.held_out_users import HeldOutUsers, filtered, fold_out_rows, split_users
from ncfjax.data.interactions import Interactions
from ncfjax.data.user_catalog import load_held_out_users

HEADER = "userId,movieId,rating,timestamp"


def table(num_users: int, num_items: int, num_rows: int, seed: int = 0) -> pd.DataFrame:
    """Pairs in no order, ids with gaps, some items rare and some users with few rows."""
    random = np.random.default_rng(seed)
    pairs = pd.DataFrame(
        {
            "user": 3 + 7 * (num_users * random.random(num_rows) ** 2).astype(int),
            "item": 11 + 2 * (num_items * random.random(num_rows) ** 3).astype(int),
            "rating": random.integers(1, 11, num_rows) / 2,
        }
    )
    return pairs.drop_duplicates(["user", "item"], ignore_index=True)


def oracle(rows: pd.DataFrame, min_user: int, min_item: int, num_held_out: int) -> dict[str, list]:
    """The steps as they are published, one pandas call for each."""
    rows = rows[rows.groupby("item")["user"].transform("size") >= min_item]
    rows = rows[rows.groupby("user")["item"].transform("size") >= min_user]
    users = rows.groupby("user").size().index
    np.random.seed(98765)
    users = users[np.random.permutation(users.size)]
    ends = len(users) - 2 * num_held_out, len(users) - num_held_out, len(users)
    train = rows[rows["user"].isin(users[: ends[0]])]
    parts = {"train": train, "items": pd.unique(train["item"]).tolist()}
    for split, first, last in (("holdout", *ends[:2]), ("test", *ends[1:])):
        held_out = rows[rows["user"].isin(users[first:last]) & rows["item"].isin(parts["items"])]
        np.random.seed(98765)
        places = [(g.index, np.random.choice(len(g), int(0.2 * len(g)), replace=False) if len(g) >= 5 else [])
                  for _, g in held_out.groupby("user")]  # fmt: skip
        out = held_out.index.isin([i for index, chosen in places for i in index[chosen]])
        parts |= {f"{split} in": held_out[~out], f"{split} out": held_out[out]}
    return {
        name: x if isinstance(x, list) else list(zip(x["user"], x["item"], strict=True)) for name, x in parts.items()
    }


def named(part: Interactions) -> list:
    return list(zip(part.user_ids[part.users].tolist(), part.item_ids[part.items].tolist(), strict=True))


def as_oracle(splits) -> dict[str, list]:
    train = splits.test.train
    parts = {"train": named(train), "items": train.item_ids.tolist()}
    for data in splits:
        parts |= {f"{data.split} in": named(data.fold_in), f"{data.split} out": named(data.fold_out)}
    return parts


@pytest.mark.parametrize("seed", range(3))
def test_the_split_of_ratings_is_that_of_the_published_steps_row_by_row(tmp_path, seed):
    rows = table(200, 900, 9000, seed)
    lines = [f"{user},{item},{rating},1" for user, item, rating in rows.itertuples(index=False)]
    (tmp_path / "ratings.csv").write_text("\n".join([HEADER, *lines]))
    splits = load_held_out_users("ml-20m", data_dir=tmp_path, num_held_out=30)
    events = rows[rows["rating"] > 3.5]
    expected = oracle(events, min_user=5, min_item=0, num_held_out=30)
    assert as_oracle(splits) == expected
    assert len(expected["test out"]) > 35 and len(expected["items"]) < events["item"].nunique() - 50


def test_the_split_of_play_counts_is_that_of_the_published_steps_with_users_as_text(tmp_path, monkeypatch):
    rows = table(300, 60, 4000).assign(
        user=lambda x: "u" + x["user"].astype(str), item=lambda x: "s" + x["item"].astype(str)
    )
    lines = [f"{user}\t{item}\t2\n" for user, item in zip(rows["user"], rows["item"], strict=True)]
    (tmp_path / "train_triplets.txt.gz").write_bytes(gzip.compress("".join(lines).encode()))
    monkeypatch.setattr("ncfjax.data.events.ROWS_AT_ONCE", 97)  # an id goes on in another piece
    entry = user_catalog.USER_CATALOG["msd"]._replace(min_per_user=9, min_per_item=20)
    monkeypatch.setitem(user_catalog.USER_CATALOG, "msd", entry)
    splits = load_held_out_users("msd", data_dir=tmp_path, num_held_out=40)
    assert as_oracle(splits) == oracle(rows, min_user=9, min_item=20, num_held_out=40)


def test_a_user_with_few_events_is_folded_in_whole_and_the_note_counts_it():
    users = np.repeat([0, 1, 2, 3], [5, 4, 10, 9])
    assert np.bincount(users[fold_out_rows(users)], minlength=4).tolist() == [1, 0, 2, 1]
    # Of ten users the last has items that nobody else has, but for three.
    items = np.concatenate([np.tile(np.arange(6), 9), [0, 1, 2, 6, 7, 8]])
    events = Events(np.repeat(np.arange(10), 6), items, np.arange(10), np.arange(9))
    for seed in range(50):
        (validation, test) = split_users(events, name="tiny", num_held_out=2, seed=seed)
        if 9 in test.fold_in.user_ids:
            break
    assert test.train.num_items == 6 and len(test.fold_in) == 5 + 3 and len(test.fold_out) == 1
    assert test.note.endswith("; not evaluated: 1 of them, with fewer than 5 items")
    assert (
        validation.note == "2 users that are not in training, folded in by 80 % of their items and asked for the others"
    )


def test_items_go_before_users_and_neither_is_counted_again():
    events = Events(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 2, 0]), np.arange(3), np.arange(3))
    left = filtered(events, min_per_user=1, min_per_item=2)
    assert left.items.tolist() == [0, 0, 0]
    assert len(filtered(events, min_per_user=2, min_per_item=2).users) == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ratings.csv", f"{HEADER}\n1,2,4.0,5\n1,x,4.0,5\n", f"ratings.csv:3: expected {HEADER}, got '1,x,4.0,5'"),
        ("ratings.csv", "1,2,4.0,5\n", r"ratings.csv:1: expected userId,movieId,rating,timestamp, got '1,2,4.0,5'"),
        ("ratings.csv", f"{HEADER}\n1,2,,5\n", r"ratings.csv:2: expected userId"),
        ("ratings.csv", "", r"ratings.csv:1: expected at least one row, got an empty file"),
        ("ratings.csv", f"{HEADER}\n1,2,4.0,5\n", "ratings.csv: num_held_out: expected fewer than half of the 0 users"),
        ("train_triplets.txt", "a\tb\t1\na\t\t1\n", r"train_triplets.txt:2: expected user, song and play count"),
        ("train_triplets.txt", "a\tb\n", r"train_triplets.txt:1: expected user, song"),
        ("train_triplets.txt", "a b 1\n", r"train_triplets.txt:1: expected user, song"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_its_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        load_held_out_users("ml-20m" if name == "ratings.csv" else "msd", data_dir=tmp_path)


def test_a_pair_that_occurs_twice_is_refused_with_its_ids(tmp_path):
    lines = [f"{user},{item},4.0,1" for user in range(1, 9) for item in range(5)]
    (tmp_path / "ratings.csv").write_text("\n".join([HEADER, *lines, *lines[:40]]))
    with pytest.raises(
        ValueError, match=r"ratings.csv: interactions: expected distinct pairs, got user \d, item \d twice"
    ):
        load_held_out_users("ml-20m", data_dir=tmp_path, num_held_out=1)


def test_a_file_that_is_nowhere_is_one_message_with_folder_and_address(tmp_path):
    with pytest.raises(FileNotFoundError) as refused:
        load_held_out_users("msd", data_dir=tmp_path)
    message = str(refused.value)
    assert message.startswith(
        f"msd: expected train_triplets.txt (plain or .gz) in {tmp_path} or {tmp_path / 'msd'}, got"
    )
    assert "the download from http://millionsongdataset.com/" in message and "its checksum is not known" in message


def test_a_local_file_that_is_not_the_original_is_told_by_its_number_of_events(tmp_path):
    rows = table(60, 30, 900)
    lines = [f"{user},{item},5,1" for user, item in zip(rows["user"], rows["item"], strict=True)]
    (tmp_path / "ratings.csv").write_text("\n".join([HEADER, *lines]))
    note = load_held_out_users("ml-20m", data_dir=tmp_path, num_held_out=5).test.note
    assert note.startswith("local ratings.csv is not the original: ") and "events, not 9,990,682; 5 users" in note


def test_parts_that_do_not_fit_together_are_refused():
    pairs, one = Interactions(np.arange(2), np.arange(2), 2, 3), np.zeros(1, int)
    with pytest.raises(ValueError, match="fold_out: expected pairs that are not in fold_in, got user 0, item 0"):
        HeldOutUsers("x", "test", pairs, pairs, pairs)
    with pytest.raises(ValueError, match="fold_in, fold_out: expected"):
        HeldOutUsers("x", "test", pairs, pairs, Interactions(one, one, 1, 3))
