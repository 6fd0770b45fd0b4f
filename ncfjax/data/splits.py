"""Splits: the latest interaction of a user against drawn negatives, and the holdout on which a study is tuned.

Leave-one-out (He et al., WWW 2017): a user's latest interaction is the test positive, ranked among 99 items that the
user never touched. The tuning holdout (Rendle et al., RecSys 2020, and the script of their iALS benchmark) does the
same once more inside the training data: a user's newest row becomes the validation positive. The study takes the first
row, which is the newest where the file is sorted by time. Where no time stamp tells which one is, a random row is
taken: in a file that is sorted by item, say, the first row would be each user's lowest item id.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int, Shaped

from ncfjax.data.interactions import HeldOut, Interactions, LeaveOneOut, pair_keys, sorted_distinct
from ncfjax.data.notes import joined
from ncfjax.data.ratings import Ratings


def draw_negatives(
    users: Int[np.ndarray, " n"],
    excluded_users: Int[np.ndarray, " excluded"],
    excluded_items: Int[np.ndarray, " excluded"],
    *,
    num_items: int,
    num_negatives: int,
    seed: int,
    user_ids: Shaped[np.ndarray, " users"] | None = None,
) -> Int[np.ndarray, "n candidates"]:
    """Draws for each of `users` distinct items, uniformly among those that are not excluded for that user.

    Exact, and in memory O(n * num_negatives): ranks among a user's allowed items are drawn without replacement (Floyd's
    algorithm, all users at once), then moved past the excluded items. Raises ValueError for a user with too few items,
    by its id of `user_ids`.
    """
    excluded = sorted_distinct(pair_keys(excluded_users, excluded_items, num_items))
    first = np.searchsorted(excluded, users.astype(np.int64) * num_items)
    last = np.searchsorted(excluded, (users.astype(np.int64) + 1) * num_items)
    allowed = num_items - (last - first)
    if (allowed < num_negatives).any():
        row = int((allowed < num_negatives).argmax())
        user = users[row] if user_ids is None else user_ids[users[row]]
        raise ValueError(
            f"user {user}: expected at least {num_negatives} items to draw negatives from, "
            f"got {allowed[row]} of {num_items}; dataset.num_negatives asks for fewer"
        )
    rng = np.random.default_rng(seed)
    ranks = rng.permuted(_distinct_below(allowed, num_negatives, rng), axis=1)
    return (ranks + _excluded_before(ranks, users, excluded, first, num_items)).astype(np.int32)


def drawn(num_negatives: int, seed: int) -> str:
    """What a result's row says of negatives that `draw_negatives` drew."""
    return f"{num_negatives} drawn, seed={seed}"


