"""What is found of a model's ten best items, at what cost: runs of experiments.retrieval, seeds together.

A `Catalogue` is one model, at one size, over one set of items; a `Search` of it one method at one effort. Runs stand
together only where all settings are the same, the training of their models among them, so that a run of other settings
adds a line and changes none.

    recall@10       of the ten items that the model itself scores highest
    its own ranking of a first stage that is taken as it is (num_candidates = 0), less that of the model: by the one
                    pairwise rule, over users and seeds
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from experiments.analysis.lines import MODELS, settings_of
from experiments.analysis.pairwise import PairwiseTest, pairwise_tests
from experiments.analysis.runs import Runs
from ncfjax.evaluation.columns import SAMPLED, K
from ncfjax.store import Store

RECALL = f"recall@{K}"
ENOUGH = 0.95  # of recall@10, where searches are compared by their time
INNER_PRODUCTS = ("dot", "gmf", "bilinear", "cosine", "euclid")  # for a fixed user: searched as vectors are
IMITATIONS = ("svd", "cur", "distill_ranking")
RANKED = tuple(SAMPLED)  # of a first stage against its model
_MODEL = ["model", "embedding_dim", "layers", "pretrained", "training"]
_CATALOGUE = ["dataset", "negatives", "note", "catalogue", "num_items", "num_queries", "device"]
_METHOD = [
    "method", "rank", "num_rounds", "num_users", "num_anchors", "num_clusters", "longest", "construction",
    "num_devices",
]  # fmt: skip
_EFFORT = ["probes", "num_candidates"]
_FROM_KERAS = "Keras weights"


@dataclass(frozen=True, eq=False)
class Search(Runs):
    """The runs of one method at one effort."""

    catalogue: str  # the label of what is searched
    method: str  # of conf/search/
    sizes: tuple[tuple[str, int], ...]  # of the index, by column
    probes: int | None
    num_candidates: int | None

    @property
    def rank(self) -> int | None:
        """Of an imitation."""
        return dict(self.sizes).get("rank")

    @property
    def name(self) -> str:
        """The index alone: "clusters, num_clusters 30", "svd, rank 64"."""
        return ", ".join([self.method, *(f"{name} {size}" for name, size in self.sizes)])

    @property
    def effort(self) -> str:
        if self.num_candidates == 0:
            return "none re-ranked"
        counts = {"list": self.probes, "candidate": self.num_candidates}
        return ", ".join(f"{count} {what}" + "s" * (count > 1) for what, count in counts.items() if count)

    @property
    def label(self) -> str:
        return f"{self.catalogue}, {self.name}"

    def value(self, column: str) -> float:
        """The mean over seeds."""
        return float(self.rows[column].mean())

    @property
    def least_recall(self) -> float:
        """Of the seeds."""
        return float(self.rows[RECALL].min())


@dataclass(frozen=True, eq=False)
class Catalogue:
    """What is searched, and every search of it."""

    dataset: str
    model: str  # of conf/model/
    embedding_dim: int
    layers: str
    kind: str  # "" | pretrained | saved weights, read from Keras files
    training: str
    is_drawn: bool
    num_items: int
    searches: list[Search]

    @property
    def name(self) -> str:
        return f"{MODELS.get(self.model, self.model)}" + f", {self.kind}" * bool(self.kind)

    @property
    def label(self) -> str:
        return f"{self.name}, d={self.embedding_dim}"

    def of(self, *methods: str) -> list[Search]:
        """In the order of effort."""
        found = [search for search in self.searches if search.method in methods]
        return sorted(found, key=lambda search: (search.name, search.probes or 0, search.num_candidates or 0))

    @property
    def exact(self) -> Search:
        return self.of("exact")[0]

    @property
    def pairs(self) -> Search | None:
        return next(iter(self.of("pairs")), None)

    def least_effort(self, *methods: str, recall: float = ENOUGH) -> Search | None:
        """The fastest search, one query after the other, that finds enough with every seed."""
        enough = [search for search in self.of(*methods) if search.least_recall >= recall]
        return min(enough, key=lambda search: search.value("milliseconds_per_query"), default=None)

    def speed_up(self, search: Search) -> float:
        """Of one query, over exact search."""
        return self.exact.value("milliseconds_per_query") / search.value("milliseconds_per_query")

    @property
    def first_stages(self) -> list[Search]:
        """Those that were taken as they are, all items scored."""
        return [search for search in self.of(*IMITATIONS) if search.num_candidates == 0 and search.probes is None]

    @property
    def is_learned(self) -> bool:
        return self.model not in INNER_PRODUCTS


def catalogues(store: Store) -> list[Catalogue]:
    """By data set, model, size and number of items.

    Raises:
        ValueError: no completed run of search=exact, or several of one seed. A catalogue without one is left out.
    """
    runs = store.runs()
    runs = runs[runs["status"] == "completed"]
    if runs.empty:
        raise ValueError("expected completed runs, got none")
    runs = runs.assign(note=settings_of(runs["note"]))
    groups = runs.groupby([*_CATALOGUE, *_MODEL], dropna=False, sort=False)
    found = [_catalogue(store, rows) for _, rows in groups if (rows["method"] == "exact").any()]
    if not found:
        raise ValueError("expected runs of search=exact, which the others are measured against, got none")
    order = {model: place for place, model in enumerate(MODELS)}

    def key(one: Catalogue) -> tuple:
        place = order.get(one.model, len(order))
        return one.dataset, place, one.model, one.kind, one.embedding_dim, one.num_items, one.training

    return sorted(found, key=key)


def _catalogue(store: Store, rows: pd.DataFrame) -> Catalogue:
    first = rows.iloc[0]
    training = _known(first["training"]) or ""
    kind = "pretrained" * (first["pretrained"] == "true") + "saved weights" * training.startswith(_FROM_KERAS)
    known = first["dataset"], first["model"], int(first["embedding_dim"]), _known(first["layers"]) or "", kind, training
    catalogue = Catalogue(*known, first["catalogue"] == "drawn", int(first["num_items"]), [])
    for _, group in rows.groupby([*_METHOD, *_EFFORT], dropna=False, sort=False):
        catalogue.searches.append(_search(store, group, catalogue.label))
    return catalogue


def _search(store: Store, rows: pd.DataFrame, catalogue: str) -> Search:
    first = rows.iloc[0]
    sizes = tuple((name, int(first[name])) for name in _METHOD[1:] if _known(first[name]) is not None)
    effort = (None if _known(first[name]) is None else int(first[name]) for name in _EFFORT)
    search = Search(store, rows, catalogue, first["method"], sizes, *effort)
    if rows["seed"].duplicated().any():
        raise ValueError(f"{search.label}: expected one run per seed in {store.folder}, got {len(rows)}")
    return search


def _known(value: Any) -> Any:
    return None if pd.isna(value) or value == "" else value


def common_stages(found: Sequence[Catalogue]) -> list[tuple[Catalogue, Search]]:
    """First stages, taken as they are, of learned similarities over the data's own items: those that all have."""
    learned = [one for one in found if one.is_learned and not one.is_drawn]
    names = [{stage.name for stage in one.first_stages} for one in learned]
    common = set.intersection(*names) if names else set()
    return [(one, stage) for one in learned for stage in one.first_stages if stage.name in common]


def own_rankings(found: Sequence[Catalogue]) -> dict[str, list[PairwiseTest]]:
    """Column of RANKED -> `common_stages` against their models, all corrected together.

    Raises:
        ValueError, StoreError: ranks are missing, or are of other users; two models of one name.
    """
    pairs = [(stage, one.exact) for one, stage in common_stages(found)]
    labels = [stage.label for stage, _ in pairs]
    if twice := {label for label in labels if labels.count(label) > 1}:
        raise ValueError(f"expected one training of each model, got several of {', '.join(sorted(twice))}")
    return {column: pairwise_tests(pairs, column) for column in RANKED}
