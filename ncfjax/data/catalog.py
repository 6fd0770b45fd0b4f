"""Data sets by name: their files, where these are found, and where they are downloaded from.

    synthetic          drawn, needs no file                    ml-100k         MovieLens's u.data
    ml-1m, pinterest   He et al.'s files, WWW 2017             ml-1m-ratings   MovieLens's ratings.dat
    pinterest-u37501   its first 37,501 users, local only      ncf, csv        your own, by prefix or path

Each file is looked for in `data_dir` (default: environment variable NCFJAX_DATA, else the user's cache folder) and in
its subfolder with the data set's name, plain or .gz, first in the one that has more of the files. Files that are there
are taken as they are; one that is not the original is named in `note`. What is missing in both is downloaded to the
subfolder, once, atomically, and verified.
"""

import difflib
import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ncfjax.data.content import of_file
from ncfjax.data.header import TableForm
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.data.movielens import read_movielens
from ncfjax.data.ncf import SUFFIXES, read_ncf, read_ncf_files
from ncfjax.data.ratings import Scale
from ncfjax.data.ratings_csv import read_csv
from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.data.text import at_home, find_file, read_raw

_NCF = (
    "https://raw.githubusercontent.com/hexiangnan/neural_collaborative_filtering/"
    "4aab159e81c44b062c091bdaed0ab54ac632371f/Data/"
)
_GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
_ML_100K = {
    "u.data": "06416e597f82b734", "u.item": "6dd287831559152b", "u.genre": "9757e0d3e6b29815",
    "u1.base": "ce253ec86c448b44", "u1.test": "18c6014a4b2c7324", "u2.base": "6c06f0b5df4b256d",
    "u2.test": "4de658d1e04ed910", "u3.base": "afdc155c291c6edc", "u3.test": "0f548b51c78327de",
    "u4.base": "219f0f4d40dfe9c5", "u4.test": "7c02ad0a1e7ab108", "u5.base": "a9574e59ce961eec",
    "u5.test": "351cc52e0d15b6c7",
}  # fmt: skip


class RemoteFile(NamedTuple):
    """A file of a data set: its name, and what to download (the file itself, or a zip file with it as `member`)."""

    name: str
    address: str = ""  # none: local only
    checksum: str = ""  # of the download: "git:" + blob id, or "md5:" + digest
    member: str = ""
    other_name: str = ""  # which it has where the files of several data sets lie together
    content: str = ""  # as `content.of_file`, of the file that results were made from; empty where it is not known


class Entry(NamedTuple):
    """A named data set; `read` takes the paths of its files, in their order."""

    files: tuple[RemoteFile, ...]
    read: Callable[..., LeaveOneOut]
    note: str = ""
    has_ratings: bool = False  # `read` takes `min_rating`


def _ncf_entry(prefix: str, *known: tuple[str, str]) -> Entry:
    """`known` are the blob and the content of each file."""
    files = [(prefix + suffix, *one) for suffix, one in zip(SUFFIXES, known, strict=True)]
    return Entry(tuple(RemoteFile(f, _NCF + f, f"git:{blob}", content=c) for f, blob, c in files), read_ncf_files)


def ml_100k_file(name: str) -> RemoteFile:
    """A file of MovieLens-100K's zip file."""
    address, checksum = _GROUPLENS + "ml-100k.zip", "md5:0e33842e24a9c977be4e0107933c0723"
    return RemoteFile(name, address, checksum, f"ml-100k/{name}", content=_ML_100K.get(name, ""))


def ml_1m_file(name: str) -> RemoteFile:
    """A file of MovieLens-1M's zip file."""
    address, checksum = _GROUPLENS + "ml-1m.zip", "md5:c4d9eecfca2ab87c1945afe126590906"
    content = {"movies.dat": "0140fc2356357c1a"}.get(name, "")
    return RemoteFile(name, address, checksum, f"ml-1m/{name}", other_name=f"ml-1m.{name}", content=content)


CATALOG = {
    "ml-1m": _ncf_entry(
        "ml-1m",
        ("31ba384fd58dac8fbd09d2dfc6616431f3563ab5", "605fbbaf01fa1294"),
        ("1b79e03c96710c3b0c35deb19155ef74f7965a02", "231ae11eb060b643"),
        ("c82844fb99d021f94751a6f915a230a1e8b8da92", "127853228a76b7d2"),
    ),
    "pinterest": _ncf_entry(
        "pinterest-20",
        ("99813f8ed7486c36fa0f405e3f400db5d6fed0be", ""),
        ("87fdbd13bced61c51f2842e2a667e83b9b0084e3", "3a8a8f7eb8e21cc5"),
        ("b752ccdc14df423b9484771440ff4a73e4a4a304", ""),
    ),
    "pinterest-u37501": Entry(
        (
            RemoteFile("pinterest-20-u37501.train.rating", content="4834c3fd06921337"),
            RemoteFile("pinterest-20-u37501.test.rating", content="cd594e27b04a7eb1"),
        ),
        read_ncf_files,
        "subset, redrawn negatives, not comparable with the paper",
    ),
    "ml-100k": Entry((ml_100k_file("u.data"),), read_movielens, has_ratings=True),
    "ml-1m-ratings": Entry((ml_1m_file("ratings.dat"),), read_movielens, has_ratings=True),
}
NAMES: tuple[str, ...] = ("synthetic", *CATALOG, "ncf", "csv")
_ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".data")
# Which a user's own file has not, whatever it is called: of these and of the data sets of ratings.
TAKEN = (*NAMES, "netflix", "netflix-excerpt", "synthetic-ratings", "worked-example", "ml-20m", "msd")


