"""The runs of python -m experiments.retrieval: one index built, asked by many users, and compared with exact search."""

import time
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from experiments.engine.checks import expect
from experiments.engine.device import check_devices
from experiments.engine.kept import Kept
from experiments.engine.memory import held_bytes
from experiments.engine.progress import Progress
from experiments.engine.work import Result, Work, seconds_of
from experiments.tasks.data import data_cells, load_test_split
from experiments.tasks.ranking import remarks_of, shares_of, values_of
from experiments.tasks.retrieval.asked import Asked, ask
from experiments.tasks.retrieval.clock import seconds_alone, seconds_at_once
from experiments.tasks.retrieval.config import IMITATIONS, OUTCOMES, K, data_of, origin_identity
from experiments.tasks.retrieval.methods import ANN, Encoded, method_of
from experiments.tasks.retrieval.source import Trained, load_trained
from experiments.tasks.retrieval.task import TASK
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.columns import METRIC_COLUMNS
from ncfjax.evaluation.ranking import Ranking, ranking_of
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarity import make_similarity
from ncfjax.retrieval import exact
from ncfjax.retrieval.recall import recall
from ncfjax.retrieval.scoring import key_bytes
from ncfjax.retrieval.top_k import Found
from ncfjax.store import run_id
from ncfjax.training.blocks import Block, MemoryEstimate

PAIRS_ASKED = 16  # queries of method=pairs, which finds what exact search finds, at a multiple of its time
_LONG_BUILD = 20.0  # seconds
_BLOCKS = 4  # of scores: with what is denied, and copies of both


_trained, _asked = Kept(32), Kept(3)  # of those asked, a catalogue of 1,000,000 items alone takes 0.8 GB


class _Built(NamedTuple):
    asked: Asked
    index: Any
    encoded: Any  # all who ask
    seconds: float
    compile_seconds: float


