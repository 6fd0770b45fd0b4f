"""What is different about the runs of python -m experiments.sweep: a recommender trained on a data set."""

from collections.abc import Hashable
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from experiments.tasks.data import data_identity
from experiments.tasks.models import model_cells
from experiments.tasks.ranking import RankedTask
from experiments.tasks.recommender import config as configs
from ncfjax.evaluation.columns import RESIDUAL_COLUMNS
from ncfjax.store import run_id

if TYPE_CHECKING:
    from experiments.tasks.recommender.work import RecommenderWork


class RecommenderTask(RankedTask):
    """A grid of recommenders."""

    name = "sweep"
    saves_models = True
    has_checkpoints = is_distributed = True
    keys, choices = configs.KEYS, configs.CHOICES
    check, identity = staticmethod(configs.check), staticmethod(configs.identity)
    algorithm = staticmethod(configs.algorithm)
    groups = ("dataset", "model", "pretraining", "objective", "optimizer", "grid")
    open_groups = ("model",)
    arguments = ("+study=synthetic",)
    always_shown = ("model", "embedding_dim")
    one_per_study = frozenset({"select_epoch"})
    outcomes = RankedTask.outcomes | {"predictive_factors", "multiplications", *RESIDUAL_COLUMNS}

    @cached_property
    def own_columns(self) -> dict[str, type | str]:
        return configs.columns()

    def cells(self, config: Any, point: Any) -> dict[str, Any]:
        return super().cells(config, point) | model_cells(config.model)

    def label(self, config: Any) -> str:
        pretrained = "" if config.pretraining.name == "none" else f", pretraining={config.pretraining.name}"
        size = f"d={config.model.embedding_dim}"
        return f"{config.dataset.name} {config.model.name} {size} {config.objective.name}{pretrained}"

    def tuning_group(self, config: Any) -> Hashable:
        return self.data_key(config), config.model.name, config.model.embedding_dim, config.pretraining.name

    def checkpoint_id(self, config: Any, point: Any) -> str:
        """No epoch depends on how many will follow it."""
        return self.id_of(SimpleNamespace(**vars(config) | {"num_epochs": 0}), point)

    def open(self, config: Any) -> "RecommenderWork":
        from experiments.tasks.recommender.work import RecommenderWork

        return RecommenderWork(config)

    def reference_ids(self, config: Any) -> set[str]:
        return {reference_id(config, name) for name in reference_names(config)}

    def chosen_epoch(self, epoch: int) -> list[str]:
        return [f"num_epochs={epoch}"]

    def shortened(self, config: Any, parts: int) -> list[str]:
        return [f"num_epochs={-(-config.num_epochs // parts)}"]

    def epoch_rule(self, config: Any) -> str:
        return "last" if config.select_epoch == "last" else "all"


def reference_names(config: Any) -> list[str]:
    """Rows that no training changes: popularity and, on synthetic data, the oracle, the best that any model can do.

    Tuning has none: its tables answer which configuration is best.
    """
    if config.phase == "tune":
        return []
    return ["popularity"] + ["oracle"] * (config.dataset.name == "synthetic")


def reference_id(config: Any, name: str) -> str:
    """The run_id of a reference on the data of a job."""
    return run_id({"data": data_identity(config), "model": name})


TASK = RecommenderTask()
