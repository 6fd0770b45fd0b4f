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
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ncfjax.data.interactions import LeaveOneOut
from ncfjax.data.movielens import read_movielens
from ncfjax.data.ncf import SUFFIXES, read_ncf, read_ncf_files
from ncfjax.data.ratings_csv import read_csv
from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.data.text import find_file, read_raw

_NCF = (
    "https://raw.githubusercontent.com/hexiangnan/neural_collaborative_filtering/"
    "4aab159e81c44b062c091bdaed0ab54ac632371f/Data/"
)
_GROUPLENS = "https://files.grouplens.org/datasets/movielens/"


class RemoteFile(NamedTuple):
    """A file of a data set: its name, and what to download (the file itself, or a zip file with it as `member`)."""

    name: str
    address: str = ""  # none: local only
    checksum: str = ""  # of the download: "git:" + blob id, or "md5:" + digest
    member: str = ""


class Entry(NamedTuple):
    """A named data set; `read` takes the paths of its files, in their order."""

    files: tuple[RemoteFile, ...]
    read: Callable[..., LeaveOneOut]
    note: str = ""


def _ncf_entry(prefix: str, *blobs: str) -> Entry:
    names = [prefix + suffix for suffix in SUFFIXES]
    files = tuple(RemoteFile(name, _NCF + name, f"git:{blob}") for name, blob in zip(names, blobs, strict=True))
    return Entry(files, read_ncf_files)


CATALOG = {
    "ml-1m": _ncf_entry(
        "ml-1m",
        "31ba384fd58dac8fbd09d2dfc6616431f3563ab5",
        "1b79e03c96710c3b0c35deb19155ef74f7965a02",
        "c82844fb99d021f94751a6f915a230a1e8b8da92",
    ),
    "pinterest": _ncf_entry(
        "pinterest-20",
        "99813f8ed7486c36fa0f405e3f400db5d6fed0be",
        "87fdbd13bced61c51f2842e2a667e83b9b0084e3",
        "b752ccdc14df423b9484771440ff4a73e4a4a304",
    ),
    "pinterest-u37501": Entry(
        (RemoteFile("pinterest-20-u37501.train.rating"), RemoteFile("pinterest-20-u37501.test.rating")),
        read_ncf_files,
        "subset, redrawn negatives, not comparable with the paper",
    ),
    "ml-100k": Entry(
        (RemoteFile("u.data", _GROUPLENS + "ml-100k.zip", "md5:0e33842e24a9c977be4e0107933c0723", "ml-100k/u.data"),),
        read_movielens,
    ),
    "ml-1m-ratings": Entry(
        (
            RemoteFile(
                "ratings.dat", _GROUPLENS + "ml-1m.zip", "md5:c4d9eecfca2ab87c1945afe126590906", "ml-1m/ratings.dat"
            ),
        ),
        read_movielens,
    ),
}
NAMES: tuple[str, ...] = ("synthetic", *CATALOG, "ncf", "csv")


def load(
    name: str,
    *,
    data_dir: Path | str | None = None,
    prefix: Path | str | None = None,
    path: Path | str | None = None,
    num_negatives: int = 99,
    seed: int = 0,
    synthetic: SyntheticOptions | None = None,
) -> LeaveOneOut:
    """Returns the data set `name`, one of NAMES; `seed` is that of the negatives where they are drawn.

    `prefix` belongs to "ncf", `path` to "csv", `synthetic` to "synthetic". Raises ValueError for an unknown name and
    for bad files, and FileNotFoundError, with files, folder and address, for files that cannot be had.
    """
    if num_negatives < 1:
        raise ValueError(f"num_negatives: expected at least 1, got {num_negatives}")
    options = {"num_negatives": num_negatives, "seed": seed}
    if name == "synthetic":
        return make_synthetic(synthetic or SyntheticOptions(), **options)
    if name == "ncf":
        prefix = _given("ncf", "prefix=FOLDER/NAME", prefix)
        return read_ncf(prefix, name=prefix.name, **options)
    if name == "csv":
        path = _given("csv", "path=FILE", path)
        return read_csv(_existing(path), name=path.name.split(".")[0], **options)
    if name not in CATALOG:
        nearest = difflib.get_close_matches(name, NAMES, n=1)
        hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
        raise ValueError(f"dataset: expected one of {', '.join(NAMES)}, got {name!r}{hint}")
    return _load_entry(name, CATALOG[name], _data_dir(data_dir), options)


