"""Users that are held out whole: a model is trained without them, and meets them with a part of what they have.

    train      the events of all other users
    fold_in    of a held-out user, what a model is given     80 %
    fold_out   what it is asked for                          20 %

Split of Liang, Krishnan, Hoffman and Jebara (WWW 2018, arXiv:1802.05814), number by number that of their notebook for
the same file and NumPy's legacy stream (`numpy.random.RandomState`, which is frozen):

    1. items of fewer than min_per_item events go, then users of fewer than min_per_user; once, in this order
    2. users by ascending id are permuted by `seed`: the last `num_held_out` are the test users, those before them
       the validation users, all others are trained on
    3. items that no training user has are left out of the held-out users' events
    4. of each held-out user, by ascending id, who has n >= 5 events, int(0.2 n) go to fold_out, drawn without
       replacement among them in the order of the file. The stream begins anew for the validation and for the test users

What this takes from pandas, with which the notebook does it: a groupby goes through users by ascending id, and keeps
the order of the rows within a user; `unique` keeps the order of first appearance, by which items are numbered. Users
are numbered in the order of the permutation.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from ncfjax.data.events import Events
from ncfjax.data.interactions import Interactions, is_among, pair_keys
from ncfjax.data.notes import joined

SEED = 98765
FOLD_OUT_SHARE, LEAST_EVENTS = 0.2, 5


@dataclass(frozen=True, eq=False)
class HeldOutUsers:
    """A data set whose held-out users are no part of training: `split` is "test" or "holdout", the validation users.

    Users of `fold_in` and `fold_out` are the same, with numbers of their own. Raises ValueError for parts of other
    items or users, for a pair that is in both, and where nobody has anything in `fold_out`.
    """

    name: str
    split: str
    train: Interactions
    fold_in: Interactions
    fold_out: Interactions
    note: str = ""

    def __post_init__(self):
        sizes = [(part.num_users, part.num_items) for part in (self.fold_in, self.fold_out)]
        expected = (self.fold_in.num_users, self.train.num_items)
        if sizes != [expected, expected]:
            raise ValueError(f"fold_in, fold_out: expected {expected} users and items of both, got {sizes}")
        keys = [pair_keys(part.users, part.items, part.num_items) for part in (self.fold_in, self.fold_out)]
        leaked = is_among(keys[1], keys[0])
        if leaked.any():
            row = leaked.argmax()
            pair = self.fold_out.named(int(self.fold_out.users[row]), int(self.fold_out.items[row]))
            raise ValueError(f"fold_out: expected pairs that are not in fold_in, got {pair}")
        if not len(self.fold_out):
            raise ValueError(f"{self.name}: expected a held-out user with at least {LEAST_EVENTS} events, got none")


class UserSplits(NamedTuple):
    """Of one data set; both have the same training part."""

    validation: HeldOutUsers
    test: HeldOutUsers


def filtered(events: Events, min_per_user: int, min_per_item: int = 0) -> Events:
    """Without items of too few events and, of what is left, without users of too few; nobody is numbered anew."""
    for side, least in (("items", min_per_item), ("users", min_per_user)):
        ids = getattr(events, side)
        is_kept = np.bincount(ids, minlength=1) >= least
        if not is_kept.all():
            rows = is_kept[ids]
            events = events._replace(users=events.users[rows], items=events.items[rows])
    return events


def split_users(events: Events, *, name: str, num_held_out: int, seed: int = SEED, note: str = "") -> UserSplits:
    """The split above of events that are filtered; `note` says how many held-out users are not asked.

    Raises:
        ValueError: no user is left to train on; a pair that occurs twice.
    """
    has_events = np.bincount(events.users, minlength=1) > 0
    num_users = int(has_events.sum())
    num_train = num_users - 2 * num_held_out
    if num_train < 1:
        expected = f"fewer than half of the {num_users} users of {name} that are left"
        raise ValueError(f"num_held_out: expected {expected}, got {num_held_out}")
    permuted = np.flatnonzero(has_events)[np.random.RandomState(seed).permutation(num_users)]
    places = np.full(len(has_events), num_users, np.int32)
    places[permuted] = np.arange(num_users)
    places, ids = places[events.users], events.user_ids[permuted]
    is_train = places < num_train
    appeared = _by_first_appearance(events.items[is_train], len(events.item_ids))
    numbers = np.full(len(events.item_ids), -1, np.int32)
    numbers[appeared] = np.arange(len(appeared))
    sizes = {"num_items": len(appeared), "item_ids": events.item_ids[appeared]}
    train = Interactions(
        places[is_train], numbers[events.items[is_train]], num_train, user_ids=ids[:num_train], **sizes
    )

    def held_out(split: str, first: int) -> HeldOutUsers:
        rows = (places >= first) & (places < first + num_held_out)
        rows[rows] = numbers[events.items[rows]] >= 0
        users = {"num_users": num_held_out, "user_ids": ids[first : first + num_held_out]}
        whole = Interactions(places[rows] - first, numbers[events.items[rows]], **users, **sizes)
        is_out = fold_out_rows(events.users[rows], seed)
        data = HeldOutUsers(name, split, train, whole.where(~is_out), whole.where(is_out), note)
        return replace(data, note=joined(note, _protocol(data)))

    return UserSplits(held_out("holdout", num_train), held_out("test", num_train + num_held_out))


def _by_first_appearance(ids: Int[np.ndarray, " n"], size: int) -> Int[np.ndarray, " distinct"]:
    """The distinct ids, all below `size`, in the order in which they appear."""
    first = np.full(size, len(ids), np.int64)
    first[ids[::-1]] = np.arange(len(ids))[::-1]  # the last one that is written is the first one that appears
    order = np.argsort(first, kind="stable")
    return order[: int((first < len(ids)).sum())]


def fold_out_rows(users: Int[np.ndarray, " n"], seed: int = SEED) -> Bool[np.ndarray, " n"]:
    """Marks what step 4 draws, of events in the order of their file and users numbered by ascending id."""
    order = np.argsort(users, kind="stable")
    counts = np.bincount(users, minlength=1) if len(users) else np.zeros(0, np.int64)
    starts, random = np.cumsum(counts) - counts, np.random.RandomState(seed)
    is_out = np.zeros(len(users), bool)
    # One user after the other: how much of the stream each takes depends on what it gave before.
    for user in np.flatnonzero(counts >= LEAST_EVENTS):
        size = int(counts[user])
        chosen = random.choice(size, size=int(FOLD_OUT_SHARE * size), replace=False)
        is_out[order[starts[user] + chosen]] = True
    return is_out


def _protocol(data: HeldOutUsers) -> str:
    """What the metrics of a row are of."""
    num_users, num_asked = data.fold_in.num_users, len(np.unique(data.fold_out.users))
    note = f"{num_users} users that are not in training, folded in by 80 % of their items and asked for the others"
    few = num_users - num_asked
    return joined(note, f"not evaluated: {few} of them, with fewer than {LEAST_EVENTS} items" if few else "")
