"""What is different about the runs of python -m experiments.baselines: a simple method fitted to a data set."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from experiments.engine.checks import expect
from experiments.engine.config import AXIS, Choice
from experiments.tasks.data import DATASET, check_dataset, data_identity
from experiments.tasks.ranking import RankedTask
from ncfjax.baselines.methods import KEYS, METHODS
from ncfjax.evaluation.ranking_rules import SELF_NEGATIVES, STRICT, TIES, Rules
from ncfjax.keys import one_of

if TYPE_CHECKING:
    from experiments.tasks.baseline.work import BaselineWork

HYPERPARAMETERS = {key for method in METHODS.values() for key in method.hyperparameters}
NAMES = {key: f"{AXIS}{key}" if key in HYPERPARAMETERS else f"baseline.{key}" for key in KEYS}


class BaselineTask(RankedTask):
    """A grid of one baseline."""

    name = "baselines"
    verb = "fit"
    saves_models = True
    keys = {"evaluation.ties": one_of(*TIES), "evaluation.self_negatives": one_of(*SELF_NEGATIVES)}
    choices = (
        DATASET,
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

    def check(self, config: Any) -> None:
        baseline, grid = config.baseline, config.grid
        check_dataset(config)
        if not METHODS[baseline.name].takes_weights:
            expected = f"false, as baseline={baseline.name} does not weigh interactions by their strength"
            expect("dataset.strength", not getattr(config.dataset, "strength", False), expected, True)
        if baseline.block_size:
            why = f"a divisor of baseline.embedding_dim={baseline.embedding_dim}"
            expect("baseline.block_size", baseline.embedding_dim % baseline.block_size == 0, why, baseline.block_size)
        if baseline.name == "slim":
            has_penalty = not (0 in grid.l1 and 0 in grid.l2)
            expect("grid.l1, grid.l2", has_penalty, "numbers that are not both 0", (grid.l1, grid.l2))
        rules = vars(config.evaluation)
        strict = f"ties: {STRICT.ties}, self_negatives: {STRICT.self_negatives}, as tune=true"
        expect("evaluation", Rules(**rules) == STRICT or not config.tune, strict, rules)

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
