"""What is different about the runs of python -m experiments.imitate: a network learns the scores of a teacher."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from experiments.engine.task import DataName, Task
from experiments.tasks.data import dataset_identity, described
from experiments.tasks.imitator import config as configs
from ncfjax.models.imitator_keys import study_layers

if TYPE_CHECKING:
    from experiments.tasks.imitator.work import ImitatorWork


class ImitatorTask(Task):
    """A grid of imitators."""

    name = "imitate"
    has_checkpoints = True
    keys, choices = configs.KEYS, configs.CHOICES
    check, identity = staticmethod(configs.check), staticmethod(configs.identity)
    algorithm = staticmethod(configs.algorithm)
    groups = ("target", "dataset")
    arguments = ("num_users=1000,2000", "embedding_dim=8", "num_fresh=10000")
    one_per_study = frozenset({"target"})
    columns, outcomes = configs.COLUMNS, configs.OUTCOMES
    shown = {"rmse_test": "RMSE", "rmse_dot_test": "dot RMSE", "rmse_fresh": "fresh RMSE", "hit_ratio@10": "HR@10"}
    always_shown = ("target", "embedding_dim", "layers")

    def cells(self, config: Any, point: Any) -> dict[str, Any]:
        layers = configs.layers_of(config)
        is_study = layers == study_layers(config.embedding_dim, config.width_multiplier)
        cells = super().cells(config, point) | {"layers": configs.KEYS["layers"].cell(layers)}
        return cells if is_study else cells | {"width_multiplier": None}

    def label(self, config: Any) -> str:
        """ "4000 users d=16 32-16-8"; "ml-1m d=16 32-16-8 gelu product"."""
        what = f"{config.num_users} users" if config.target == "dot" else config.dataset.name
        usual = {"activation": "relu", "schedule": "constant"}
        variant = [getattr(config, name) for name, value in usual.items() if getattr(config, name) != value]
        variant += [name for name in ("product", "bilinear") if getattr(config, name)]
        layers = "-".join(map(str, configs.layers_of(config)))
        return " ".join([f"{what} d={config.embedding_dim} {layers}", *variant])

    def data_key(self, config: Any) -> str:
        return str(dataset_identity(config.dataset, config.data_dir)) if config.target == "recommender" else ""

    def data_name(self, config: Any) -> DataName | None:
        return described(config) if config.target == "recommender" else None

    def checkpoint_id(self, config: Any, point: Any) -> str:
        """At a constant rate no epoch depends on how many will follow it."""
        if config.schedule != "constant":
            return super().checkpoint_id(config, point)
        return self.id_of(SimpleNamespace(**vars(config) | {"num_epochs": 0}), point)

    def open(self, config: Any) -> "ImitatorWork":
        from experiments.tasks.imitator.work import ImitatorWork

        return ImitatorWork(config)


TASK = ImitatorTask()
