"""The data set that a configuration names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from experiments.config import ConfigError, DatasetConfig
from ncfjax.data.catalog import load
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.data.splits import holdout
from ncfjax.data.synthetic import SyntheticOptions


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
    """The data set in the split that the job asks for, of a sweep or of baselines; the last holdout is kept.

    Raises:
        ConfigError: a file is not there or not as expected.
    """
    data = load_test_split(config.dataset, config.data_dir)
    if config.split == "test":
        return data
    with _refused(config.dataset):
        # The study's script draws one candidate more for the holdout than the test files have: 100 beside their 99.
        return _holdout(data, num_negatives=config.dataset.num_negatives + 1, seed=config.dataset.seed)