def load(
    name: str,
    *,
    data_dir: Path | str | None = None,
    prefix: Path | str | None = None,
    path: Path | str | None = None,
    min_rating: float | None = None,
    scale: Scale | None = None,
    strength: bool = False,
    form: TableForm | None = None,
    num_negatives: int = 99,
    seed: int = 0,
    synthetic: SyntheticOptions | None = None,
) -> LeaveOneOut:
    """Returns the data set `name`, one of NAMES; `seed` is that of the negatives where they are drawn.

    `prefix` belongs to "ncf", `path`, `scale`, `strength` and `form` to "csv", `synthetic` to its own. Where there are
    ratings, those below `min_rating` are no interactions. Raises ValueError for an unknown name, for `min_rating` where
    there are no ratings and for bad files, and FileNotFoundError, with files, folders and address, for files that
    cannot be had.
    """
    if num_negatives < 1:
        raise ValueError(f"num_negatives: expected at least 1, got {num_negatives}")
    options: dict[str, Any] = {"num_negatives": num_negatives, "seed": seed}
    check_name(name, ("synthetic", *CATALOG, "ncf", "csv"))
    is_rated = name == "csv" or (name in CATALOG and CATALOG[name].has_ratings)
    if min_rating is not None and not is_rated:
        raise ValueError(f"min_rating: expected none, as {name} has no ratings to choose from, got {min_rating:g}")
    if name == "synthetic":
        return make_synthetic(synthetic or SyntheticOptions(), **options)
    if name == "ncf":
        prefix = _given("ncf", "prefix=FOLDER/NAME", prefix)
        return read_ncf(prefix, name=ncf_name(prefix), **options)
    if is_rated:
        options["min_rating"] = min_rating
    if name == "csv":
        path, own = existing_file("csv", path), {"scale": scale, "strength": strength, "form": form}
        return read_csv(path, name=csv_name(path), **own, **options)
    return _load_entry(name, CATALOG[name], data_folder(data_dir), options)


def csv_name(path: Path) -> str:
    """What rows call a user's own table: its file's name without endings, and with them where the name is taken.

    "ratings.2020" of ratings.2020.csv.gz; "ml-1m.csv" of ml-1m.csv.
    """
    name = path.name.removesuffix(".gz")
    stem = name[: -len(path.suffix)] if (path := Path(name)).suffix.lower() in _ENDINGS else name
    return name if stem.lower() in TAKEN else stem


def ncf_name(prefix: Path) -> str:
    """What rows call a user's own files in NCF's format: "ml-1m" only where they are those of ml-1m."""
    entry = CATALOG.get(prefix.name.lower())
    paths = ncf_paths(prefix)
    is_whole = entry is not None and len(entry.files) == len(paths) and None not in paths
    if is_whole and all(is_known(*pair) for pair in zip(entry.files, paths, strict=True)):
        return prefix.name
    return f"{prefix.name}.ncf" if prefix.name.lower() in TAKEN else prefix.name


def ncf_paths(prefix: Path) -> list[Path | None]:
    """The files of a prefix, plain or .gz; raises ValueError where one is there as both, of other content each."""
    for suffix in SUFFIXES:
        plain, packed = Path(f"{prefix}{suffix}"), Path(f"{prefix}{suffix}.gz")
        if plain.is_file() and packed.is_file() and of_file(plain) != of_file(packed):
            raise ValueError(
                f"{plain}: expected {packed.name} beside it to be the same, got other content: move one away"
            )
    return [find_file(Path(f"{prefix}{suffix}")) for suffix in SUFFIXES]


def is_known(file: RemoteFile, path: Path) -> bool:
    """Whether a local file is one that the name of its data set stands for; of one that nothing is known of, True."""
    return (file.content != "" and of_file(path) == file.content) or is_original(file, path)


def is_original(file: RemoteFile, path: Path) -> bool:
    """Whether a local file is what its address has, or else the one that is known; where neither is, True."""
    if file.checksum and not file.member:
        return checksum(read_raw(path), file.checksum) == file.checksum
    return not file.content or of_file(path) == file.content


def check_name(name: str, names: Sequence[str]) -> None:
    """Raises ValueError, with the nearest name, for one that is not among `names`."""
    if name not in names:
        nearest = difflib.get_close_matches(name, names, n=1)
        hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
        raise ValueError(f"dataset: expected one of {', '.join(names)}, got {name!r}{hint}")


