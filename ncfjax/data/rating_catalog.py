"""Rated data sets by name, what they say of their items, and the splits that they come with.

    ml-100k           u.data; u.item, u.genre; five folds u1.base, u1.test, ...
    ml-1m             ratings.dat, or NCF's files of it with ml-1m.item-ids.tsv; movies.dat
    netflix           combined_data_*.txt; movie_titles.csv; probe.txt, taken out of the ratings
    netflix-excerpt   slice.train.csv, slice.test.csv, which are its split; nothing of its items
    csv               your own; movies.csv or movies.dat, whose ids are those of the ratings

Files are looked for as catalog.py says. Netflix's are local only.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ncfjax.data.catalog import (
    CATALOG,
    RemoteFile,
    check_name,
    data_folder,
    differences,
    existing_file,
    find_files,
    local_files,
    ml_1m_file,
    ml_100k_file,
    not_found,
)
from ncfjax.data.features import Features, features_of
from ncfjax.data.header import TableForm
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.data.movielens import read_movielens_ratings, read_official_fold
from ncfjax.data.movies import Movies, movies_of, read_ml_100k_movies, read_movies, read_netflix_titles
from ncfjax.data.ncf import read_item_ids, read_ncf_ratings
from ncfjax.data.netflix import read_netflix, take_probe
from ncfjax.data.netflix_excerpt import read_netflix_excerpt, split_netflix_excerpt
from ncfjax.data.rating_splits import RatingSplit
from ncfjax.data.ratings import STARS, Ratings, Scale
from ncfjax.data.ratings_csv import read_ratings_csv
from ncfjax.data.splits import leave_one_out_of_ratings

NAMES = ("ml-100k", "ml-1m", "netflix", "netflix-excerpt", "csv")
NUM_GIVEN = {"ml-100k": 5, "netflix": 1, "netflix-excerpt": 1}  # splits that a data set comes with

_NCF_ML_1M = (*CATALOG["ml-1m"].files[:2], RemoteFile("ml-1m.item-ids.tsv", content="e7ec275539fb3bba"))
_COMBINED = tuple(f"combined_data_{part}.txt" for part in range(1, 5))
_EXCERPT = (
    RemoteFile("slice.train.csv", content="e8c33b1f4a6608c1"),
    RemoteFile("slice.test.csv", content="95f02b1576b62c09"),
)
_NETFLIX_FOLDERS = ("netflix-prize-data", "netflix-prize-sample")


def load_ratings(
    name: str,
    *,
    data_dir: Path | str | None = None,
    path: Path | str | None = None,
    scale: Scale | None = None,
    form: TableForm | None = None,
    keep_probe: bool = False,
) -> Ratings:
    """Returns the ratings of a data set, one of NAMES, with the ids of its files.

    `path`, `scale` and `form` belong to "csv", `keep_probe` to "netflix": without it the ratings of probe.txt, if it is
    there, are left out. Raises ValueError for an unknown name and for bad files, and FileNotFoundError, with files,
    folders and address, for files that cannot be had.
    """
    check_name(name, NAMES)
    folder = data_folder(data_dir)
    if name == "csv":
        return read_ratings_csv(existing_file("csv", path), scale=scale, form=form)
    if name == "ml-100k":
        return read_movielens_ratings(*find_files(name, (ml_100k_file("u.data"),), folder))
    if name == "ml-1m":
        return _load_ml_1m(folder)
    if name == "netflix-excerpt":
        return read_netflix_excerpt(*find_files(name, _EXCERPT, folder, _NETFLIX_FOLDERS))
    ratings = _load_netflix(folder)
    (probe,) = local_files([RemoteFile("probe.txt")], _netflix_folders(folder))
    if keep_probe or probe is None:
        return ratings if probe else replace(ratings, note=_joined(ratings.note, "no probe.txt"))
    split = take_probe(ratings, probe)
    return replace(split.train, note=_joined(ratings.note, f"without the {len(split.test)} ratings of probe.txt"))


def rating_files(name: str, data_dir: Path | str | None = None) -> list[tuple[RemoteFile, Path | None]]:
    """The files that the ratings of a data set other than "csv" are read from, each with its place, None where it is
    still to be downloaded."""
    folder = data_folder(data_dir)
    if name == "netflix":
        folders = _netflix_folders(folder)
        combined = max((_combined_files(one) for one in folders), key=len)
        probe = RemoteFile("probe.txt")
        return [*((RemoteFile(path.name), path) for path in combined), (probe, *local_files([probe], folders))]
    if name == "netflix-excerpt":
        return list(zip(_EXCERPT, local_files(_EXCERPT, _netflix_folders(folder, name)), strict=True))
    if name == "ml-100k":
        files, folders = [ml_100k_file("u.data")], [folder, folder / name]
    else:
        files, folders = [ml_1m_file("ratings.dat")], [folder, folder / "ml-1m", folder / "ml-1m-ratings"]
        from_ncf = local_files(_NCF_ML_1M, folders)
        if None in local_files(files, folders) and None not in from_ncf:
            return list(zip(_NCF_ML_1M, from_ncf, strict=True))
    return list(zip(files, local_files(files, folders), strict=True))


def load_implicit(
    name: str,
    *,
    data_dir: Path | str | None = None,
    min_rating: float | None = None,
    num_negatives: int = 99,
    seed: int = 0,
) -> LeaveOneOut:
    """Returns rated pairs of a data set as interactions, those of at least `min_rating`, each user's latest held out.

    For data sets of `load_ratings` that `catalog.load` does not have; errors as there, and as
    `splits.leave_one_out_of_ratings` raises.
    """
    ratings = load_ratings(name, data_dir=data_dir, keep_probe=True)
    options = {"min_rating": min_rating, "num_negatives": num_negatives, "seed": seed}
    return leave_one_out_of_ratings(ratings, name=name, **options)


def load_given_split(name: str, *, fold: int = 1, data_dir: Path | str | None = None) -> RatingSplit:
    """Returns one of the splits that a data set comes with, NUM_GIVEN of them.

    Raises ValueError for a fold that there is not, and errors as `load_ratings` does.
    """
    check_name(name, NAMES)
    if not 1 <= fold <= NUM_GIVEN.get(name, 0):
        raise ValueError(f"{name}: expected one of the {NUM_GIVEN.get(name, 0)} splits that it comes with, got {fold}")
    folder = data_folder(data_dir)
    if name == "ml-100k":
        files = [ml_100k_file(file) for file in ("u.data", f"u{fold}.base", f"u{fold}.test")]
        path, *parts = find_files(name, files, folder)
        return read_official_fold(read_movielens_ratings(path), *parts, fold=fold)
    if name == "netflix-excerpt":
        return split_netflix_excerpt(*find_files(name, _EXCERPT, folder, _NETFLIX_FOLDERS))
    (probe,) = find_files(name, [RemoteFile("probe.txt")], folder, _NETFLIX_FOLDERS)
    return take_probe(_load_netflix(folder), probe)


def load_movies(name: str, *, data_dir: Path | str | None = None, path: Path | str | None = None) -> Movies:
    """Returns what the files of a data set say of its movies; with a `path` that file, movies.dat or movies.csv.

    Raises ValueError for an unknown name, one without such a file and bad files, and FileNotFoundError as
    `load_ratings` does.
    """
    check_name(name, NAMES)
    if path is not None:
        return read_movies(existing_file(name, path))
    files: dict[str, tuple[Callable[..., Movies], list[RemoteFile]]] = {
        "ml-100k": (read_ml_100k_movies, [ml_100k_file("u.item"), ml_100k_file("u.genre")]),
        "ml-1m": (read_movies, [ml_1m_file("movies.dat")]),
        "netflix": (read_netflix_titles, [RemoteFile("movie_titles.csv")]),
    }
    if name not in files:
        raise ValueError(f"{name}: expected path=FILE of its movies, got none")
    read, wanted = files[name]
    subfolders = _NETFLIX_FOLDERS if name == "netflix" else ()
    return read(*find_files(name, wanted, data_folder(data_dir), subfolders))


def find_movies(
    name: str,
    num_items: int,
    item_ids: np.ndarray | None = None,
    *,
    data_dir: Path | str | None = None,
    is_rated: bool = True,
) -> Movies | None:
    """Returns what the files of a data set, rated or not, say of its items, in their order; None where no file does.

    As ratings ml-1m has MovieLens's ids, else NCF's. An item that is in no line has no title, year and genre. Raises
    ValueError for bad files.
    """
    if name not in ("ml-100k", "ml-1m", "ml-1m-ratings", "netflix"):
        return None
    folder = data_folder(data_dir)
    if name == "ml-1m" and (item_ids is None or not is_rated):  # numbered by NCF
        numbers = np.arange(num_items) if item_ids is None else item_ids
        (path,) = local_files(_NCF_ML_1M[2:], [folder, folder / name])
        item_ids = None if path is None else read_item_ids(path, numbers)
    if item_ids is None:
        return None
    try:
        movies = load_movies("ml-1m" if name == "ml-1m-ratings" else name, data_dir=data_dir)
    except FileNotFoundError:
        return None
    return movies_of(movies, item_ids)


def load_features(
    name: str,
    ratings: Ratings,
    parts: Sequence[str],
    *,
    min_count: int = 5,
    data_dir: Path | str | None = None,
    path: Path | str | None = None,
) -> Features:
    """Returns the features of the items of `ratings`; see `features.features_of` and `load_movies`, also for errors."""
    return features_of(load_movies(name, data_dir=data_dir, path=path), ratings, parts, min_count=min_count)


def _load_ml_1m(data_dir: Path) -> Ratings:
    """From either source alike, but for time stamps that are not the original's: sorted by user, then MovieID."""
    own, folders = [ml_1m_file("ratings.dat")], [data_dir, data_dir / "ml-1m", data_dir / "ml-1m-ratings"]
    from_ncf = local_files(_NCF_ML_1M, folders)
    if None in local_files(own, folders) and None not in from_ncf:
        ratings = read_ncf_ratings(*from_ncf, scale=STARS)
        ratings = replace(ratings, note=_joined(*differences(from_ncf[:2], _NCF_ML_1M[:2]), ratings.note))
    else:
        ratings = read_movielens_ratings(*find_files("ml-1m", own, data_dir, ["ml-1m-ratings"]))
    return ratings.where(np.lexsort((ratings.item_ids[ratings.items], ratings.users)))


def _netflix_folders(data_dir: Path, name: str = "netflix") -> list[Path]:
    return [data_dir, *(data_dir / folder for folder in (name, *_NETFLIX_FOLDERS))]


def _load_netflix(data_dir: Path) -> Ratings:
    """The ratings of all combined_data_*.txt of the folder that has most of them."""
    folders = _netflix_folders(data_dir)
    paths = max((_combined_files(folder) for folder in folders), key=len)
    if not paths:
        missing = [RemoteFile(file) for file in _COMBINED]
        raise FileNotFoundError(not_found("netflix", missing, folders, OSError("no address")))
    names = tuple(path.name.removesuffix(".gz") for path in paths)
    return replace(read_netflix(paths), note="" if names == _COMBINED else f"of {', '.join(names)} alone")


def _combined_files(folder: Path) -> list[Path]:
    """Plain where a file is there as .gz, too."""
    found = [*folder.glob("combined_data_*.txt.gz"), *folder.glob("combined_data_*.txt")]
    paths = [path for path in found if path.is_file()]
    return [path for _, path in sorted({path.name.removesuffix(".gz"): path for path in paths}.items())]


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))
