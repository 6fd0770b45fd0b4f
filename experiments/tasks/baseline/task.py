"""What is different about the runs of python -m experiments.baselines: a simple method fitted to a data set."""

from collections.abc import Hashable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from experiments.engine.checks import expect
from experiments.engine.config import AXIS, Choice
from experiments.tasks.data import DATASET_OR_USERS, check_dataset, data_identity, holds_out_users
from experiments.tasks.ranking import RankedTask
from ncfjax.baselines.methods import KEYS, METHODS
from ncfjax.evaluation.fold_out_metrics import FOLD_OUT_COLUMNS
from ncfjax.evaluation.ranking_rules import SELF_NEGATIVES, STRICT, TIES, Rules
from ncfjax.keys import COUNT, one_of

if TYPE_CHECKING:
    from experiments.tasks.baseline.work import BaselineWork

HYPERPARAMETERS = {key for method in METHODS.values() for key in method.hyperparameters}
NAMES = {key: f"{AXIS}{key}" if key in HYPERPARAMETERS else f"baseline.{key}" for key in KEYS}


class BaselineTask(RankedTask):
    """A grid of one baseline."""

    name = "baselines"
    verb = "fit"
    saves_models = True
    keys = {
        "evaluation.ties": one_of(*TIES),
        "evaluation.self_negatives": one_of(*SELF_NEGATIVES),
        "table_shards": COUNT._replace(default=1),  # devices that the rows of each table are spread over
    }
    choices = (
        DATASET_OR_USERS,
        Choice(
            "baseline.name",
            {
                name: {NAMES[key]: KEYS[key] for key in (*method.sizes, *method.hyperparameters)}
                for name, method in METHODS.items()
            },
        ),
    )
    groups = ("baseline", "dataset")
    arguments = ("baseline=popularity,item_knn,user_knn,ease,slim,ials",)
    own_columns = {
        "ties": "evaluation.ties",  # the rule of the ranking
        "self_negatives": "evaluation.self_negatives",  # its rule for a negative that is the positive
        "note": str,
        "model": "baseline.name",
        **NAMES,
    }
    always_shown = ("model",)
    # Where whole users are held out they are asked for several items: other metrics, of other rows.
    tune_by = (*RankedTask.tune_by, "ndcg@100", "recall@20", "recall@50")
    best_by = (*RankedTask.best_by, "ndcg@100")
    shown = {**RankedTask.shown, **{name: column.label for name, column in FOLD_OUT_COLUMNS.items()}}
    outcomes = RankedTask.outcomes | {*FOLD_OUT_COLUMNS}

    @cached_property
    def columns(self) -> dict[str, type | str]:
        return super().columns | dict.fromkeys(FOLD_OUT_COLUMNS, float)

    def check(self, config: Any) -> None:
        baseline, grid = config.baseline, config.grid
        check_dataset(config)
        self._check_users(config)
        if not METHODS[baseline.name].takes_weights:
            expected = f"false, as baseline={baseline.name} does not weigh interactions by their strength"
            expect("dataset.strength", not getattr(config.dataset, "strength", False), expected, True)
        is_whole = config.table_shards == 1 or baseline.name == "ials"
        expect("table_shards", is_whole, f"1, as baseline={baseline.name} has no tables", config.table_shards)
        if baseline.block_size:
            why = f"a divisor of baseline.embedding_dim={baseline.embedding_dim}"
            expect("baseline.block_size", baseline.embedding_dim % baseline.block_size == 0, why, baseline.block_size)
        if baseline.name == "slim":
            has_penalty = not (0 in grid.l1 and 0 in grid.l2)
            expect("grid.l1, grid.l2", has_penalty, "numbers that are not both 0", (grid.l1, grid.l2))
        rules = vars(config.evaluation)
        strict = f"ties: {STRICT.ties}, self_negatives: {STRICT.self_negatives}, as tune=true"
        expect("evaluation", Rules(**rules) == STRICT or not config.tune, strict, rules)

    def _check_users(self, config: Any) -> None:
        """Refuses what does not go with a data set whose users, or one whose items, are held out."""
        of_users, dataset = holds_out_users(config), f"dataset={config.dataset.name}"
        metrics = [name for name in self.tune_by if (name in FOLD_OUT_COLUMNS) == of_users]
        is_right = not config.tune or config.tune_by in metrics
        expect("tune_by", is_right, f"one of {', '.join(metrics)}, as {dataset}", config.tune_by)
        if of_users:
            methods = [name for name, method in METHODS.items() if method.folds_in]
            why = f"one of {', '.join(methods)}, as {dataset} folds users in"
            expect("baseline", config.baseline.name in methods, why, config.baseline.name)
            rules = vars(config.evaluation)
            strict = f"ties: {STRICT.ties}, self_negatives: {STRICT.self_negatives}, as {dataset}"
            expect("evaluation", Rules(**rules) == STRICT, strict, rules)

    def identity(self, config: Any, point: Any) -> dict[str, Any]:
        run = {"phase": config.phase, "data": data_identity(config), "baseline": config.baseline.name}
        # The rule that everyone has is left out, so that a later rule does not rename the runs that are stored.
        rules = {name: rule for name, rule in vars(config.evaluation).items() if rule != getattr(STRICT, name)}
        return run | given(config, point) | rules

    def label(self, config: Any) -> str:
        dim = config.baseline.embedding_dim
        return f"{config.dataset.name} {config.baseline.name}" + f" d={dim}" * (dim is not None)

    def tuning_group(self, config: Any) -> Hashable:
        return self.data_key(config), config.baseline.name, config.baseline.embedding_dim

    def open(self, config: Any) -> "BaselineWork":
        from experiments.tasks.baseline.work import BaselineWork

        return BaselineWork(config)


def given(config: Any, point: Any) -> dict[str, Any]:
    """All that the method is given beside the data, by name."""
    values = vars(config.baseline) | point._asdict()
    return {key: values[key] for key in KEYS if values[key] is not None}


TASK = BaselineTask()
