"""The methods of the study's headline table, and which stored rows stand for each.

Every row is at a setting that was published for MovieLens-1M or chosen on the holdout; test scores choose nothing.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from experiments.lines import is_pretrained
from experiments.methods import Method
from ncfjax.store import Store, run_types_of


class Published(NamedTuple):
    hit_ratio: float  # at 10
    ndcg: float
    digits: int
    source: str


class Contender(NamedTuple):
    """One row of the headline table."""

    name: str
    study: str  # the folder under results_dir
    where: dict[str, str | int]  # column -> value: its rows, of completed runs on the test split
    setting: str  # how its hyperparameters came to be
    command: str
    published: Published | None = None
    is_pretrained: bool = False


class Standing(NamedTuple):
    """A contender and its rows; there are none where its study has not been run."""

    contender: Contender
    rows: pd.DataFrame
    store: Store

    @property
    def method(self) -> Method:
        return Method(self.contender.name, self.store, tuple(self.rows["run_id"]))


_STUDY, _DACREMA = "Rendle et al. 2020", "Dacrema et al. 2021"
_CHOSEN, _PUBLISHED = "chosen on the holdout", "published"
_TUNED = {"phase": "final"}
_NCF = {"phase": "final", "select_epoch": "holdout"}


def _baseline(name: str, where: dict, setting: str, study: str, published: Published | None = None) -> Contender:
    strict = {"ties": "against", "self_negatives": "masked"}
    command = f"python -m experiments.baselines +study={study}"
    return Contender(name, "baselines-ml-1m", where | strict, setting, command, published)


def _mf(dim: int, study: str, hit_ratio: float, ndcg: float) -> Contender:
    where = {"model": "dot", "objective": "expected", "embedding_dim": dim, "phase": "run"}
    command, published = f"python -m experiments.sweep +study={study}", Published(hit_ratio, ndcg, 4, _STUDY)
    return Contender(f"MF d={dim}", "figure2-ml-1m", where, _PUBLISHED, command, published)


def _ncf(name: str, where: dict, study: str, published: Published | None) -> Contender:
    command = f"python -m experiments.sweep +study={study}"
    return Contender(name, "ncf-reference-ml-1m", where | _NCF, "epoch chosen on the holdout", command, published)


CONTENDERS = (
    _baseline("popularity", {"model": "popularity"}, "none", "baselines_ml-1m",
              Published(0.4535, 0.2543, 4, f"{_STUDY}, ties by order")),
    _baseline("ItemKNN", {"model": "item_knn"} | _TUNED, _CHOSEN, "baselines_ml-1m_item_knn",
              Published(0.6694, 0.3979, 4, _DACREMA)),
    _baseline("SLIM", {"model": "slim"} | _TUNED, _CHOSEN, "baselines_ml-1m_slim",
              Published(0.7162, 0.4468, 4, f"{_STUDY}; {_DACREMA}")),
    _baseline("EASE", {"model": "ease"} | _TUNED, f"{_CHOSEN}, as published", "baselines_ml-1m_ease",
              Published(0.7192, 0.4494, 4, _DACREMA)),
    _baseline("iALS d=64", {"model": "ials", "phase": "run", "embedding_dim": 64, "block_size": 64}, _PUBLISHED,
              "baselines_ml-1m_ials", Published(0.722, 0.445, 3, "Rendle et al. 2022")),
    _baseline("iALS d=192", {"model": "ials", "phase": "run", "embedding_dim": 192, "block_size": 192}, _PUBLISHED,
              "baselines_ml-1m_ials"),
    _mf(32, "figure2_ml-1m", 0.7135, 0.4365),
    _mf(192, "figure2_ml-1m_large", 0.7294, 0.4523),
    Contender("GMF d=32", "equal-budget-ml-1m",
              {"model": "gmf", "embedding_dim": 32, "regularize_weights": "true"} | _TUNED, _CHOSEN,
              "python -m experiments.sweep +study=equal_budget_ml-1m"),
    _ncf("MLP d=32", {"model": "mlp", "embedding_dim": 32}, "ncf_reference_ml-1m", None),
    _ncf("NeuMF d=40", {"model": "neumf"}, "ncf_reference_ml-1m",
         Published(0.7093, 0.4349, 4, f"{_DACREMA}, f=64")),
    _ncf("NeuMF d=40, pretrained", {"model": "neumf"}, "ncf_reference_ml-1m_pretrained",
         Published(0.730, 0.447, 3, "He et al. 2017, f=64, epoch chosen on test"))._replace(is_pretrained=True),
)  # fmt: skip


def rows_of(runs: pd.DataFrame, contender: Contender) -> pd.DataFrame:
    """Its completed runs on the test split, each seed once; a final run of a tuning may repeat another."""
    rows = runs[(runs["split"] == "test") & (runs["status"] == "completed")]
    for column, value in contender.where.items():
        rows = rows[(rows[column] == value).fillna(False)]
    if "pretraining" in rows:
        rows = rows[is_pretrained(rows) == contender.is_pretrained]
    return rows.sort_values("seed", kind="stable")


def standings(results: Path) -> list[Standing]:
    """Every contender with the rows that there are.

    Raises:
        StoreError: a table that cannot be read.
        ValueError: rows of several settings.
    """
    stores = {name: Store(results / name, run_types_of(results / name)) for name in {of.study for of in CONTENDERS}}
    tables = {name: store.runs() for name, store in stores.items()}
    found = []
    for of in CONTENDERS:
        rows = rows_of(tables[of.study], of) if len(tables[of.study]) else tables[of.study]
        if len(rows) and rows["seed"].duplicated().any():
            raise ValueError(f"{of.name}: expected one row per seed in {stores[of.study].folder}, got {len(rows)}")
        found.append(Standing(of, rows, stores[of.study]))
    return found
