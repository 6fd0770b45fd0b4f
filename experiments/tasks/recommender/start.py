"""What a block's training starts from: fresh models, NeuMFs joined from a GMF and an MLP each, or dot products.

GMF and MLP come from Keras files, the same for every member, or are trained here first: by Adam, for each member with
its own seed, regularization and negatives. A dot product of a member's size and seed is trained here first as the study
trains it: a residual starts as it, a distilled network has learned its scores, and a distilled NeuMF is joined of one,
as a GMF, and of such a network.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.engine.checks import ConfigError
from experiments.engine.kept import Kept
from experiments.engine.progress import Progress
from experiments.engine.training import Clock, Start, timed, timed_advance
from experiments.tasks.data import data_identity
from experiments.tasks.models import model_options
from experiments.tasks.teacher import teacher_spec
from experiments.tasks.weights import read_joined
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.models.recommender import Recommender
from ncfjax.training.blocks import Block
from ncfjax.training.loop import Spec
from ncfjax.training.program import Make, Program
from ncfjax.training.recommender import Distill, Join, JoinDistilled, Member, RecommenderProblem, StartAsDot

_from_dot = Kept(64)  # models by the dot product that they start from: the trials of a search begin with the same


def start(config: Any, data: LeaveOneOut, program: Program, block: Block, epoch_work: float, bar: Progress) -> Start:
    """Fresh models, or what is made of others, which are trained first unless they come from files.

    `epoch_work` is that of one member, for the bar, which counts no teachers.
    """
    pretraining, spec = config.pretraining, program.problem.spec
    match pretraining.name:
        case "none":
            return Start(program.init())
        case "keras":
            return Start(program.begin(joined_files(config, data)))
        case "trained":
            parts, make = branches(spec), Join(spec, pretraining.alpha)
            return _made(data, program, parts, make, _branch, pretraining, epoch_work / len(parts), bar)
    return _begin_from_dot(config, data, program, block, bar)


def _begin_from_dot(config: Any, data: LeaveOneOut, program: Program, block: Block, bar: Progress) -> Start:
    """Models made of the dot products of their seeds; those of seeds that are not kept are made at once."""
    spec, pretraining = program.problem.spec, config.pretraining
    parts, make = teachers(spec, pretraining), _made_of_dot(spec, pretraining)
    shared = str(data_identity(config)), spec.model, spec.embedding_dim, spec.options, tuple(vars(pretraining).items())
    keys = {member.seed: (*shared, member.seed) for member in block.members}
    begun = {seed: _from_dot.values[key] for seed, key in keys.items() if key in _from_dot.values}
    began = Start(None)
    if missing := [seed for seed in keys if seed not in begun]:
        members = [next(member for member in block.members if member.seed == seed) for seed in missing]
        alone = Program(program.problem, Block([[member] for member in members], 1))
        began = _made(data, alone, parts, make, _teacher, pretraining, 0.0, bar)
        for seed, model in zip(missing, alone.models(began.state), strict=True):
            begun[seed] = _from_dot.get(keys[seed], lambda model=model: model)
    return began._replace(state=program.begin_each([begun[member.seed] for member in block.members]))


def _made(
    data: LeaveOneOut,
    program: Program,
    parts: Sequence[Spec],
    make: Make,
    member_of: Callable[[Member, Any, str], Member],
    pretraining: Any,
    epoch_work: float,
    bar: Progress,
) -> Start:
    """Every member of a program as what is made of the models of `parts`, which are trained first."""
    block, models, seconds, compile_seconds = program.block, [], 0.0, 0.0
    for part in parts:
        groups = [[member_of(member, pretraining, part.model) for member in group] for group in block.groups]
        problem = RecommenderProblem(data, part, memory_bytes=program.problem.memory_bytes)
        first = Program(problem, Block(groups, block.width))
        clock = Clock(first, epoch_work * len(block.members), bar, f"pretraining {part.model} d={part.embedding_dim}")
        state, compiling = timed_advance(first, first.init(), 0)
        bar.resume()
        models.append(clock.advance(state, pretraining.num_epochs).train_states.model)  # no moments
        seconds, compile_seconds = seconds + clock.seconds, compile_seconds + compiling
    bar.show(f"{program.problem.spec.model}, making it of {' and '.join(part.model for part in parts)}")
    began = time.perf_counter()
    making = program.maker(make, *models)
    compile_seconds += time.perf_counter() - began
    made, took = timed(making)
    bar.resume()
    return Start(made, seconds + took, compile_seconds)


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


def teachers(spec: Spec, pretraining: Any) -> tuple[Spec, ...]:
    """The dot products that a residual starts as, that an MLP learns, or that a NeuMF is made of."""
    dims = [spec.embedding_dim]
    if spec.model == "neumf":
        gmf, mlp = branches(spec)
        dims = [gmf.embedding_dim - 1, mlp.embedding_dim]  # a GMF needs two factors for the two biases
    return tuple(teacher_spec(dim, pretraining) for dim in dims)


def _made_of_dot(spec: Spec, pretraining: Any) -> Make:
    if pretraining.name == "dot":
        return StartAsDot(spec)
    if spec.model == "mlp":
        return Distill(spec, pretraining.num_steps)
    return JoinDistilled(spec, branches(spec)[1], pretraining.alpha, pretraining.num_steps)


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
