"""Data sets of which whole users are held out, by name; their files are looked for as catalog.py says.

    name     file                 events                                    held-out users
    ml-20m   ratings.csv          ratings above 3.5, users with 5 of them   10,000 for validation, 10,000 for test
    msd      train_triplets.txt   songs of 200 users, users of 20 songs     50,000 and 50,000

Split of Liang et al. (WWW 2018, arXiv:1802.05814); held_out_users.py has it step by step.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ncfjax.data.catalog import RemoteFile, check_name, data_folder, find_files
from ncfjax.data.events import Events, read_movielens_events, read_triplets
from ncfjax.data.held_out_users import SEED, UserSplits, filtered, split_users
from ncfjax.data.text import about


class UserEntry(NamedTuple):
    """A named data set, and what is known of the original's events once they are filtered."""

    files: tuple[RemoteFile]
    read: Callable[[Path], Events]
    num_held_out: int
    min_per_user: int
    min_per_item: int = 0
    num_events: int | None = None


USER_CATALOG = {
    "ml-20m": UserEntry(
        (
            RemoteFile(
                "ratings.csv",
                "https://files.grouplens.org/datasets/movielens/ml-20m.zip",
                "md5:cd245b17a1ae2cc31bb14903e1204af3",
                "ml-20m/ratings.csv",
                other_name="ml-20m.ratings.csv",
            ),
        ),
        read_movielens_events,
        num_held_out=10_000,
        min_per_user=5,
        num_events=9_990_682,
    ),
    "msd": UserEntry(
        (
            RemoteFile(
                "train_triplets.txt",
                "http://millionsongdataset.com/sites/default/files/challenge/train_triplets.txt.zip",
            ),
        ),
        read_triplets,
        num_held_out=50_000,
        min_per_user=20,
        min_per_item=200,
    ),
}
NAMES = tuple(USER_CATALOG)


def load_held_out_users(
    name: str, *, data_dir: Path | str | None = None, num_held_out: int | None = None, seed: int = SEED
) -> UserSplits:
    """Returns both splits of the data set `name`, one of NAMES; by default Liang et al.'s.

    Raises ValueError for an unknown name, for bad files and for too many held-out users, and FileNotFoundError, with
    file, folders and address, for a file that cannot be had.
    """
    check_name(name, NAMES)
    entry = USER_CATALOG[name]
    (path,) = find_files(name, entry.files, data_folder(data_dir))
    with about(path):
        events = filtered(entry.read(path), entry.min_per_user, entry.min_per_item)
        note = _differs(path, len(events.users), entry.num_events)
        held_out = entry.num_held_out if num_held_out is None else num_held_out
        return split_users(events, name=name, num_held_out=held_out, seed=seed, note=note)


def _differs(path: Path, num_events: int, expected: int | None) -> str:
    """Names a file that is not the original: it is taken all the same, and the results say so."""
    if expected in (None, num_events):
        return ""
    return f"local {path.name} is not the original: {num_events:,} events, not {expected:,}"