def _distinct_below(bounds: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws `size` distinct integers below each bound: a uniform set per row, in no uniform order."""
    chosen = np.empty((len(bounds), size), np.int64)
    for step in range(size):
        top = bounds - size + step
        rank = rng.integers(0, top + 1)
        taken = (chosen[:, :step] == rank[:, None]).any(axis=1)
        chosen[:, step] = np.where(taken, top, rank)
    return chosen


def _excluded_before(
    ranks: np.ndarray, users: np.ndarray, excluded: np.ndarray, first: np.ndarray, num_items: int
) -> np.ndarray:
    """Counts the excluded items below the allowed item of each rank: those e_j, j = 0, 1, ..., with e_j - j <= rank."""
    owners, items = np.divmod(excluded, num_items)
    starts = np.searchsorted(owners, owners)
    position = np.arange(len(excluded)) - starts  # j
    keys = pair_keys(owners, items - position, num_items)
    return np.searchsorted(keys, pair_keys(users[:, None], ranks, num_items), side="right") - first[:, None]


def leave_one_out(
    observed: Interactions, *, name: str, note: str = "", num_negatives: int = 99, seed: int = 0
) -> LeaveOneOut:
    """Holds out each user's latest interaction.

    Users and items without any interaction are left out, the others numbered anew in the same order. Among equal times
    the later row counts as the later one. A user with a single interaction stays in train and is not evaluated; `note`
    tells how many they are. Train rows are sorted by user, newest first. Where no time stamp tells the order, a row
    drawn with `seed` stands for the latest, and `note` says so. Raises ValueError if no user has two items.
    """
    observed = _without_gaps(observed)
    times, users = observed.timestamps, observed.users
    if observed.order == "unknown":
        times = np.random.default_rng([seed, len(observed)]).random(len(observed))
        note = joined(note, f"held out: {_RANDOM_ROW}")
    newest_first = np.lexsort((np.arange(len(observed)), times, -users))[::-1]
    ordered = observed.where(newest_first)
    is_held_out = _first_rows(ordered.users)
    if not is_held_out.any():
        raise ValueError(f"{name}: expected a user with at least two items, got none")
    users, items = ordered.users, ordered.items
    sizes = {"num_items": observed.num_items, "num_negatives": num_negatives}
    negatives = draw_negatives(users[is_held_out], users, items, **sizes, seed=seed, user_ids=observed.user_ids)
    held_out = HeldOut(users[is_held_out], items[is_held_out], negatives)
    note = joined(note, _left_out(len(held_out), observed.num_users, "a single row"))
    return LeaveOneOut(name, "test", ordered.where(~is_held_out), held_out, drawn(num_negatives, seed), note)


def _left_out(num_evaluated: int, num_users: int, why: str) -> str:
    num_left = num_users - num_evaluated
    return f"not evaluated: {num_left} of {num_users} users, with {why}" if num_left else ""


def _without_gaps(observed: Interactions) -> Interactions:
    """Who is left keeps its name; one that has none is called by its number as it was."""
    old_users, users = np.unique(observed.users, return_inverse=True)
    old_items, items = np.unique(observed.items, return_inverse=True)
    sizes = {"num_users": len(old_users), "num_items": len(old_items)}
    names = {
        "user_ids": old_users if observed.user_ids is None else observed.user_ids[old_users],
        "item_ids": old_items if observed.item_ids is None else observed.item_ids[old_items],
    }
    return replace(observed, users=users, items=items, **sizes, **names)


def leave_one_out_of_ratings(
    ratings: Ratings, *, name: str, min_rating: float | None = None, num_negatives: int = 99, seed: int = 0
) -> LeaveOneOut:
    """The same of what was rated, at least `min_rating` where it is given; `note` says so."""
    threshold = "" if min_rating is None else f"ratings of at least {min_rating:g}"
    note = joined(ratings.note, threshold)
    return leave_one_out(ratings.at_least(min_rating), name=name, note=note, num_negatives=num_negatives, seed=seed)


def _first_rows(users: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Marks the first row of each user that has more than one."""
    _, first, inverse, counts = np.unique(users, return_index=True, return_inverse=True, return_counts=True)
    mask = np.zeros(len(users), bool)
    mask[first] = True
    return mask & (counts[inverse] > 1)


def holdout(
    data: LeaveOneOut, *, num_negatives: int = 100, seed: int = 0, exclude_test_item: bool = True
) -> LeaveOneOut:
    """Moves each user's newest train row to validation, against fresh negatives; the test split is not touched.

    Newest is the first row where rows are newest first, as in the study, else the one with the latest time stamp; where
    no time is known, a row drawn with `seed` stands for it, and `note` says so.

    As in the study there are 100 distinct negatives, so 101 candidates with the positive, against 100 in its test
    files: metrics of the two splits are not on one scale. The study drew the negatives outside the user's train and
    validation items only, so the final test item could be among them; `exclude_test_item=False` does that. By default
    the test pairs are neither drawn nor, as `set_aside`, candidates of the whole catalogue. A user with a single train
    row keeps it and is not evaluated. Raises ValueError for data that are a holdout already, and if no user has two
    train rows.
    """
    if data.split != "test":
        raise ValueError(f"holdout: expected the test split of {data.name}, got its {data.split!r} split")
    train, test = data.train, data.held_out
    is_held_out = _holdout_rows(train, seed)
    if not is_held_out.any():
        raise ValueError(f"holdout: expected a user of {data.name} with at least two train rows, got none")
    users, positives = train.users[is_held_out], train.items[is_held_out]
    excluded_users, excluded_items, set_aside = train.users, train.items, None
    if exclude_test_item:
        excluded_users = np.concatenate([excluded_users, test.users])
        excluded_items = np.concatenate([excluded_items, test.positives])
        set_aside = Interactions(test.users, test.positives, train.num_users, train.num_items)
    sizes = {"num_items": train.num_items, "num_negatives": num_negatives}
    negatives = draw_negatives(users, excluded_users, excluded_items, **sizes, seed=seed, user_ids=train.user_ids)
    left_out = _left_out(len(users), train.num_users, "fewer than two train rows")
    return replace(
        data,
        split="holdout",
        train=train.where(~is_held_out),
        held_out=HeldOut(users, positives, negatives),
        negatives=drawn(num_negatives, seed),
        note=joined(data.note, _HOLDOUT_NOTES[train.order], left_out and f"holdout: {left_out}"),
        set_aside=set_aside,
    )


_RANDOM_ROW = "a random row of each user, no time stamp tells their order"
_HOLDOUT_NOTES = {
    "newest first": "",
    "file": "holdout: latest time stamp, rows are in another order",
    "unknown": f"holdout: {_RANDOM_ROW}",
}


def _holdout_rows(train: Interactions, seed: int) -> Bool[np.ndarray, " n"]:
    """Marks one row of each user that has more than one."""
    if train.order == "newest first":
        return _first_rows(train.users)
    random = np.random.default_rng([seed, len(train)]).random(len(train))
    # By rank: the lowest integer, and any that is unsigned, has no negative.
    priority = -np.unique(train.timestamps, return_inverse=True)[1] if train.order == "file" else random
    ordered = np.lexsort((np.arange(len(train)), priority))
    mask = np.empty(len(train), bool)
    mask[ordered] = _first_rows(train.users[ordered])
    return mask
