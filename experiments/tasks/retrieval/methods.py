"""The searches that runs compare, each by name: how its index is built, how it is asked, what a query costs.

All of them stand on ncfjax/retrieval; here they get one shape:

    build(model, key)                     an index of a catalogue, a pytree or faiss's own
    encode(index, queries)                what is known of users beforehand: vectors, or queries of a first stage
    search(index, encoded, denied, point) -> Found
    count(model, index, encoded, point)   -> Counted
"""

from abc import ABC, abstractmethod
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from experiments.tasks.retrieval.config import IMITATIONS, K
from ncfjax.cost import Cost, cost, work
from ncfjax.models.recommender import Recommender
from ncfjax.retrieval import ann, clusters, distillation, exact, imitations, pairs, spread, two_stage
from ncfjax.retrieval.top_k import Found

ANN = ("ivf", "hnsw")


class Counted(NamedTuple):
    """Of a query, the mean over those that are asked; None where it is not known."""

    num_scored: float | None  # items, and means of lists, that the model scores
    multiplications: float | None  # of a user who is known, counted in the program that runs (ncfjax/cost)


class Method(ABC):
    """One search; `options` are the keys of conf/search/NAME.yaml."""

    def __init__(self, options: SimpleNamespace):
        self.options = options

    @abstractmethod
    def build(self, model: Recommender, key: Array) -> Any:
        """An index of the model's items."""

    def encode(self, index: Any, queries: Float[Array, "queries dim"]) -> Any:
        """What is known of users before they ask."""
        return queries

    @abstractmethod
    def search(self, index: Any, encoded: Any, denied: Any, point: Any) -> Found:
        """The K best items that it finds."""

    @abstractmethod
    def count(self, model: Recommender, index: Any, encoded: Any, point: Any) -> Counted:
        """What a query takes."""

    def build_bytes(self, num_items: int) -> int:
        """Of memory to build it, beside keys of all items and some blocks of scores."""
        return 0

    def num_bytes(self, index: Any) -> int:
        """Of its arrays, one that it holds twice counted once."""
        return sum({id(leaf): leaf.nbytes for leaf in jax.tree.leaves(index)}.values())

    def traced(self, index: Any, encoded: Any, point: Any) -> float:
        """Multiplications of one query."""
        one = jax.eval_shape(lambda encoded: jax.tree.map(lambda x: x[:1], encoded), encoded)
        return float(work(lambda index, one: self.search(index, one, None, point), index, one).multiplications)


class _Scored(Method):
    """All items are scored, as a module of ncfjax/retrieval does it."""

    module: Any

    def build(self, model, key):
        return self.module.build(model.item[...], model.similarity)

    def search(self, index, encoded, denied, point):
        return self.module.search(index, encoded, K, denied)

    def count(self, model, index, encoded, point):
        return Counted(float(len(model.item[...])), self.traced(index, encoded, point))


class _Exact(_Scored):
    """With `num_devices` each of these has its part of the catalogue."""

    @property
    def module(self) -> Any:
        return exact if self.options.num_devices is None else spread

    def build(self, model, key):
        if self.options.num_devices is None:
            return super().build(model, key)
        return spread.build(model.item[...], model.similarity, self.options.num_devices)


class _Pairs(_Scored):
    module = pairs


class _Clusters(Method):
    def build(self, model, key):
        options = self.options
        return clusters.build(model.item[...], options.num_clusters, key, model.similarity, options.longest)

    def search(self, index, encoded, denied, point):
        return clusters.search(index, encoded, K, denied, probes=point.probes)

    def count(self, model, index, encoded, point):
        return _of_scores(model, float(np.mean(clusters.num_scored(index, encoded, probes=point.probes))))


class _Ann(Method):
    def build(self, model, key):
        items, similarity, options = model.item[...], model.similarity, self.options
        if options.name == "ivf":
            seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
            return ann.build_ivf(items, options.num_clusters, similarity, seed=seed)
        return ann.build_hnsw(items, similarity, construction=options.construction)

    def search(self, index, encoded, denied, point):
        return ann.search(index, encoded, K, denied, effort=self._effort(point))

    def count(self, model, index, encoded, point):
        num_scored = ann.num_scored(index, encoded, effort=self._effort(point))
        return Counted(num_scored, None if num_scored is None else num_scored * index.faiss_index.d)

    def num_bytes(self, index):
        return ann.num_bytes(index)

    def _effort(self, point: Any) -> int:
        return point.probes if self.options.name == "ivf" else point.num_candidates


class Encoded(NamedTuple):
    """A user before a search in two stages."""

    queries: Float[Array, "queries dim"]
    of_first: Float[Array, "queries rank"]


class _TwoStage(Method):
    """`num_candidates` = 0: what the first stage finds is taken as it is."""

    def build(self, model, key):
        options, (imitation_key, lists_key) = self.options, jax.random.split(key)
        lists = {"num_clusters": options.num_clusters, "longest": options.longest, "key": lists_key}
        return two_stage.build(model.item[...], model.similarity, self._imitate(model, imitation_key), **lists)

    def build_bytes(self, num_items):
        keys = 3 * 4 * num_items * self.options.rank
        return keys + (distillation.round_bytes(num_items) if self.options.name == "distill_ranking" else 0)

    def _imitate(self, model: Recommender, key: Array) -> imitations.Imitation:
        options = self.options
        if options.name == "cur":
            anchors = {"num_anchor_users": options.num_users, "num_anchors": options.num_anchors}
            return imitations.cur(model, key, rank=options.rank, **anchors)
        users = _drawn_users(model, options.num_users, key)
        if options.name == "distill_ranking":
            return distillation.distill_ranking(model, options.rank, key, users=users, num_rounds=options.num_rounds)
        return imitations.svd(model, options.rank, key, users=users, num_anchors=options.num_anchors)

    def encode(self, index, queries):
        return Encoded(queries, two_stage.encode(index, queries))

    def search(self, index, encoded, denied, point):
        if point.num_candidates:
            how = {"num_candidates": point.num_candidates, "probes": point.probes}
            return two_stage.search(index, encoded.queries, K, denied, encoded=encoded.of_first, **how)
        return two_stage.search_first(index, encoded.of_first, K, denied, probes=point.probes)

    def count(self, model, index, encoded, point):
        num_scored = float(min(point.num_candidates, len(index.items)))
        if isinstance(index.first, exact.Exact):
            return Counted(num_scored, self.traced(index, encoded, point))
        return Counted(num_scored, None)  # how many products the first stage computes differs between queries


_CLASSES = {"exact": _Exact, "pairs": _Pairs, "clusters": _Clusters}
_CLASSES |= dict.fromkeys(ANN, _Ann) | dict.fromkeys(IMITATIONS, _TwoStage)


def method_of(options: SimpleNamespace) -> Method:
    """The method that a configuration names."""
    return _CLASSES[options.name](options)


def _drawn_users(model: Recommender, num_users: int | None, key: Array) -> Int[Array, " n"] | None:
    """So many users, or all of them."""
    count = len(model.user[...])
    if num_users is None:
        return None
    return jax.random.choice(jax.random.fold_in(key, 2), count, (num_users,), replace=False)


def _of_scores(model: Recommender, num_scored: float) -> Counted:
    """A query that scores so many items, with what is linear in an item computed beforehand."""
    one, two = (_cost(model, n).per_query.multiplications for n in (1, 2))
    return Counted(num_scored, one + (two - one) * (num_scored - 1))


def _cost(model: Recommender, num_items: int) -> Cost:
    return cost(jax.eval_shape(lambda similarity: similarity, model.similarity), model.user.shape[1], num_items)
