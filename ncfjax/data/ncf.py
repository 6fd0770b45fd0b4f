"""The text format of He et al., "Neural Collaborative Filtering", WWW 2017: three files, plain or gzip.

    NAME.train.rating    user <tab> item <tab> rating [<tab> timestamp]     the pairs to train on
    NAME.test.rating     the same, one row per user                         the held-out positive
    NAME.test.negative   (user,item) <tab> item_1 <tab> ... <tab> item_99   line by line with test.rating

Users and items are those of all files together: two items of ML-1M occur only in test. Where their ids have gaps they
are numbered anew in the same order, so that an id that never occurs is no candidate; they keep their ids as names, and
`note` tells how many are missing. As a split the files are implicit feedback: ratings are checked to be numbers and not
used. `read_ncf_ratings` reads them as ratings. Negatives stay as they were read, the user's own positive included.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from ncfjax.data.interactions import HeldOut, Interactions, LeaveOneOut, is_among, pair_keys
from ncfjax.data.notes import joined
from ncfjax.data.numbering import Numbering, number_ids, numbers_of
from ncfjax.data.rating_rows import check_scale
from ncfjax.data.ratings import Ratings, Scale
from ncfjax.data.splits import draw_negatives, drawn
from ncfjax.data.table import Layout, read_table
from ncfjax.data.text import about, bad_line, find_file, read_content

SUFFIXES = (".train.rating", ".test.rating", ".test.negative")
_RATING = Layout("3 or 4 fields (user, item, rating, timestamp)", widths=(3, 4), num_ids=2, time=3)
_ITEM_ID = Layout("2 fields (item, MovieID)", widths=(2,), num_ids=2)
_HEAD = re.compile(rb"^\( *(\d+) *, *(\d+) *\)(?!\d)", re.MULTILINE)


def read_ncf(prefix: Path, *, name: str, num_negatives: int = 99, seed: int = 0) -> LeaveOneOut:
    """Returns the data set `prefix` + ".train.rating" and so on; draws the negatives if their file is missing.

    Raises FileNotFoundError for a missing train or test file, and ValueError as `read_ncf_files` does.
    """
    return read_ncf_files(*_find_files(prefix), name=name, num_negatives=num_negatives, seed=seed)


def read_ncf_files(
    train_path: Path,
    test_path: Path,
    negative_path: Path | None = None,
    *,
    name: str,
    num_negatives: int = 99,
    seed: int = 0,
) -> LeaveOneOut:
    """Returns the data set of these files, plain or gzip; draws the negatives if there is no file of them.

    A train pair that is repeated is kept where it occurs first, and `note` tells how many were dropped. Raises
    ValueError with file and line for a bad one.
    """
    with about(train_path, test_path, negative_path):
        return _read_split(train_path, test_path, negative_path, name, num_negatives, seed)


def _read_split(
    train_path: Path, test_path: Path, negative_path: Path | None, name: str, num_negatives: int, seed: int
) -> LeaveOneOut:
    train, test = _read_ratings(train_path), _read_ratings(test_path)
    _check_users(train, test, train_path, test_path)
    candidates = ()
    if negative_path:
        candidates = (_read_negatives(negative_path, test, test_path, num_negatives),)
    train, test, users, items = _numbered(train, test, *candidates)
    kept, note = _drop_repeated(train, items.size)
    _check_disjoint(train, test, train_path, test_path, users, items)
    timestamps = kept["timestamp"].to_numpy() if "timestamp" in kept else None
    names = {"user_ids": users.ids, "item_ids": items.ids}
    interactions = Interactions(kept.user.to_numpy(), kept.item.to_numpy(), users.size, items.size, timestamps, **names)
    held_out, positives, source = test.user.to_numpy(), test.item.to_numpy(), "file"
    if candidates:
        negatives = items.of(*candidates)
        note = joined(note, _odd_negatives(interactions, held_out, negatives))
    else:
        negatives = _draw(interactions, held_out, positives, num_negatives, seed)
        source = drawn(num_negatives, seed)
    note = joined(note, users.note, items.note)
    return LeaveOneOut(name, "test", interactions, HeldOut(held_out, positives, negatives), source, note)


def read_ncf_ratings(train_path: Path, test_path: Path, item_ids_path: Path | None = None, *, scale: Scale) -> Ratings:
    """Returns the ratings of both files, train before test, without the numbers that no user and no item has.

    `item_ids_path` maps the items of ML-1M to MovieLens's ids, in lines of NCF's item, a tab, and the MovieID, after a
    header; its users are MovieLens's, less one. Raises ValueError with file and line for a bad one, a rating off the
    scale among them.
    """
    train, test = _read_ratings(train_path), _read_ratings(test_path)
    for path, table in ((train_path, train), (test_path, test)):
        check_scale(path, table["rating"].to_numpy(), scale)
    _check_users(train, test, train_path, test_path)
    train, test, users, items = _numbered(train, test)
    kept, note = _drop_repeated(train, items.size)
    _check_disjoint(train, test, train_path, test_path, users, items)
    rows = pd.concat([kept, test], join="inner")
    user_ids, item_ids = users.ids, items.ids
    if item_ids_path:
        user_ids = 1 + (np.arange(users.size) if user_ids is None else user_ids)
        item_ids = read_item_ids(item_ids_path, np.arange(items.size) if item_ids is None else item_ids)
    return Ratings(
        rows["user"].to_numpy(),
        rows["item"].to_numpy(),
        rows["rating"].to_numpy(),
        users.size,
        items.size,
        scale,
        rows["timestamp"].to_numpy() if "timestamp" in rows else None,
        user_ids,
        item_ids,
        note=joined(note, users.note, items.note),
    )


def read_item_ids(path: Path, items: Int[np.ndarray, " items"]) -> Int[np.ndarray, " items"]:
    """Returns MovieLens's id of each of some of NCF's items; raises ValueError with file and line for a bad file."""
    numbers, ids = read_table(path, read_content(path), _ITEM_ID, num_headers=1).to_numpy().T
    places, is_there = numbers_of(items, numbers)
    if not is_there.all():
        missing = items[(~is_there).argmax()]
        raise ValueError(f"{path}: expected an id for each of {len(items)} items, got none for {missing}")
    return ids[places]


def _find_files(prefix: Path) -> list[Path | None]:
    paths = [find_file(Path(f"{prefix}{suffix}")) for suffix in SUFFIXES]
    for path, suffix in zip(paths[:2], SUFFIXES, strict=False):
        if path is None:
            raise FileNotFoundError(f"{prefix}{suffix}: expected a file, plain or .gz, got none")
    return paths


def _read_ratings(path: Path) -> pd.DataFrame:
    table = read_table(path, read_content(path), _RATING)
    return table.set_axis(["user", "item", "rating", "timestamp"][: table.shape[1]], axis=1)


def _read_negatives(path: Path, test: pd.DataFrame, test_path: Path, num_negatives: int) -> np.ndarray:
    """Returns negatives [users, candidates] after checking that each line belongs to the same line of the test file."""
    content = read_content(path)
    num_lines = content.count(b"\n") + 1
    unfolded, num_heads = _HEAD.subn(rb"\1\t\2", content)
    if num_heads != num_lines:
        lines = content.split(b"\n")
        row = next(row for row, line in enumerate(lines) if not _HEAD.match(line))
        raise bad_line(path, row, "a line that starts with (user,item)", repr(lines[row][:30].decode(errors="replace")))
    layout = Layout(
        f"{num_negatives} negatives (dataset.num_negatives)", (2 + num_negatives,), 2 + num_negatives, uncounted=2
    )
    table = read_table(path, unfolded, layout).to_numpy()
    _check_same_pairs(table[:, :2], test[["user", "item"]].to_numpy(), path, test_path)
    return table[:, 2:]


def _odd_negatives(train: Interactions, users: np.ndarray, negatives: np.ndarray) -> str:
    """What to note of negatives that stand twice in a line, or that their user has in train."""
    keys = np.sort(pair_keys(users[:, None], negatives, train.num_items), axis=1)
    num_repeated = int((keys[:, 1:] == keys[:, :-1]).sum())
    num_trained = int(is_among(keys.ravel(), pair_keys(train.users, train.items, train.num_items)).sum())
    counts = ((num_repeated, "stand twice in their line"), (num_trained, "are in train"))
    return joined(*(f"{count} of {keys.size} negatives {what}" for count, what in counts if count))


def _check_same_pairs(pairs: np.ndarray, test_pairs: np.ndarray, path: Path, test_path: Path) -> None:
    if len(pairs) != len(test_pairs):
        row = min(len(pairs), len(test_pairs))
        raise bad_line(path, row, f"{len(test_pairs)} lines, as in {test_path}", f"{len(pairs)}")
    differs = (pairs != test_pairs).any(axis=1)
    if differs.any():
        row = int(differs.argmax())
        expected, got = ("({},{})".format(*source[row]) for source in (test_pairs, pairs))
        raise bad_line(path, row, f"{expected} as in {test_path}:{row + 1}", got)


def _check_users(train: pd.DataFrame, test: pd.DataFrame, train_path: Path, test_path: Path) -> None:
    repeated = test.user.duplicated().to_numpy()
    if repeated.any():
        row = int(repeated.argmax())
        raise bad_line(test_path, row, "one row per user", f"a second one of user {test.user[row]}")
    untested = ~is_among(train.user.to_numpy(), test.user.to_numpy())
    if untested.any():
        row = int(untested.argmax())
        raise bad_line(train_path, row, f"a user with a row in {test_path}", f"user {train.user[row]} without one")


def _numbered(
    train: pd.DataFrame, test: pd.DataFrame, *negatives: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame, Numbering, Numbering]:
    """Returns both tables with numbers in the place of ids, and the numberings of users and items; every user has a
    row in `test`."""
    users = number_ids("user", test["user"].to_numpy())
    items = number_ids("item", train["item"].to_numpy(), test["item"].to_numpy(), *negatives)
    tables = (
        table.assign(user=users.of(table["user"].to_numpy()), item=items.of(table["item"].to_numpy()))
        for table in (train, test)
    )
    return (*tables, users, items)


def _check_disjoint(
    train: pd.DataFrame, test: pd.DataFrame, train_path: Path, test_path: Path, users: Numbering, items: Numbering
) -> None:
    test_keys = pair_keys(test.user.to_numpy(), test.item.to_numpy(), items.size)
    leaked = is_among(pair_keys(train.user.to_numpy(), train.item.to_numpy(), items.size), test_keys)
    if leaked.any():
        row = int(leaked.argmax())
        pair = f"user {users.name(int(train.user[row]))}, item {items.name(int(train.item[row]))}"
        raise bad_line(train_path, row, f"a pair that is not in {test_path}", pair)


def _drop_repeated(train: pd.DataFrame, num_items: int) -> tuple[pd.DataFrame, str]:
    keys = pair_keys(train.user.to_numpy(), train.item.to_numpy(), num_items)
    repeated = pd.Series(keys).duplicated().to_numpy()
    num_repeated = int(repeated.sum())
    return train[~repeated], f"{num_repeated} repeated train pairs dropped" if num_repeated else ""


def _draw(train: Interactions, users: np.ndarray, positives: np.ndarray, num_negatives: int, seed: int) -> np.ndarray:
    excluded = np.concatenate([train.users, users]), np.concatenate([train.items, positives])
    sizes = {"num_items": train.num_items, "num_negatives": num_negatives}
    return draw_negatives(users, *excluded, **sizes, seed=seed, user_ids=train.user_ids)
