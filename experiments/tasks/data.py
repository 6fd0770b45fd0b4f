"""The data set that a configuration names: its keys, how they are refused, and its interactions."""

from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from experiments.engine.checks import expect, refused
from experiments.engine.config import part, set_keys
from experiments.engine.task import DataName
from ncfjax.data.catalog import NAMES, csv_name, load, ncf_name
from ncfjax.data.content import Content
from ncfjax.data.header import COLUMNS, ORDERS, SEPARATORS, TableForm, is_separator
from ncfjax.data.identity import content_of
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.data.notes import joined
from ncfjax.data.rating_catalog import load_implicit
from ncfjax.data.ratings import Scale
from ncfjax.data.splits import holdout
from ncfjax.data.synthetic import SyntheticOptions
from ncfjax.data.text import about
from ncfjax.data.user_catalog import NAMES as OF_USERS
from ncfjax.evaluation.columns import K
from ncfjax.evaluation.remarks import few_candidates
from ncfjax.keys import COUNT, FLAG, PATH, SEED, Key, anything, one_of
from ncfjax.store import run_id

_RATED = {"min_rating": Key(float, anything, "a number, or null", default=None)}  # null: every rating counts


def _is_scale(text: str) -> bool:
    try:
        Scale.of_text(str(text))
    except ValueError:
        return False
    return True


_SCALE_WORDS = "a scale: binary, unary, '1 to 5 by 0.5' or 'bad < fair < good'"
SCALE = Key(str, _is_scale, _SCALE_WORDS, default=None)  # of the column rating; null: from its numbers
_SEPARATOR_WORDS = f"{', '.join(name for name in SEPARATORS if name.isidentifier())}, or the text itself"
_COLUMN = Key(str, bool, "the name of a column, or its number where there is no header", default=None)  # null: usual
# How a person's own table is written; see ncfjax/data/header.py.
TABLE = {
    "path": PATH._replace(expected="the file"),
    "scale": SCALE,
    "separator": Key(str, lambda text: is_separator(str(text)), _SEPARATOR_WORDS, default=None),  # null: by the header
    **{f"columns.{name}": _COLUMN for name in COLUMNS},
    "order": one_of(*ORDERS, default=None),  # of the rows; null: the time stamps', or unknown
}
# Sets of ratings that only here are interactions.
_IMPLICIT = ("netflix", "netflix-excerpt")
_PLACES = ("path", "prefix")  # where a user's own files lie
_OWN_KEYS = {
    **dict.fromkeys(_IMPLICIT, _RATED),
    "ml-100k": _RATED,
    "ml-1m-ratings": _RATED,
    "ncf": {"prefix": PATH._replace(expected="FOLDER/NAME of the files NAME.train.rating and so on")},
    "csv": TABLE | {"strength": FLAG} | _RATED,
    # The sizes are checked where the data are drawn.
    "synthetic": {
        f"synthetic.{field.name}": Key(field.type, anything, "an integer" if field.type is int else "a number")
        for field in fields(SyntheticOptions)
    },
}
_NEGATIVES = {
    "num_negatives": COUNT._replace(default=99),  # candidates beside the positive, where they are drawn
    "seed": SEED._replace(default=0),  # of the negatives that are drawn, for a test split or for the holdout
}
_LEAVE_ONE_OUT = {name: _NEGATIVES | _OWN_KEYS.get(name, {}) for name in sorted((*NAMES, *_IMPLICIT))}
_HELD_OUT_USERS = {name: {"num_held_out": COUNT, "seed": SEED} for name in OF_USERS}
DATASET = part("dataset", _LEAVE_ONE_OUT)
DATASET_OR_USERS = part("dataset", _LEAVE_ONE_OUT | _HELD_OUT_USERS)  # where users can be folded in


def check_dataset(config: Any) -> None:
    """Raises ConfigError for what means nothing beside strengths, and for candidates among which nothing is chosen."""
    _check_strength(config.dataset)
    if getattr(config, "tune", False) and not holds_out_users(config):
        expected = f"at least {K}, as tune=true compares models by the first {K} of the candidates"
        expect("dataset.num_negatives", config.dataset.num_negatives >= K, expected, config.dataset.num_negatives)


def holds_out_users(config: Any) -> bool:
    """Whether the data set's held-out users are no part of training; else each user has an item that is held out."""
    return config.dataset.name in OF_USERS


def _check_strength(dataset: SimpleNamespace) -> None:
    if getattr(dataset, "strength", False):
        for name in ("min_rating", "scale"):
            value = getattr(dataset, name)
            expect(f"dataset.{name}", value is None, "nothing, as dataset.strength=true reads no ratings", value)


def table_form(dataset: SimpleNamespace) -> TableForm:
    """What is said of the table that a data set's path names."""
    return TableForm(separator=dataset.separator, order=dataset.order, **vars(dataset.columns))