def _given(name: str, expected: str, value: Path | str | None) -> Path:
    if value is None:
        raise ValueError(f"{name}: expected {expected}, got none")
    return Path(value).expanduser()


def _existing(path: Path) -> Path:
    existing = find_file(path)
    if existing is None:
        raise FileNotFoundError(f"{path}: expected a file, plain or .gz, got none")
    return existing


def _data_dir(data_dir: Path | str | None) -> Path:
    data_dir = data_dir or os.environ.get("NCFJAX_DATA")
    if not data_dir:
        import pooch  # here, because most runs need no download

        data_dir = pooch.os_cache("ncfjax")
    return Path(data_dir).expanduser()


def _load_entry(name: str, entry: Entry, data_dir: Path, options: dict[str, int]) -> LeaveOneOut:
    paths = _find_files(name, entry.files, data_dir)
    data = entry.read(*paths, name=name, **options)
    notes = [entry.note, *_differences(paths, entry.files), data.note]
    return replace(data, note="; ".join(note for note in notes if note))


def _find_files(name: str, files: tuple[RemoteFile, ...], data_dir: Path) -> list[Path]:
    """Returns the path of each file, after downloading what neither folder has."""
    candidates = [[find_file(folder / file.name) for file in files] for folder in (data_dir, data_dir / name)]
    fuller, other = sorted(candidates, key=lambda paths: paths.count(None))  # so that a whole set is not mixed
    paths = [first or second for first, second in zip(fuller, other, strict=True)]
    missing = [file for file, path in zip(files, paths, strict=True) if path is None]
    folder = data_dir / name
    try:
        for file in missing:
            if not file.address:
                raise OSError("no address")
            download(file, folder / file.name)
    except OSError as error:
        raise FileNotFoundError(_not_found(name, missing, data_dir, error)) from error
    return [path or folder / file.name for file, path in zip(files, paths, strict=True)]


def _not_found(name: str, missing: list[RemoteFile], data_dir: Path, error: OSError) -> str:
    names = ", ".join(file.name for file in missing)
    addresses = ", ".join(dict.fromkeys(file.address for file in missing if file.address))
    download = (
        f"the download from {addresses} failed ({error})" if addresses else "there is no address to download from"
    )
    return (
        f"{name}: expected {names} (plain or .gz) in {data_dir} or {data_dir / name}, got none, and {download}. "
        f"Put the files there, or set data_dir or NCFJAX_DATA to the folder that has them."
    )


def download(file: RemoteFile, target: Path) -> None:
    """Downloads one file; `target` appears whole and verified, or not at all.

    Raises OSError if the address cannot be reached or the folder cannot be written, ValueError for a wrong checksum.
    """
    import pooch

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        part = Path(scratch) / "part"
        pooch.HTTPDownloader(stream=False)(file.address, str(part), None)  # streams leak a socket on error 404
        content = part.read_bytes()
        if checksum(content, file.checksum) != file.checksum:
            got = checksum(content, file.checksum)
            raise ValueError(f"{file.address}: expected content with checksum {file.checksum}, got {got}")
        if file.member:
            part.write_bytes(zipfile.ZipFile(io.BytesIO(content)).read(file.member))
        os.replace(part, target)


def checksum(content: bytes, like: str) -> str:
    """Returns the checksum of `content`, of the kind that `like` is of: "git:" + blob id, or "md5:" + digest."""
    kind = like.split(":")[0]
    if kind == "git":
        return "git:" + hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return "md5:" + hashlib.md5(content).hexdigest()


def _differences(paths: list[Path], files: tuple[RemoteFile, ...]) -> list[str]:
    """Names the local files that are not the originals: they are taken all the same, and the results say so."""
    return [
        f"local {file.name} is not the original"
        for path, file in zip(paths, files, strict=True)
        if file.checksum and not file.member and checksum(read_raw(path), file.checksum) != file.checksum
    ]
