"""What experiments.imitate imitates: the study's dot product, or a recommender fitted to a data set (distillation)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.engine.device import memory_limit
from experiments.engine.memory import held_bytes
from experiments.engine.progress import Progress
from experiments.tasks.data import data_cells, load_test_split
from experiments.tasks.imitator.config import COLUMNS, pair_options
from experiments.tasks.imitator.teacher import Teacher, teacher_memory, teacher_of
from experiments.tasks.ranking import remarks_of, shares_of, values_of
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import ranking_of
from ncfjax.models.imitator import Imitator
from ncfjax.models.recommender import Recommender
from ncfjax.training.blocks import MemoryEstimate
from ncfjax.training.imitation_task import dot_source, recommender_source
from ncfjax.training.recommender import ranking_bytes


class Ranked(NamedTuple):
    """How an imitator ranks; among the cells and ranks (dot_) those of the recommender in whose place it does."""

    cells: dict[str, float] = {}
    ranks: dict[str, np.ndarray] = {}
    remarks: Sequence[str] = ()


class DotTarget:
    """The study's: random vectors and their noisy dot product. It ranks nothing."""

    not_counted, cells = "", {}

    def __init__(self, config: Any):
        self.source = dot_source(pair_options(config))

    def rank(self, imitator: Imitator, seed: int) -> Ranked:
        return Ranked()

    def ranking_bytes(self, layers: Sequence[int]) -> int:
        return 0

    def with_teachers(self, memory: MemoryEstimate) -> MemoryEstimate:
        return memory


class RecommenderTarget:
    """Distillation: a dot model that is fitted to the data set first, with its own tables as vectors.

    Raises:
        ValueError: too few combinations of user and item for the pairs.
    """

    not_counted = "the fits of the teachers and the rankings"
    bar: Progress  # of the block that is trained, and waits for its teachers

    def __init__(self, config: Any, data: LeaveOneOut):
        self.config, self.data, train = config, data, data.train
        self.source = recommender_source(
            train.num_users, train.num_items, config.pairs_per_user, config.noise, lambda seed: self.teacher(seed).model
        )
        settings = ", ".join(f"{name}={value:g}" for name, value in vars(config.teacher).items())
        sizes = {"num_users": train.num_users, "num_items": train.num_items}
        self.cells = data_cells(config, data) | sizes | {"teacher": settings}

    def teacher(self, seed: int) -> Teacher:
        """Fitted when it is first asked for."""
        return teacher_of(self.config, self.data, seed, self.bar)

    def ranking_bytes(self, layers: Sequence[int]) -> int:
        """Of memory to rank in the place of a teacher."""
        return ranking_bytes(self.data, sum(layers))

    def with_teachers(self, memory: MemoryEstimate) -> MemoryEstimate:
        """The memory of imitators, and of the teachers: each is fitted, and kept, before the pairs are drawn."""
        teacher, held = teacher_memory(self.config, self.data), held_bytes(self.data)
        tables = 4 * self.config.embedding_dim * (self.data.train.num_users + self.data.train.num_items)
        # What its program reads stays, and is there once more for the rankings; so do the teachers of other seeds.
        others = tables * (len(self.config.grid.seed) - 1)
        host = held + others + 2 * teacher.fixed + max(memory.host, teacher.each - tables)
        return MemoryEstimate(memory.fixed, memory.each + tables, host)

    def rank(self, imitator: Imitator, seed: int) -> Ranked:
        """How an imitator ranks the held-out items in the place of its teacher, and how that does."""
        teacher = self.teacher(seed)
        student = Recommender.from_tables(teacher.model.user[...], teacher.model.item[...], imitator)
        rankings = {
            "": ranking_of(student, self.data, memory_bytes=memory_limit(self.config.memory_gb)),
            "dot_": teacher.ranking,
        }
        values = {who + name: value for who, r in rankings.items() for name, value in values_of(r).items()}
        arrays = {who + name: users for who, r in rankings.items() for name, users in r.ranks._asdict().items()}
        cells = {name: value for name, value in values.items() if name in COLUMNS} | shares_of(rankings[""])
        return Ranked(cells, arrays, remarks_of(cells, self.data))


def target_of(config: Any) -> DotTarget | RecommenderTarget:
    """Raises ConfigError for files that are not as expected, ValueError for sizes that cannot be."""
    if config.target == "dot":
        return DotTarget(config)
    return RecommenderTarget(config, load_test_split(config.dataset, config.data_dir))
