"""What a block's training starts from: fresh models, or NeuMFs joined from a GMF and an MLP each.

The two come from Keras files, the same for every member, or are trained here first: by Adam, for each member with its
own seed, regularization and negatives.
"""

from pathlib import Path
from typing import Any

from experiments.engine.checks import ConfigError
from experiments.engine.progress import Progress
from experiments.engine.training import Clock, Start, timed_advance
from experiments.tasks.models import model_options
from experiments.tasks.weights import read_joined
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.models.recommender import Recommender
from ncfjax.training.blocks import Block
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem


def start(config: Any, data: LeaveOneOut, program: Program, block: Block, epoch_work: float, bar: Progress) -> Start:
    """Fresh models, or joined ones, which are trained first unless they come from files.

    `epoch_work` is that of one member of the NeuMF, for the bar.
    """
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
        branch = Program(
            RecommenderProblem(data, spec, memory_bytes=program.problem.memory_bytes), Block(members, block.width)
        )
        name = f"pretraining {spec.model} d={spec.embedding_dim}"
        clock = Clock(branch, epoch_work * len(block.members) / 2, bar, name)
        state, compiling = timed_advance(branch, branch.init(), 0)
        bar.resume()
        models.append(clock.advance(state, pretraining.num_epochs).train_states.model)  # no moments
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
        spec._replace(model="mlp", embedding_dim=dim, options=(("layers", options["layers"]), *weights)),
    )


def joined_files(config: Any, data: LeaveOneOut) -> Recommender:
    """The NeuMF of the weights in pretraining.gmf and pretraining.mlp.

    Raises:
        ConfigError: a file is missing, damaged, of another data set, or of other layers than model.layers.
    """
    files, options = (Path(config.pretraining.gmf), Path(config.pretraining.mlp)), model_options(config.model)
    where = f"pretraining.gmf={files[0]}, pretraining.mlp={files[1]}"
    try:
        sizes = data.train.num_users, data.train.num_items
        model = read_joined(*files, *sizes, config.pretraining.alpha, options["regularize_weights"])
    except (ValueError, OSError, ImportError) as error:
        raise ConfigError(f"{where}: {error}") from error
    got = model.similarity.num_factors, model.similarity.layers
    expected = config.model.embedding_dim - options["layers"][0] // 2, options["layers"]
    if got != expected:
        raise ConfigError(
            f"pretraining: expected {expected[0]} factors of GMF and layers {list(expected[1])}, as "
            f"model.embedding_dim and model.layers say, got {got[0]} and {list(got[1])} of {where}"
        )
    return model
