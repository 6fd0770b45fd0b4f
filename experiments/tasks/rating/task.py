"""What is different about the runs of python -m experiments.ratings: ratings are predicted, and their error counted."""

from collections.abc import Hashable
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from experiments.engine.config import AXIS
from experiments.engine.task import DataName, Task
from experiments.tasks.models import model_cells
from experiments.tasks.rating import config as configs
from ncfjax.models.registry import declared_keys

if TYPE_CHECKING:
    from experiments.engine.work import Work

METRICS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "star_accuracy": "exact stars",
    "rmse_rounded": "RMSE rounded",
    "rmse_validation": "validation RMSE",
    "rmse_validation_rounded": "validation RMSE rounded",
}
_METHOD = ("features", "num_members", "optimizer", "batch_size")
_GRID = (
    "user_damping",
    "item_damping",
    "learning_rate",
    "decay",
    "regularization",
    "bias_regularization",
    "feature_regularization",
    "nu",
    "stddev",
    "seed",
)


class RatingTask(Task):
    """A grid of one method on one fold of some ratings."""

    name = "ratings"
    verb = "fit"
    saves_models = has_checkpoints = True
    keys, choices = configs.KEYS, configs.CHOICES
    check, identity = staticmethod(configs.check), staticmethod(configs.identity)
    groups = ("dataset", "folds", "method", "model")
    open_groups = ("model",)
    arguments = ("+study=first_steps",)
    tune_by = ("rmse", "mae")
    best_by, lowest_is_best = ("rmse",), True
    shown = METRICS
    always_shown = ("model",)
    one_per_study = frozenset({"select_epoch"})
    outcomes = frozenset(
        {"content", "epoch", "note", *METRICS, "num_train", "num_test"}
    )  # a note names the files of a fold
    averaged_over = {"seed": "seeds", "fold": "num_folds"}

    @cached_property
    def columns(self) -> dict[str, type | str]:
        sizes = {name: f"method.{name}" for name in _METHOD}
        axes = {name: f"{AXIS}{name}" for name in _GRID}
        return {
            "dataset": str,
            "content": str,  # of its files, or what it was drawn by
            "folds": "folds.name",
            "fold": "fold",
            "fold_count": "folds.count",
            "test_share": "folds.share",
            "fold_seed": "folds.seed",
            "split": "split",
            "leak": "leak",
            "note": str,
            "model": str,
            "embedding_dim": int,
            **{name: key.column for name, key in declared_keys().items()},
            **sizes,
            **axes,
            "num_epochs": "method.num_epochs",
            "select_epoch": "select_epoch",
            "epoch": int,  # of the metrics
            "validation_share": "validation_share",
            "num_train": int,
            "num_test": int,
            **dict.fromkeys(METRICS, float),
        }

    def cells(self, config: Any, point: Any) -> dict[str, Any]:
        cells = super().cells(config, point) | {"model": configs.model_name(config)}
        if config.method.name != "gradient":
            return cells | {"embedding_dim": config.method.embedding_dim}
        return cells | {"embedding_dim": config.model.embedding_dim} | model_cells(config.model)

    def label(self, config: Any) -> str:
        fold = f" fold {config.fold}" * (config.folds.name in ("random", "official"))
        return f"{config.dataset.name} {config.folds.name}{fold} {configs.model_name(config)}" + " leak" * config.leak

    def data_key(self, config: Any) -> str:
        return str(configs.data_identity(config))

    def data_name(self, config: Any) -> DataName | None:
        content = configs.content_of_dataset(config).digest
        where = f"dataset.path={config.dataset.path}" if config.dataset.path else f"dataset={config.dataset.name}"
        return DataName(configs.name_of_dataset(config.dataset), content, where) if content else None

    def tuning_group(self, config: Any) -> Hashable:
        dim = config.model.embedding_dim if config.method.name == "gradient" else config.method.embedding_dim
        # What a model is told of the items is not searched over: each set of features is a model of its own.
        return self.data_key(config), configs.model_name(config), dim, config.method.features, config.method.num_members

    def checkpoint_id(self, config: Any, point: Any) -> str:
        """No epoch depends on how many will follow it."""
        method = SimpleNamespace(**vars(config.method) | {"num_epochs": 0})
        return self.id_of(SimpleNamespace(**vars(config) | {"method": method}), point)

    def checkpointed_epochs(self, config: Any) -> int:
        return config.method.num_epochs if config.method.name == "gradient" else 0

    def chosen_epoch(self, epoch: int) -> list[str]:
        return [f"method.num_epochs={epoch}"] if epoch else []  # a method without epochs ends after epoch 0

    def shortened(self, config: Any, parts: int) -> list[str]:
        num_epochs = config.method.num_epochs
        return [f"method.num_epochs={-(-num_epochs // parts)}"] if num_epochs else []

    def epoch_rule(self, config: Any) -> str:
        return "last" if config.select_epoch == "last" else "all"

    def open(self, config: Any) -> "Work":
        if config.method.name == "gradient":
            from experiments.tasks.rating.gradient import GradientWork

            return GradientWork(config)
        from experiments.tasks.rating.closed_form import ClosedFormWork

        return ClosedFormWork(config)


TASK = RatingTask()
