"""What experiments.imitate imitates: the study's dot product, or a recommender fitted to a data set (distillation)."""

from dataclasses import asdict
from typing import Any

from experiments.config import ConfigError
from experiments.datasets import load_test_split
from experiments.imitate_config import ImitateConfig, pair_options
from experiments.progress import Progress
from experiments.rows import note_of
from experiments.teacher import teacher_of
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ranking import Ranks, ranks_of
from ncfjax.models.recommender import Recommender
from ncfjax.training.blocks import State
from ncfjax.training.imitation_task import PairSource, Sizes, dot_source, recommender_source
from ncfjax.training.program import Program


def _data(config: ImitateConfig) -> LeaveOneOut:
    return load_test_split(config.dataset, config.data_dir)


def source_of(config: ImitateConfig, bar: Progress | None = None) -> PairSource:
    """Where a job's tasks come from. Nothing is drawn or fitted yet; `bar` shows what is fitted then.

    Raises:
        ConfigError: a file of the data set is not as expected, or it has too few combinations of user and item.
    """
    if config.target == "dot":
        return dot_source(pair_options(config))
    data = _data(config)
    sizes = data.train.num_users, data.train.num_items
    try:
        return recommender_source(
            *sizes, config.pairs_per_user, config.noise, lambda seed: teacher_of(config, data, seed, bar).model
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error


def sizes_of(config: ImitateConfig) -> Sizes:
    """Raises ConfigError as `source_of`."""
    return source_of(config).sizes


def target_cells(config: ImitateConfig) -> dict[str, Any]:
    """The cells of a row that say what is imitated."""
    shared = {name: getattr(config, name) for name in ("target", "embedding_dim", "pairs_per_user", "noise")}
    if config.target == "dot":
        return shared | asdict(pair_options(config)) | {"drop_last_users": "true" if config.drop_last_users else ""}
    data, teacher = _data(config), asdict(config.teacher)
    return shared | {
        "dataset": data.name,
        "negatives": data.negatives,
        "note": note_of(config.dataset, data),
        "teacher": ", ".join(f"{name}={value:g}" for name, value in teacher.items()),
        "num_users": data.train.num_users,
        "num_items": data.train.num_items,
    }


def rank(config: ImitateConfig, program: Program, state: State, bar: Progress) -> list[tuple[Ranks, Ranks] | None]:
    """How each imitator of a recommender ranks the held-out items in its place, and how the recommender does."""
    if config.target == "dot":
        return [None] * len(program.members)
    data, ranked = _data(config), []
    for member, imitator in zip(program.members, program.models(state), strict=True):
        teacher = teacher_of(config, data, member.seed, bar)
        model = Recommender.from_tables(teacher.model.user[...], teacher.model.item[...], imitator)
        ranked.append((ranks_of(model, data), teacher.ranks))
    return ranked
