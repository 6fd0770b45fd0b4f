"""What a block's training starts from: fresh models, or NeuMFs joined from a GMF and an MLP each.

The two come from Keras files, the same for every member, or are trained here first: by Adam, for each member with its
own seed, regularization and negatives.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from experiments.config import ConfigError, SweepConfig
from experiments.progress import Progress
from experiments.training import Clock, epoch_work, timed_advance
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.models.keras import read_keras
from ncfjax.models.pretraining import join
from ncfjax.models.recommender import Recommender
from ncfjax.training.blocks import Block, State
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem


class Start(NamedTuple):
    """The state before the first epoch, and the seconds that pretraining took."""

    state: State
    seconds: float = 0.0
    compile_seconds: float = 0.0


def is_pretrained(config: SweepConfig) -> bool:
    """Whether every member trains a GMF and an MLP first."""
    return config.pretraining.name == "trained"


def start(config: SweepConfig, data: LeaveOneOut, program: Program, block: Block, bar: Progress) -> Start:
    """Fresh models, or joined ones, which are trained first unless they come from files."""
    pretraining = config.pretraining
    if pretraining.name == "none":
        return Start(program.init())
    if pretraining.name == "keras":
        return Start(program.begin(joined_files(config, data)))
    models, seconds, compile_seconds = [], 0.0, 0.0
    for spec in branches(program.problem.spec):
        # Seeds that no member has, and two of them: NCF draws and trains the two independently.
        rate = pretraining.learning_rate
        members = [[_pretrained(member, spec.model, rate) for member in group] for group in block.groups]
        branch = Program(RecommenderProblem(data, spec), Block(members, block.width))
        clock = Clock(epoch_work(branch))
        name = f"pretraining {spec.model} d={spec.embedding_dim}"
        state, compiling = timed_advance(branch, branch.init(), 0)
        bar.resume()
        models.append(clock.advance(branch, state, pretraining.num_epochs, bar, name).train_states.model)  # no moments
        seconds, compile_seconds = seconds + clock.seconds, compile_seconds + compiling
    return Start(program.begin_joined(*models, pretraining.alpha), seconds, compile_seconds)


def _pretrained(member: Member, model: str, learning_rate: float) -> Member:
    seed = 2**32 - 1 - member.seed if model == "gmf" else 2**31 + member.seed
    return member._replace(learning_rate=learning_rate, seed=seed)


def branches(spec: Spec) -> tuple[Spec, Spec]:
    """GMF and MLP as NeuMF holds them, trained by Adam."""
    options, spec = dict(spec.options), spec._replace(optimizer="adam")
    dim = options["layers"][0] // 2
    weights = (("regularize_weights", options["regularize_weights"]),)
    return (
        spec._replace(model="gmf", embedding_dim=spec.embedding_dim - dim, options=weights),
        spec._replace(model="mlp", embedding_dim=dim),
    )


def check_files(config: SweepConfig, data: LeaveOneOut) -> None:
    """Reads the files of pretraining=keras, so that what is wrong with them shows before anything is trained.

    Raises:
        ConfigError: see `joined_files`.
    """
    if config.pretraining.name == "keras":
        joined_files(config, data)


def joined_files(config: SweepConfig, data: LeaveOneOut) -> Recommender:
    """The NeuMF of the weights in pretraining.gmf and pretraining.mlp.

    Raises:
        ConfigError: a file is missing, damaged, of another data set, or of other layers than model.layers.
    """
    files, layers = (Path(config.pretraining.gmf), Path(config.pretraining.mlp)), tuple(config.model.layers)
    where = f"pretraining.gmf={files[0]}, pretraining.mlp={files[1]}"
    try:
        model = _read_joined(*files, data.train.num_users, data.train.num_items, config.pretraining.alpha,
                             config.model.regularize_weights)  # fmt: skip
    except (ValueError, OSError, ImportError) as error:
        raise ConfigError(f"{where}: {error}") from error
    got = model.similarity.num_factors, model.similarity.layers
    expected = config.model.embedding_dim - layers[0] // 2, layers
    if got != expected:
        raise ConfigError(
            f"pretraining: expected {expected[0]} factors of GMF and layers {list(expected[1])}, as "
            f"model.embedding_dim and model.layers say, got {got[0]} and {list(got[1])} of {where}"
        )
    return model


@lru_cache(maxsize=1)
def _read_joined(
    gmf: Path, mlp: Path, num_users: int, num_items: int, alpha: float, regularize_weights: bool
) -> Recommender:
    read = (read_keras(path, num_users=num_users, num_items=num_items) for path in (gmf, mlp))
    return join(*read, alpha, regularize_weights=regularize_weights)
