"""The data set that a configuration names: its keys, how they are refused, and its interactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from experiments.engine.checks import ConfigError, expect, expect_count, expect_name, is_seed
from experiments.engine.config import CONF, set_keys
from ncfjax.data.catalog import load
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.data.splits import holdout
from ncfjax.data.synthetic import SyntheticOptions


@dataclass
class SyntheticConfig:
    num_users: int = MISSING
    num_items: int = MISSING
    rank: int = MISSING
    interactions_per_user: int = MISSING
    popularity_skew: float = MISSING
    preference_stddev: float = MISSING
    seed: int = MISSING


@dataclass
class DatasetConfig:
    name: str = MISSING
    prefix: str | None = None  # dataset=ncf: FOLDER/NAME of NAME.train.rating, NAME.test.rating, ...
    path: str | None = None  # dataset=csv: the file
    num_negatives: int = 99  # candidates beside the positive, where they are drawn
    seed: int = 0  # of the negatives that are drawn, for a test split or for the holdout
    synthetic: SyntheticConfig | None = None


WHOLE_DATASET = DatasetConfig(synthetic=SyntheticConfig())  # with every part that can be null

# Of a row that was evaluated on a data set.
DATA_COLUMNS = {
    "dataset": str,
    "split": str,  # test | holdout
    "negatives": str,  # where the evaluation's negatives come from
}


def check_dataset(dataset: DatasetConfig) -> None:
    """Raises ConfigError; the sizes of synthetic data are checked where they are drawn."""
    expect_name("dataset.name", dataset.name, sorted(path.stem for path in (CONF / "dataset").glob("*.yaml")))
    expect_count("dataset.num_negatives", dataset.num_negatives)
    expect("dataset.seed", is_seed(dataset.seed), "an integer from 0 to 2147483647", dataset.seed)
    for key, name in (("prefix", "ncf"), ("path", "csv")):
        value = getattr(dataset, key)
        if dataset.name == name:
            what = "FOLDER/NAME of the files NAME.train.rating and so on" if key == "prefix" else "the file"
            expect(f"dataset.{key}", bool(value), f"{what}, as dataset={name}", value)
        else:
            expect(f"dataset.{key}", value is None, f"nothing, as only dataset={name} has one", value)
    is_right = (dataset.synthetic is not None) == (dataset.name == "synthetic")
    expect("dataset.synthetic", is_right, "sizes if, and only if, dataset=synthetic", dataset.synthetic)


def data_identity(config: Any) -> dict[str, Any]:
    """What decides which interactions are trained on and which are held out."""
    return set_keys(config.dataset) | {"split": config.split}


def data_cells(dataset: DatasetConfig, data: LeaveOneOut) -> dict[str, Any]:
    """Of a row that was evaluated on the data."""
    synthetic = asdict(dataset.synthetic) if dataset.synthetic else {}
    # What has no column of its own, and without which two rows would look comparable that are not.
    note = "; ".join(filter(None, [data.note, *(f"{k}={v}" for k, v in synthetic.items())]))
    return {"dataset": data.name, "split": data.split, "negatives": data.negatives, "note": note}


@lru_cache(maxsize=1)
def _load(synthetic: SyntheticOptions | None, **names: Any) -> LeaveOneOut:
    paths = {key: Path(names[key]) if names[key] else None for key in ("prefix", "path", "data_dir")}
    return load(**(names | paths), synthetic=synthetic)


_holdout = lru_cache(maxsize=1)(holdout)


@contextmanager
def _refused(dataset: DatasetConfig) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        raise ConfigError(f"dataset={dataset.name}: {error}") from error


def load_test_split(dataset: DatasetConfig, data_dir: str | None) -> LeaveOneOut:
    """The data set as its authors split it; the last one loaded is kept.

    Raises:
        ConfigError: a file is not there or not as expected.
    """
    names = asdict(dataset) | {"data_dir": data_dir}
    synthetic = names.pop("synthetic")
    with _refused(dataset):
        return _load(SyntheticOptions(**synthetic) if synthetic else None, **names)


def load_data(config: Any) -> LeaveOneOut:
    """The data set in the split that the job asks for; the last holdout is kept.

    Raises:
        ConfigError: a file is not there or not as expected.
    """
    data = load_test_split(config.dataset, config.data_dir)
    if config.split == "test":
        return data
    with _refused(config.dataset):
        # The study's script draws one candidate more for the holdout than the test files have: 100 beside their 99.
        return _holdout(data, num_negatives=config.dataset.num_negatives + 1, seed=config.dataset.seed)
