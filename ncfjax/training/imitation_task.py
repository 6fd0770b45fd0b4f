"""What an imitator is to learn, drawn from a seed: vectors, pairs of them, and the teacher that scores the pairs.

dot            the study's: random vectors, and the noisy dot product of pairs (`data/dot_pairs.py`)
recommender    distillation: the tables of a trained recommender, and its scores of pairs of user and item
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ncfjax.data.dot_pairs import DotPairOptions, Pairs, Vectors, draw_dot_pairs, split_pairs
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot
from ncfjax.models.similarity import Similarity
from ncfjax.training.imitation import RegressionPairs


class Sizes(NamedTuple):
    """Of a task."""

    num_users: int
    num_items: int
    num_pairs: int  # to train and to test on
    num_fresh: int  # pairs of vectors that are in no other pair; 0: there are none

    @property
    def num_train(self) -> int:
        return self.num_pairs - self.num_pairs // 10


class PairTask(NamedTuple):
    """Pairs of one set of vectors to train and to test on, fresh pairs of vectors of their own, and the teacher."""

    teacher: Similarity
    vectors: Vectors
    train: Pairs
    test: Pairs
    fresh_vectors: Vectors | None = None
    fresh: Pairs | None = None

    def regression_pairs(self, pairs: Pairs) -> RegressionPairs:
        """`train` or `test`."""
        return RegressionPairs(self.teacher, *self.vectors, *pairs)

    def fresh_regression_pairs(self) -> RegressionPairs | None:
        return None if self.fresh is None else RegressionPairs(self.teacher, *self.fresh_vectors, *self.fresh)


class PairSource(NamedTuple):
    """Where the tasks of a grid come from."""

    sizes: Sizes
    draw: Callable[[int], PairTask]  # of a seed


def dot_source(options: DotPairOptions) -> PairSource:
    """The study's tasks."""
    sizes = Sizes(options.num_users, options.num_users, options.num_pairs, options.num_fresh)

    def draw(seed: int) -> PairTask:
        return PairTask(Dot(options.embedding_dim, biases=False), *draw_dot_pairs(options, seed))

    return PairSource(sizes, draw)


def recommender_source(
    num_users: int, num_items: int, pairs_per_user: int, noise: float, trained: Callable[[int], Recommender]
) -> PairSource:
    """Tasks to distil recommenders, one `trained` for each seed, which also decides the pairs.

    Pairs are distinct and uniform over all users and items, `pairs_per_user` on average.

    Raises:
        ValueError: more pairs than combinations, or too few to test on a tenth of them.
    """
    sizes = Sizes(num_users, num_items, num_users * pairs_per_user, 0)
    if not 10 <= sizes.num_pairs <= num_users * num_items:
        raise ValueError(
            f"pairs_per_user: expected 10 pairs or more and at most the {num_users * num_items:,} combinations of user "
            f"and item, got {num_users:,} * {pairs_per_user} = {sizes.num_pairs:,}"
        )

    def draw(seed: int) -> PairTask:
        model = trained(seed)
        vectors = Vectors(np.asarray(model.user[...]), np.asarray(model.item[...]))
        pairs = split_pairs(np.random.default_rng(seed), num_users, num_items, sizes.num_pairs, noise)
        return PairTask(model.similarity, vectors, *pairs)

    return PairSource(sizes, draw)
