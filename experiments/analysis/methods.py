"""The methods of the study's headline table, and which stored rows stand for each.

Every row is at a setting that was published for MovieLens-1M or chosen on the holdout; test scores choose nothing.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Integer
from scipy import stats

from experiments.analysis.lines import completed, is_pretrained, lines, runs_on_test
from experiments.analysis.metrics import COLUMNS, K, SeedMean, seed_mean
from experiments.analysis.results import Results
from ncfjax.store import Store

BASELINES, FIGURE2 = "baselines-ml-1m", "figure2-ml-1m"


class Published(NamedTuple):
    hit_ratio: float  # at 10
    ndcg: float
    digits: int
    source: str

    def value(self, column: str) -> float:
        return self.hit_ratio if column.startswith("hit") else self.ndcg


class Method(NamedTuple):
    """One way to rank, and the runs that stand for it."""

    name: str
    store: Store  # of its runs
    rows: pd.DataFrame  # completed, on the test split, one per seed; none where its study has not been run
    choice: str = ""  # how its hyperparameters came to be
    command: str = ""
    published: Published | None = None

    def mean(self, column: str) -> SeedMean:
        """Over its runs."""
        return seed_mean(self.rows[column])

    def ranks(self, protocol: str) -> Integer[np.ndarray, "runs users"]:
        """Zero-based ranks of the held-out items, "sampled" or "full"."""
        return np.stack([self.store.ranks(run_id)[protocol] for run_id in self.rows["run_id"]])

    def half_width_over_users(self, column: str) -> float:
        """Half the 95 % interval of the mean over users, 1.96 s / sqrt(users), s that of a user's mean over runs."""
        _, protocol, metric = COLUMNS[column]
        users = np.asarray(metric(self.ranks(protocol)[..., None], K)).mean(axis=0)
        return float(1.96 * stats.sem(users))


class _Declared(NamedTuple):
    """A row of the headline table: where its runs lie, and the cells that tell them from others."""

    name: str
    entry: str
    study: str
    where: dict[str, str | int]  # column -> value
    choice: str
    conf: str  # the file in conf/study/
    published: Published | None = None
    is_pretrained: bool = False

    @property
    def command(self) -> str:
        return f"python -m experiments.{self.entry} +study={self.conf}"


_STUDY, _DACREMA = "Rendle et al. 2020", "Dacrema et al. 2021"
_CHOSEN, _PUBLISHED, _CHOSEN_EPOCH = "chosen on the holdout", "published", "epoch chosen on the holdout"
_BASELINE, _REFERENCE = ("baselines", BASELINES), ("sweep", "ncf-reference-ml-1m")
_STRICT = {"ties": "against", "self_negatives": "masked"}
_TUNED = {"phase": "final"}
_NCF = _TUNED | {"select_epoch": "holdout"}


def _ials(dim: int, published: Published | None = None) -> _Declared:
    where = _STRICT | {"model": "ials", "phase": "run", "embedding_dim": dim, "block_size": dim}
    return _Declared(f"iALS d={dim}", *_BASELINE, where, _PUBLISHED, "baselines_ml-1m_ials", published)


def _mf(dim: int, conf: str, hit_ratio: float, ndcg: float) -> _Declared:
    where = {"model": "dot", "objective": "expected", "embedding_dim": dim, "phase": "run"}
    published = Published(hit_ratio, ndcg, 4, _STUDY)
    return _Declared(f"MF d={dim}", "sweep", FIGURE2, where, _PUBLISHED, conf, published)


DECLARED = (
    _Declared("popularity", *_BASELINE, _STRICT | {"model": "popularity"}, "none", "baselines_ml-1m",
              Published(0.4535, 0.2543, 4, f"{_STUDY}, ties by order")),
    _Declared("ItemKNN", *_BASELINE, _STRICT | _TUNED | {"model": "item_knn"}, _CHOSEN, "baselines_ml-1m_item_knn",
              Published(0.6694, 0.3979, 4, _DACREMA)),
    _Declared("SLIM", *_BASELINE, _STRICT | _TUNED | {"model": "slim"}, _CHOSEN, "baselines_ml-1m_slim",
              Published(0.7162, 0.4468, 4, f"{_STUDY}; {_DACREMA}")),
    _Declared("EASE", *_BASELINE, _STRICT | _TUNED | {"model": "ease"}, f"{_CHOSEN}, as published",
              "baselines_ml-1m_ease", Published(0.7192, 0.4494, 4, _DACREMA)),
    _ials(64, Published(0.722, 0.445, 3, "Rendle et al. 2022")),
    _ials(192),
    _mf(32, "figure2_ml-1m", 0.7135, 0.4365),
    _mf(192, "figure2_ml-1m_large", 0.7294, 0.4523),
    _Declared("GMF d=32", "sweep", "equal-budget-ml-1m",
              _TUNED | {"model": "gmf", "embedding_dim": 32, "regularize_weights": "true"}, _CHOSEN,
              "equal_budget_ml-1m"),
    _Declared("MLP d=32", *_REFERENCE, _NCF | {"model": "mlp", "embedding_dim": 32}, _CHOSEN_EPOCH,
              "ncf_reference_ml-1m"),
    _Declared("NeuMF d=40", *_REFERENCE, _NCF | {"model": "neumf"}, _CHOSEN_EPOCH, "ncf_reference_ml-1m",
              Published(0.7093, 0.4349, 4, f"{_DACREMA}, f=64")),
    _Declared("NeuMF d=40, pretrained", *_REFERENCE, _NCF | {"model": "neumf"}, _CHOSEN_EPOCH,
              "ncf_reference_ml-1m_pretrained",
              Published(0.730, 0.447, 3, "He et al. 2017, f=64, epoch chosen on test"), is_pretrained=True),
)  # fmt: skip


def _rows(runs: pd.DataFrame, declared: _Declared) -> pd.DataFrame:
    rows = runs[(runs["split"] == "test") & (runs["status"] == "completed")]
    for column, value in declared.where.items():
        rows = rows[(rows[column] == value).fillna(False)]
    if "pretraining" in rows:
        rows = rows[is_pretrained(rows) == declared.is_pretrained]
    return rows.sort_values("seed", kind="stable")


def methods(results: Results) -> list[Method]:
    """Every method of the headline table with the rows that there are.

    Raises:
        StoreError: a table that cannot be read.
        ValueError: rows of several settings.
    """
    stores = {declared.study: results.store(declared.study, declared.entry) for declared in DECLARED}
    runs = {study: store.runs() for study, store in stores.items()}
    table = []
    for declared in DECLARED:
        store, rows = stores[declared.study], _rows(runs[declared.study], declared)
        if rows["seed"].duplicated().any():
            raise ValueError(f"{declared.name}: expected one row per seed in {store.folder}, got {len(rows)}")
        table.append(Method(declared.name, store, rows, declared.choice, declared.command, declared.published))
    return table


def with_rows(table: list[Method]) -> list[Method]:
    """Those that were run.

    Raises:
        ValueError: fewer than two.
    """
    run = [method for method in table if len(method.rows)]
    if len(run) < 2:
        raise ValueError(f"expected rows of two or more methods, got {len(run)}")
    return run


def figure2_methods(store: Store) -> list[Method]:
    """The models and sizes of Figure 2, as it shows them."""
    return [
        Method(f"{line.name} d={dim}, {line.objective}", store, rows)
        for line in lines(completed(runs_on_test(store.runs())))
        for dim, rows in line.by_dim()
    ]
