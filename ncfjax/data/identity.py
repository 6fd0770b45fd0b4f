"""What identifies the data set that a configuration names, from its files as they are now, before they are read.

A user's own files are identified by their content, wherever they lie. Files with a known name are identified by it as
long as they are the known ones; where they are not, their content counts too.
"""

from collections.abc import Sequence
from pathlib import Path

from ncfjax.data.catalog import (
    CATALOG,
    RemoteFile,
    data_folder,
    is_known,
    local_files,
    ml_1m_file,
    ml_100k_file,
    ncf_paths,
)
from ncfjax.data.content import Content, of_files
from ncfjax.data.rating_catalog import rating_files
from ncfjax.data.text import at_home, find_file
from ncfjax.data.user_catalog import USER_CATALOG

Located = Sequence[tuple[RemoteFile, Path | None]]  # files, each with its place; None where it is not there
_ITEMS = {"ml-100k": (ml_100k_file("u.item"), ml_100k_file("u.genre")), "ml-1m": (ml_1m_file("movies.dat"),)}


def content_of(
    name: str,
    *,
    data_dir: Path | str | None = None,
    prefix: Path | str | None = None,
    path: Path | str | None = None,
) -> Content:
    """Of the interactions of one of `catalog.NAMES`, or of `user_catalog.NAMES`, or of a data set of ratings.

    Raises ValueError for a file of a prefix that is there plain and as .gz, of other content each.
    """
    if name == "csv":
        return _own([] if path is None else [find_file(at_home(path))])
    if name == "ncf":
        return _own([] if prefix is None else ncf_paths(at_home(prefix)))
    if name in CATALOG or name in USER_CATALOG:
        folder, files = data_folder(data_dir), (USER_CATALOG if name in USER_CATALOG else CATALOG)[name].files
        return _known(list(zip(files, local_files(files, [folder, folder / name]), strict=True)))
    return Content() if name == "synthetic" else _known(rating_files(name, data_dir))


def rating_content(
    name: str,
    *,
    data_dir: Path | str | None = None,
    path: Path | str | None = None,
    fold: int | None = None,
    with_items: bool = False,
) -> Content:
    """Of the ratings of one of `rating_catalog.NAMES`; of a fold that they come with, and of what is known of the
    items, where they are used."""
    if name == "csv":
        return _own([] if path is None else [find_file(at_home(path))])
    files = [ml_100k_file(f"u{fold}.{part}") for part in ("base", "test")] if name == "ml-100k" and fold else []
    files += _ITEMS.get(name, ()) if with_items else ()
    folder = data_folder(data_dir)
    others = zip(files, local_files(files, [folder, folder / name]), strict=True)
    return _known(rating_files(name, data_dir), list(others))


def _own(paths: Sequence[Path | None]) -> Content:
    """Of a user's own files, of which the first two of several are needed."""
    digest = of_files(paths) if paths and None not in paths[:2] else ""
    return Content(digest, digest)


def _known(files: Located, others: Located = ()) -> Content:
    """`others` lie beside the data: folds, items. Rows tell data apart by the data's own files."""
    everything = [*files, *others]
    are_known = all(path is None or is_known(file, path) for file, path in everything)
    places = [path for _, path in files]
    digest = of_files(places) if places and None not in places[:1] else ""
    return Content(digest, "" if are_known else of_files([path for _, path in everything]))
