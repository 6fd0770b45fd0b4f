"""What a block's training starts from: fresh models, NeuMFs joined from a GMF and an MLP each, or distilled networks.

GMF and MLP come from Keras files, the same for every member, or are trained here first: by Adam, for each member with
its own seed, regularization and negatives. A distilled network has learned the scores of a dot product of its size and
seed, which is trained here first as the study trains it; a distilled NeuMF is joined of such a dot product, as a GMF,
and of such a network.
"""

from pathlib import Path
from typing import Any

from experiments.engine.checks import ConfigError
from experiments.engine.progress import Progress
from experiments.engine.training import Clock, Start, timed, timed_advance
from experiments.tasks.models import model_options
from experiments.tasks.weights import read_joined
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.models.recommender import Recommender
from ncfjax.training.blocks import Block
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Distill, Join, JoinDistilled, Member, RecommenderProblem


def start(config: Any, data: LeaveOneOut, program: Program, block: Block, epoch_work: float, bar: Progress) -> Start:
    """Fresh models, or what is made of others, which are trained first unless they come from files.

    `epoch_work` is that of one member, for the bar.
    """
    pretraining, spec = config.pretraining, program.problem.spec
    match pretraining.name:
        case "none":
            return Start(program.init())
        case "keras":
            return Start(program.begin(joined_files(config, data)))
        case "distilled":
            parts, make = _distilled(spec, pretraining)
        case "trained":
            parts, make = [(branch, _branch) for branch in branches(spec)], Join(spec, pretraining.alpha)
    models, seconds, compile_seconds = [], 0.0, 0.0
    for part, member_of in parts:
        groups = [[member_of(member, pretraining, part.model) for member in group] for group in block.groups]
        problem = RecommenderProblem(data, part, memory_bytes=program.problem.memory_bytes)
        first = Program(problem, Block(groups, block.width))
        name = f"pretraining {part.model} d={part.embedding_dim}"
        clock = Clock(first, epoch_work * len(block.members) / len(parts), bar, name)
        state, compiling = timed_advance(first, first.init(), 0)
        bar.resume()
        models.append(clock.advance(state, pretraining.num_epochs).train_states.model)  # no moments
        seconds, compile_seconds = seconds + clock.seconds, compile_seconds + compiling
    bar.show(f"{spec.model} d={spec.embedding_dim}, making it of {' and '.join(part.model for part, _ in parts)}")
    made, making = timed(lambda: program.begin_made(make, *models))
    return Start(made, seconds + making, compile_seconds)


def _branch(member: Member, pretraining: Any, model: str) -> Member:
    """Seeds that no member has, and two of them: NCF draws and trains the two independently."""
    seed = 2**32 - 1 - member.seed if model == "gmf" else 2**31 + member.seed
    return Member(pretraining.learning_rate, member.regularization, member.stddev, member.negative_weight, seed)


def _teacher(member: Member, pretraining: Any, model: str) -> Member:
    return Member(
        pretraining.learning_rate,
        pretraining.regularization,
        pretraining.stddev,
        pretraining.negative_weight,
        member.seed,
        pretraining.decay,
    )


def _distilled(spec: Spec, pretraining: Any) -> tuple[list, Distill | JoinDistilled]:
    """The teachers of an MLP, or of the two parts of a NeuMF, and what makes it of them."""
    if spec.model == "mlp":
        return [(teacher_spec(spec.embedding_dim, pretraining), _teacher)], Distill(spec, pretraining.num_steps)
    gmf, mlp = branches(spec)
    dims = gmf.embedding_dim - 1, mlp.embedding_dim  # a GMF needs two factors for the two biases
    parts = [(teacher_spec(dim, pretraining), _teacher) for dim in dims]
    return parts, JoinDistilled(spec, mlp, pretraining.alpha, pretraining.num_steps)


def teacher_spec(embedding_dim: int, pretraining: Any) -> Spec:
    """The dot product that a network of this size learns."""
    sizes = pretraining.batch_size, pretraining.num_negatives
    return Spec(embedding_dim, "expected", *sizes, "dot", (("biases", True),), "sgd")


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