# Of a row that was evaluated on a data set.
DATA_COLUMNS = {
    "dataset": str,
    "content": str,  # what identifies its files, or what it was drawn by
    "split": "split",
    "negatives": str,  # where the evaluation's negatives come from
}


# Data sets whose rows have time stamps, or that hold out users. Of the others' holdouts 2 is the version: a random row
# of each user.
_TIMED = ("csv", "ml-1m", "ml-1m-ratings", "ml-100k", *_IMPLICIT, *OF_USERS)


def data_identity(config: Any) -> dict[str, Any]:
    """What decides which interactions are trained on and which are held out."""
    is_timed = config.split == "test" or config.dataset.name in _TIMED
    data = dataset_identity(config.dataset, config.data_dir)
    return data | {"split": config.split} | ({} if is_timed else {"holdout": 2})


def dataset_identity(dataset: SimpleNamespace, data_dir: str | None) -> dict[str, Any]:
    """The keys of a data set, with the content of files that their names do not tell in the place of where they lie.

    Raises:
        ConfigError: files that cannot be told apart.
    """
    keys = {name: value for name, value in set_keys(dataset).items() if name not in _PLACES}
    content = content_of_dataset(dataset, data_dir).other
    return keys | ({"content": content} if content else {})


def own_files(dataset: SimpleNamespace) -> list[Path]:
    """Where a user's own files lie, for messages that would not name them."""
    return [Path(place) for name in _PLACES if (place := getattr(dataset, name, None))]


def content_of_dataset(dataset: SimpleNamespace, data_dir: str | None) -> Content:
    """Raises ConfigError as `dataset_identity` does."""
    places = {name: getattr(dataset, name, None) for name in _PLACES}
    with refused(f"dataset={dataset.name}"):
        return content_of(dataset.name, data_dir=data_dir, **places)


def described(config: Any) -> DataName | None:
    """What a row will call the data set, and its content; None of data that are drawn, which their options tell."""
    dataset = config.dataset
    content = content_of_dataset(dataset, config.data_dir).digest
    if not content:
        return None
    if dataset.name == "csv":
        return DataName(csv_name(Path(dataset.path)), content, f"dataset.path={dataset.path}")
    if dataset.name == "ncf":
        return DataName(ncf_name(Path(dataset.prefix)), content, f"dataset.prefix={dataset.prefix}")
    return DataName(dataset.name, content, f"dataset={dataset.name}")


def data_cells(config: Any, data: LeaveOneOut) -> dict[str, Any]:
    """Of a row that was evaluated on the data."""
    # What has no column of its own, and without which two rows would look comparable that are not.
    synthetic = vars(config.dataset.synthetic) if config.dataset.name == "synthetic" else {}
    few = few_candidates(data.held_out.negatives.shape[1], data.num_others)
    note = joined(*few, data.note, *(f"{k}={v}" for k, v in synthetic.items()))
    content = run_id(synthetic) if synthetic else content_of_dataset(config.dataset, config.data_dir).digest
    return {"dataset": data.name, "content": content, "negatives": data.negatives, "note": note}


@lru_cache(maxsize=1)
def _load(*, name: str, content: Content, scale: str | None = None, **options: Any) -> LeaveOneOut:
    """`content` tells files that have changed, which are read anew, from those that are kept."""
    if name in _IMPLICIT:
        return load_implicit(name, **options)
    return load(name, scale=Scale.of_text(scale) if scale else None, **options)


_holdout = lru_cache(maxsize=1)(holdout)


def load_test_split(dataset: SimpleNamespace, data_dir: str | None) -> LeaveOneOut:
    """The data set as its authors split it; the last one loaded is kept.

    Raises:
        ConfigError: a file is not there or not as expected.
    """
    with refused(f"dataset={dataset.name}"):
        apart = ("synthetic", "separator", "columns", "order")
        given = {name: value for name, value in vars(dataset).items() if value is not None and name not in apart}
        if dataset.name == "synthetic":
            given["synthetic"] = SyntheticOptions(**vars(dataset.synthetic))
        if dataset.name == "csv":
            given["form"] = table_form(dataset)
        return _load(**given | {"data_dir": data_dir, "content": content_of_dataset(dataset, data_dir)})


def load_data(config: Any) -> LeaveOneOut:
    """The data set in the split that the job asks for; the last holdout is kept.

    Raises:
        ConfigError: a file is not there or not as expected.
    """
    data = load_test_split(config.dataset, config.data_dir)
    if config.split == "test":
        return data
    with refused(f"dataset={config.dataset.name}"), about(*own_files(config.dataset)):
        # The study's script draws one candidate more for the holdout than the test files have: 100 beside their 99.
        return _holdout(data, num_negatives=config.dataset.num_negatives + 1, seed=config.dataset.seed)