class RetrievalWork(Work):
    """One method on one model's catalogue."""

    one_by_one = True
    pace_share = 0.1

    def __init__(self, config: Any):
        self.config, self.method = config, method_of(config.search)
        self.data: LeaveOneOut = load_test_split(config.dataset, config.data_dir)
        self.shared = data_cells(config, self.data)  # now: its files may change while the model is searched
        self._built: tuple[int, _Built] | None = None
        model, *_ = [self._trained(seed).model for seed in config.grid.seed]  # what one lacks shows before any is run
        similarity, dim = model.similarity, model.item.shape[1]
        size, num_queries = config.num_items or len(model.item[...]), config.num_queries or len(self.data.held_out)
        self._check(model, size)
        self.memory = MemoryEstimate(0, self._bytes(model, size), held_bytes(self.data))
        self.each = float(num_queries * size * (dim + similarity.multiplications_per_pair))

    def _bytes(self, model: Recommender, num_items: int) -> int:
        """Of memory: the models of all seeds; what the last few of them are asked, a catalogue or, as bits, what those
        who ask have had; keys that exact search makes, and an index; blocks of scores."""
        similarity, num_seeds, (num_users, dim) = model.similarity, len(self.config.grid.seed), model.user.shape
        trained = num_seeds * 4 * dim * (num_users + len(model.item[...]))
        had = num_users * -(-num_items // 8) if self.config.num_items is None else 0
        asked = min(_asked.most, num_seeds) * (had or 4 * dim * num_items) + had
        indices = 2 * key_bytes(similarity, num_items, dim) + self.method.build_bytes(num_items)
        return trained + asked + indices + _BLOCKS * exact.block_bytes(num_items)

    def _check(self, model: Recommender, num_items: int) -> None:
        """What only the model and the catalogue can forbid."""
        search, similarity, num_users = self.config.search, model.similarity, len(model.user[...])
        if search.name in ANN and similarity.as_dot() is None:
            raise ValueError(f"search={search.name}: expected a model that is a dot product, got {similarity.name}")
        if (num_devices := getattr(search, "num_devices", None)) is not None:
            check_devices("search.num_devices", num_devices)
        sizes = {"rank": min(num_items, num_users), "num_anchors": num_items, "num_clusters": num_items}
        for name, most in (sizes | {"num_users": num_users}).items():
            value = getattr(search, name, None)
            expect(f"search.{name}", value is None or value <= most, f"at most {most}, as many as there are", value)
        num_asked, held_out = self.config.num_queries, len(self.data.held_out)
        expected = f"fewer than {held_out}, the users with a held-out item, or null for all"
        expect("num_queries", num_asked is None or num_asked < held_out, expected, num_asked)

    def _trained(self, seed: int) -> Trained:
        return _trained.get(self._key(seed), lambda: load_trained(self.config, self.data, seed))

    def _asked(self, seed: int) -> Asked:
        sizes = self.config.num_items, self.config.num_queries
        return _asked.get(self._key(seed, sizes), lambda: ask(self._trained(seed), self.data, *sizes, seed))

    def _key(self, seed: int, sizes: tuple[int | None, ...] = ()) -> Hashable:
        origin = origin_identity(self.config, seed)
        return run_id({"data": data_of(self.config), "origin": origin, "seed": seed, "sizes": sizes})

    def run(self, block: Block, bar: Progress) -> Iterator[tuple[Any, Result]]:
        (point,) = block.members
        label = TASK.label(self.config)
        bar.show(f"{label}, seed {point.seed}")
        built = self._index(point.seed)
        found, cells = self._measure(built, point)
        ranking = self._ranking(built, point)
        cells |= self._cells(built, point) | self._quality(built.asked, found) | _sampled(ranking)
        arrays, remarks = ({}, []) if ranking is None else (ranking.ranks._asdict(), remarks_of(cells, self.data))
        bar.advance(self.each, label)
        yield point, Result({**self.shared, **cells}, arrays=arrays, remarks=remarks)

    def _index(self, seed: int) -> _Built:
        """Of one seed, kept for its next run."""
        if self._built is None or self._built[0] != seed:
            self._built = None  # before the next one is there: both may not fit
            asked, key = self._asked(seed), jax.random.key(seed)
            started = time.perf_counter()
            index = self._build(asked, key)
            elapsed = time.perf_counter() - started
            # Nothing is compiled a second time. What takes long is not built again: its compiling is a small part.
            seconds = elapsed if elapsed > _LONG_BUILD else seconds_of(lambda: self._build(asked, key))
            encoded = self.method.encode(index, asked.queries)
            self._built = seed, _Built(asked, index, encoded, seconds, max(0.0, elapsed - seconds))
        return self._built[1]

    def _build(self, asked: Asked, key: Array) -> Any:
        index = self.method.build(asked.model, key)
        return jax.block_until_ready(index) if self.config.search.name not in ANN else index

    def _measure(self, built: _Built, point: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """What is found, and how long it takes."""
        method, index, denied = self.method, built.index, built.asked.denied
        count = PAIRS_ASKED if self.config.search.name == "pairs" else len(built.asked.users)
        encoded, denied, queries = jax.tree.map(lambda x: x[:count], (built.encoded, denied, built.asked.queries))

        def search(encoded: Any, denied: Any) -> Found:
            return method.search(index, encoded, denied, point)

        def search_new(queries: Any, denied: Any) -> Found:
            return method.search(index, method.encode(index, queries), denied, point)

        found = np.asarray(search(encoded, denied).items)  # compiles
        alone = seconds_alone(search, encoded, denied)
        new = seconds_alone(search_new, queries, denied) if isinstance(encoded, Encoded) else alone
        return found, {
            "num_asked": len(queries),
            "milliseconds_per_query": 1000 * alone,
            "milliseconds_per_new_query": 1000 * new,
            "queries_per_second": len(queries) / seconds_at_once(lambda: search(encoded, denied)),
        }

    def _cells(self, built: _Built, point: Any) -> dict[str, Any]:
        asked, method = built.asked, self.method
        counted = method.count(asked.model, built.index, built.encoded, point)
        layers = getattr(asked.model.similarity, "layers", None)
        return {
            "embedding_dim": asked.model.user.shape[1],
            "layers": None if layers is None else "-".join(map(str, layers)),
            "training": asked.trained.training,
            "trained_run": asked.trained.run_id,
            "catalogue": "data" if self.config.num_items is None else "drawn",
            "num_items": asked.num_items,
            "num_queries": len(asked.users),
            "share_scored": None if counted.num_scored is None else counted.num_scored / asked.num_items,
            "multiplications": counted.multiplications,
            "build_seconds": built.seconds,
            "compile_seconds": built.compile_seconds,
            "memory_bytes": method.num_bytes(built.index),
        }

    def _quality(self, asked: Asked, found: np.ndarray) -> dict[str, float]:
        """Of the items that are found."""
        expected = asked.expected[: len(found)]
        cells = {f"recall@{K}": float(np.nanmean(recall(found, expected)))}
        if asked.positives is None or len(found) < len(asked.users):
            return cells
        is_hit = found == asked.positives[:, None]
        ranks = np.where(is_hit.any(axis=1), is_hit.argmax(axis=1), K)
        metrics = {name: column for name, column in METRIC_COLUMNS.items() if column.protocol == "full"}
        return cells | {name: float(column.of_ranks(ranks)) for name, column in metrics.items() if name in OUTCOMES}

    def _ranking(self, built: _Built, point: Any) -> Ranking | None:
        """Of the held-out items under both protocols, by what can score any item: the model itself, and a first stage
        that is taken as it is."""
        asked, search = built.asked, self.config.search
        if asked.positives is None:
            return None
        if search.name == "exact":
            return asked.ranking
        if search.name not in IMITATIONS or point.num_candidates or search.num_clusters:
            return None
        users = self.method.encode(built.index, asked.model.user[...]).of_first
        items = built.index.imitation.keys
        dot = make_similarity("dot", items.shape[1], key=jax.random.key(0), biases=False)
        return ranking_of(Recommender.from_tables(users, items, dot), self.data)


def _sampled(ranking: Ranking | None) -> dict[str, float]:
    """Metrics among the sampled candidates, and the ties."""
    if ranking is None:
        return {}
    values = {name: value for name, value in values_of(ranking).items() if not name.startswith("full")}
    return {name: value for name, value in values.items() if name in OUTCOMES} | shares_of(ranking)
