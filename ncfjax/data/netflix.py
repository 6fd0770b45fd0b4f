"""The ratings of the Netflix Prize, as Kaggle has them, and the probe, on which its contestants tested.

    combined_data_1.txt ...   100,480,507 ratings by 480,189 users of 17,770 movies, in blocks (netflix_blocks.py)
    probe.txt                 1,408,395 of their pairs, in blocks

Time stamps are days since 1970-01-01.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ncfjax.data.interactions import is_among, pair_keys
from ncfjax.data.netflix_blocks import USERS, read_blocks
from ncfjax.data.netflix_packed import read_packed
from ncfjax.data.numbering import numbers_of
from ncfjax.data.rating_splits import RatingSplit
from ncfjax.data.ratings import STARS, Ratings
from ncfjax.data.text import about


def read_netflix(paths: Sequence[Path]) -> Ratings:
    """Returns the ratings of some files of blocks, plain or gzip, in their order; see `read_packed`.

    Users and movies are numbered by ascending id. Raises ValueError with file and line for a row before the first
    header of a movie, a user or movie id beyond the prize's, a rating that is none of 1 to 5 and a date that is none;
    and for a pair that is rated twice.
    """
    packed = read_packed(paths)
    if not len(packed.users):
        raise ValueError(f"{', '.join(map(str, paths))}: expected at least one rating, got headers of movies alone")
    sizes, days = (len(packed.user_ids), len(packed.movie_ids)), packed.days.astype(np.int32)
    with about(*paths):
        return Ratings(
            packed.users, packed.movies, packed.values, *sizes, STARS, days, packed.user_ids, packed.movie_ids
        )


def take_probe(ratings: Ratings, path: Path) -> RatingSplit:
    """Takes the ratings of the pairs in probe.txt out of the training, to be predicted.

    Pairs that are not among the ratings are counted in `note`, because ratings may be a part of the prize's. Raises
    ValueError with file and line for a bad one, and if no pair is among the ratings.
    """
    movies, users = (np.concatenate(column) for column in zip(*read_blocks(path, USERS), strict=True))
    users, has_user = numbers_of(users, ratings.user_ids)
    movies, has_movie = numbers_of(movies, ratings.item_ids)
    is_there = has_user & has_movie
    keys = pair_keys(users[is_there], movies[is_there], ratings.num_items)
    is_probe = is_among(ratings.keys, keys)
    num_missing = len(users) - int(is_among(keys, ratings.keys).sum())
    if not is_probe.any():
        raise ValueError(f"{path}: expected pairs that are rated, got none of {len(users)}")
    note = f"{path.name}: {num_missing} of {len(users)} pairs are not among the ratings" if num_missing else path.name
    return RatingSplit("given", ratings.where(~is_probe), ratings.where(is_probe), note)
