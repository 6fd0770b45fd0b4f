"""The methods of the study's headline table, and which stored rows stand for each (headline.yaml)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from experiments.analysis.data_file import read
from experiments.analysis.lines import completed, is_pretrained, lines, runs_on_test
from experiments.analysis.published import figure2
from experiments.analysis.results import Results
from experiments.analysis.runs import Runs
from ncfjax.evaluation.columns import COLUMNS, SAMPLED
from ncfjax.store import Store

BASELINES, FIGURE2 = "baselines-ml-1m", "figure2-ml-1m"
_FILE = Path(__file__).parent / "headline.yaml"


class Published(NamedTuple):
    source: str = ""
    digits: int = 4
    values: dict[str, float] = {}  # column of runs.csv -> value; empty where nothing was published
    figure2: str = ""  # the model of Figure 2 whose point it is, at embedding_dim
    embedding_dim: int = 0


class HeadlineRow(NamedTuple):
    """A row of the table: where its runs lie, and the cells that tell them from others."""

    name: str
    entry: str = ""
    study: str = ""  # empty: published, and not run here
    conf: str = ""
    where: dict[str, str | int] = {}  # column -> value
    hyperparameters: str = ""
    published: Published = Published()
    pretrained: bool = False

    @property
    def command(self) -> str:
        return f"python -m experiments.{self.entry} +study={self.conf}" if self.study else ""


@dataclass(frozen=True, eq=False)
class Method(Runs):
    """One way to rank, and the runs on the test split that stand for it."""

    name: str
    declared: HeadlineRow | None = None

    @property
    def label(self) -> str:
        return self.name


@cache
def headline_rows() -> list[HeadlineRow]:
    """Raises ValueError for a file that is not what it should be."""
    return [row._replace(published=_resolved(row)) for row in read(_FILE, list[HeadlineRow])]


def _resolved(row: HeadlineRow) -> Published:
    """With the values of the point of Figure 2 that it names."""
    published, model = row.published, figure2().get(row.published.figure2)
    if not published.figure2:
        return published
    dim = published.embedding_dim
    curves = {column: model.curve("ml-1m", column) for column in SAMPLED} if model else {}
    if not curves or any(dim not in curve for curve in curves.values()):
        point = f"{published.figure2} d={dim}"
        raise ValueError(f"{_FILE}: {row.name}: published: expected a point of literature/figure2.yaml, got {point}")
    return published._replace(digits=model.digits, values={column: curve[dim] for column, curve in curves.items()})


def _rows(runs: pd.DataFrame, declared: HeadlineRow) -> pd.DataFrame:
    rows = runs[(runs["split"] == "test") & (runs["status"] == "completed")]
    for column, value in declared.where.items():
        if column not in rows:
            raise ValueError(f"{_FILE}: {declared.name}: where: expected a column of {declared.study}, got {column!r}")
        rows = rows[(rows[column] == value).fillna(False)]
    if "pretraining" in rows:
        rows = rows[is_pretrained(rows) == declared.pretrained]
    return rows.sort_values("seed", kind="stable")


def methods(results: Results) -> list[Method]:
    """Every method of the headline table with the rows that there are.

    Raises:
        StoreError: a table that cannot be read.
        ValueError: rows of several settings.
    """
    declared_rows = headline_rows()
    stores = {row.study: results.store(row.study, row.entry) for row in declared_rows if row.study}
    runs = {study: store.runs() for study, store in stores.items()}
    table = []
    for declared in declared_rows:
        if not declared.study:
            table.append(Method(None, pd.DataFrame(columns=list(COLUMNS)), declared.name, declared))
            continue
        store, rows = stores[declared.study], _rows(runs[declared.study], declared)
        if rows["seed"].duplicated().any():
            raise ValueError(f"{declared.name}: expected one row per seed in {store.folder}, got {len(rows)}")
        table.append(Method(store, rows, declared.name, declared))
    return table


def with_rows(table: Sequence[Method]) -> list[Method]:
    """Those that were run.

    Raises:
        ValueError: fewer than two.
    """
    run = [method for method in table if len(method)]
    if len(run) < 2:
        raise ValueError(f"expected rows of two or more methods, got {len(run)}")
    return run


def figure2_methods(store: Store) -> list[Method]:
    """The models and sizes of Figure 2, as it shows them."""
    return [
        Method(store, rows, f"{line.name} d={dim}, {line.objective}")
        for line in lines(completed(runs_on_test(store.runs())))
        for dim, rows in line.by_dim()
    ]