def _given(name: str, expected: str, value: Path | str | None) -> Path:
    if value is None:
        raise ValueError(f"{name}: expected {expected}, got none")
    return at_home(value)


def existing_file(name: str, path: Path | str | None) -> Path:
    """The file that the data set `name` is in, plain or .gz; raises ValueError or FileNotFoundError for none."""
    path = _given(name, "path=FILE", path)
    existing = find_file(path)
    if existing is None:
        raise FileNotFoundError(f"{path}: expected a file, plain or .gz, got none")
    return existing


def data_folder(data_dir: Path | str | None) -> Path:
    """`data_dir`, else the folder that NCFJAX_DATA names, else the user's cache folder."""
    data_dir = data_dir or os.environ.get("NCFJAX_DATA")
    if not data_dir:
        import pooch  # here, because most runs need no download

        data_dir = pooch.os_cache("ncfjax")
    return at_home(data_dir)


def _load_entry(name: str, entry: Entry, data_dir: Path, options: dict[str, Any]) -> LeaveOneOut:
    paths = find_files(name, entry.files, data_dir)
    data = entry.read(*paths, name=name, **options)
    notes = [entry.note, *differences(paths, entry.files), data.note]
    return replace(data, note="; ".join(note for note in notes if note))


def find_files(name: str, files: Sequence[RemoteFile], data_dir: Path, subfolders: Sequence[str] = ()) -> list[Path]:
    """Returns the path of each file, after downloading what no folder has.

    Looks in `data_dir`, in its subfolder `name`, and in `subfolders`. Raises FileNotFoundError, with files, folders and
    address, for files that cannot be had.
    """
    folders = [data_dir, *(data_dir / subfolder for subfolder in (name, *subfolders))]
    paths = local_files(files, folders)
    by_address: dict[str, list[RemoteFile]] = {}
    for file, path in zip(files, paths, strict=True):
        if path is None:
            by_address.setdefault(file.address, []).append(file)
    try:
        for missing in by_address.values():
            download(missing, folders[1])
    except OSError as error:
        missing = [file for group in by_address.values() for file in group]
        raise FileNotFoundError(not_found(name, missing, folders, error)) from error
    return [path or folders[1] / file.name for file, path in zip(files, paths, strict=True)]


def local_files(files: Sequence[RemoteFile], folders: Sequence[Path]) -> list[Path | None]:
    """Returns the path of each file that one of the folders has, from the one that has most of them if it can be."""
    candidates = [[_local_file(file, folder) for file in files] for folder in folders]
    fullest_first = sorted(candidates, key=lambda paths: paths.count(None))  # so that a whole set is not mixed
    return [next(filter(None, paths), None) for paths in zip(*fullest_first, strict=True)]


def _local_file(file: RemoteFile, folder: Path) -> Path | None:
    names = filter(None, (file.name, file.other_name))
    return next(filter(None, (find_file(folder / name) for name in names)), None)


def not_found(name: str, missing: Sequence[RemoteFile], folders: Sequence[Path], error: OSError) -> str:
    """The message for files that are nowhere."""
    names = ", ".join(file.name for file in missing)
    addresses = ", ".join(dict.fromkeys(file.address for file in missing if file.address))
    download = (
        f"the download from {addresses} failed ({error})" if addresses else "there is no address to download from"
    )
    return (
        f"{name}: expected {names} (plain or .gz) in {' or '.join(map(str, folders))}, got none, and {download}. "
        f"Put the files there, or set data_dir or NCFJAX_DATA to the folder that has them."
    )


def download(files: Sequence[RemoteFile], folder: Path) -> None:
    """Downloads files of one address to a folder; each appears whole and verified, or not at all.

    Raises OSError if there is no address, no checksum to verify it by, if it cannot be reached or the folder cannot be
    written, and ValueError for a wrong checksum.
    """
    import pooch

    address, expected = files[0].address, files[0].checksum
    if not address:
        raise OSError("no address")
    if not expected:
        raise OSError("its checksum is not known: download it yourself")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        part = Path(scratch) / "part"
        pooch.HTTPDownloader(stream=False)(address, str(part), None)  # streams leak a socket on error 404
        content = part.read_bytes()
        got = checksum(content, expected)
        if got != expected:
            raise ValueError(f"{address}: expected content with checksum {expected}, got {got}")
        for file in files:
            if file.member:
                part.write_bytes(zipfile.ZipFile(io.BytesIO(content)).read(file.member))
            os.replace(part, folder / file.name)


def checksum(content: bytes, like: str) -> str:
    """Returns the checksum of `content`, of the kind that `like` is of: "git:" + blob id, or "md5:" + digest."""
    kind = like.split(":")[0]
    if kind == "git":
        return "git:" + hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return "md5:" + hashlib.md5(content).hexdigest()


def differences(paths: Sequence[Path], files: Sequence[RemoteFile]) -> list[str]:
    """Names the local files that are not the originals: they are taken all the same, and the results say so."""
    pairs = zip(files, paths, strict=True)
    return [f"local {file.name} is not the original" for file, path in pairs if not is_original(file, path)]
