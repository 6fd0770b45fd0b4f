"""What a fitted baseline is asked, by what the data set holds out: an item of every user, or whole users."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from experiments.engine.checks import refused
from experiments.engine.memory import held_bytes
from experiments.tasks.data import content_of_dataset, data_cells, holds_out_users, load_data
from experiments.tasks.ranking import remarks_of, shares_of, values_of
from ncfjax.baselines.folded import folded_in
from ncfjax.data.content import Content
from ncfjax.data.held_out_users import HeldOutUsers, UserSplits
from ncfjax.data.interactions import Interactions, LeaveOneOut
from ncfjax.data.user_catalog import load_held_out_users
from ncfjax.evaluation.fold_out import fold_out_ranks
from ncfjax.evaluation.fold_out_metrics import fold_out_metrics
from ncfjax.evaluation.ranking import Scorer, ranking_of
from ncfjax.evaluation.ranking_rules import Rules


class Evaluated(NamedTuple):
    """A scorer, by its held-out items."""

    metrics: Mapping[str, float]
    cells: Mapping[str, Any]  # what else a row tells of them
    arrays: Mapping[str, Any]  # that give the metrics again
    remarks: Sequence[str] = ()


class LeftOutItems:
    """One item of every user is held out."""

    ranked: Interactions | None = None  # all users are

    def __init__(self, config: Any):
        self.data: LeaveOneOut = load_data(config)
        self.cells = data_cells(config, self.data)
        self.rules = Rules(**vars(config.evaluation))
        self.num_bytes = held_bytes(self.data.held_out)

    def of(self, scorer: Scorer, options: Mapping[str, Any], memory_bytes: int) -> Evaluated:
        ranking = ranking_of(scorer, self.data, self.rules, memory_bytes)
        metrics, shares = values_of(ranking, self.rules), shares_of(ranking)
        # Only the rule that takes ties beside the ranks needs them to give the metrics again.
        kept = ranking if self.rules.ties == "average" else ranking.ranks
        arrays = {**kept._asdict(), "num_others": self.data.num_others}
        return Evaluated(metrics, shares, arrays, remarks_of(metrics | shares, self.data))


class FoldedUsers:
    """Whole users are held out, and folded in."""

    def __init__(self, config: Any):
        self.data = load_users(config)
        self.ranked = self.data.fold_in
        content = content_of_dataset(config.dataset, config.data_dir).digest
        self.cells = {
            "dataset": self.data.name,
            "content": content,
            "negatives": f"all items, {config.dataset.num_held_out} users by seed={config.dataset.seed}",
            "note": self.data.note,
        }
        self.num_bytes = held_bytes(self.data.fold_in, self.data.fold_out)

    def of(self, scorer: Scorer, options: Mapping[str, Any], memory_bytes: int) -> Evaluated:
        users = self.data.fold_out.users
        ranks = fold_out_ranks(folded_in(scorer, self.ranked, options), self.data, memory_bytes)
        return Evaluated(fold_out_metrics(ranks, users), {}, {"fold_out": ranks, "fold_out_users": users})


def evaluation_of(config: Any) -> LeftOutItems | FoldedUsers:
    """Reads the data set.

    Raises:
        ConfigError: a file is not there or not as expected.
    """
    return FoldedUsers(config) if holds_out_users(config) else LeftOutItems(config)


@lru_cache(maxsize=1)
def _load_users(*, content: Content, **options: Any) -> UserSplits:
    """`content` tells files that have changed, which are read anew, from those that are kept."""
    return load_held_out_users(**options)


def load_users(config: Any) -> HeldOutUsers:
    """The data set whose users are held out, in the split that the job asks for; the last one read is kept.

    Raises:
        ConfigError: as `evaluation_of`.
    """
    dataset = config.dataset
    with refused(f"dataset={dataset.name}"):
        options = {name: getattr(dataset, name) for name in ("name", "num_held_out", "seed")}
        content = content_of_dataset(dataset, config.data_dir)
        splits = _load_users(**options, data_dir=config.data_dir, content=content)
    return splits.test if config.split == "test" else splits.validation
