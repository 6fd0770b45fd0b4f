"""python -m benchmarks.similarities [DATA_DIR]: the speed table of the learned similarities on MovieLens-1M.

Every figure is a median over repeats. What is compared takes turns, so that a drift of the machine hits both. It needs
a machine with nothing else to do, and about three minutes on two cores. A bar is the number that the project promises
itself.

An epoch of ours is what a run does, drawing negatives and shuffling included; PyTorch finds both done and only trains.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch

from benchmarks.peers import ADAM_FORMS, LAYERS, LEARNING_RATE, NUM_FACTORS, Examples, NeuMF, TorchProcess
from benchmarks.turns import Line, against, duration, in_turns, seconds, show
from experiments.engine import device
from ncfjax.data.catalog import load
from ncfjax.data.interactions import Interactions, LeaveOneOut
from ncfjax.evaluation.ranking import USERS_PER_BLOCK
from ncfjax.models.recommender import Recommender
from ncfjax.training.blocks import Block, cut_into_groups
from ncfjax.training.loop import Hyperparameters, Spec, epoch_key, init_train_state
from ncfjax.training.objectives import sampled_gradient
from ncfjax.training.program import Program
from ncfjax.training.recommender import CPU_COMPILER_OPTIONS, Member, RecommenderProblem
from ncfjax.training.sampling import TrainingData, feistel_permutation, make_training_data, sample_unobserved

# As conf/study/ncf_reference_ml-1m.yaml has NeuMF, and as peers.py has it.
EXAMPLES_PER_POSITIVE = 1 + 4
WEIGHTS = ("regularize_weights", True)
NEUMF_OPTIONS = (("layers", LAYERS), WEIGHTS)
NEUMF = Spec(
    NUM_FACTORS + LAYERS[0] // 2, "sampled", 256, 4, "neumf", NEUMF_OPTIONS, "adam", reject_positives=True,
    shuffle_examples=True,
)  # fmt: skip
NCF = Member(LEARNING_RATE, regularization=0.0, stddev=0.01, negative_weight=1.0, seed=0)

# As conf/study/equal_budget_ml-1m.yaml and its _neumf have them.
EQUAL_BUDGET = [
    Spec(embedding_dim, "sampled", 512, 4, model, options, "lazy_adam")
    for model, embedding_dim, options in (
        ("dot", 16, (("biases", True),)),
        ("gmf", 16, (WEIGHTS,)),
        ("mlp", 16, (("layers", (32, 16, 8)), WEIGHTS)),
        ("neumf", 24, (("layers", (32, 16, 8)), WEIGHTS)),
    )
]
TUNED = Member(learning_rate=0.001, regularization=0.001, stddev=0.1, negative_weight=1.0, seed=0)

TORCH_EXAMPLES = 102_400
TORCH_THREADS = sorted({1, 2, torch.get_num_threads()})
TENTH = 10  # dense Adam is slow: optimisers are compared on a tenth of the positives
NAIVE_USERS_AT_ONCE = (1, 8, USERS_PER_BLOCK)


class Epoch:
    """One epoch of a run's members each time it is called; its program is compiled."""

    def __init__(self, data: LeaveOneOut, spec: Spec, members: list[Member]):
        problem = RecommenderProblem(data, spec)
        groups = cut_into_groups(members, problem.memory, device.memory_limit(None), problem.cpu_width)
        self.program = Program(problem, Block(groups, max(map(len, groups))))
        self.state = self.program.advance(self.program.init(), 0)

    def __call__(self):
        self.state = self.program.advance(self.state, 1)
        return self.state.train_states


def torch_examples(data: LeaveOneOut) -> Examples:
    """Positives of `data` and uniform negatives in random order, as an epoch mixes them."""
    train, rng = data.train, np.random.default_rng(0)
    rows = rng.integers(0, len(train), TORCH_EXAMPLES)
    is_positive = rng.random(TORCH_EXAMPLES) < 1 / EXAMPLES_PER_POSITIVE
    items = np.where(is_positive, train.items[rows], rng.integers(0, train.num_items, TORCH_EXAMPLES))
    return Examples(train.users[rows], items, is_positive, train.num_users, train.num_items)


def against_torch(data: LeaveOneOut, processes: list[TorchProcess], batch_size: int, bar: float) -> Line:
    """Whole epochs of ours, drawing and shuffling included, against PyTorch's bare training at its best."""
    epoch = Epoch(data, NEUMF._replace(batch_size=batch_size), [NCF])
    theirs = [(process, form) for process in processes for form in ADAM_FORMS]
    measures = [partial(process.seconds_per_example, form, batch_size) for process, form in theirs]
    taken, *per_example = in_turns(partial(seconds, epoch), *measures, repeats=5)
    ours, best = len(data.train) * EXAMPLES_PER_POSITIVE / taken, int(np.argmin(per_example))
    process, form = theirs[best]
    ratio = ours * per_example[best]
    what = f"NeuMF f={NUM_FACTORS}, Adam, batches of {batch_size}: training examples per second, against PyTorch"
    peer = f"{form} Adam, {process.num_threads} thread{'s'[: process.num_threads > 1]}"
    measured = f"{ours:,.0f} against {1 / per_example[best]:,.0f} ({peer}): {ratio:.2f} times"
    return Line(what, measured, f">= {bar:g} times", ratio >= bar)


def dense_epoch(spec: Spec, data: TrainingData, hyperparameters: Hyperparameters, train_state, key):
    """`shuffled_examples_epoch` with the same draws and gradient, but optax's Adam over whole tables."""
    order_key, negatives_key = jax.random.split(key)
    num_items, adam = len(train_state[0].item), optax.adam(hyperparameters.learning_rate)
    negatives = sample_unobserved(negatives_key, data.users, spec.num_negatives, data, num_items)
    items = jnp.concatenate([data.items[:, None], negatives], axis=1).reshape(-1)

    def step(train_state, batch):
        model, state = train_state
        users = data.users.at[batch // EXAMPLES_PER_POSITIVE].get(mode="clip")
        examples, label = items.at[batch].get(mode="clip"), batch % EXAMPLES_PER_POSITIVE == 0
        p, q = model.user[users], model.item[examples]
        arguments = label[:, None], batch < len(items), hyperparameters.negative_weight, hyperparameters.penalty
        gradient = sampled_gradient(model.similarity, p, q[:, None], *arguments)
        whole = jax.tree.map(jnp.zeros_like, model)
        whole.user[...], whole.item[...] = (
            whole.user.at[users].add(gradient.user),
            whole.item.at[examples].add(gradient.item),
        )
        whole.similarity = gradient.similarity
        updates, state = adam.update(whole, state)
        return (optax.apply_updates(model, updates), state), None

    return jax.lax.scan(step, train_state, feistel_permutation(order_key, len(items), spec.batch_size))[0]


class DenseEpoch:
    """`Epoch` of dense Adam."""

    def __init__(self, data: LeaveOneOut, spec: Spec, member: Member):
        train = data.train
        self.seed, self.epoch = jnp.uint32(member.seed), 0
        self.arguments = make_training_data(train), Hyperparameters(*jnp.asarray(member[:4], jnp.float32))
        model = init_train_state(spec, train.num_users, train.num_items, member.stddev, self.seed).model
        self.train_state = model, optax.adam(0.0).init(model)
        options = CPU_COMPILER_OPTIONS["sampled"] if jax.default_backend() == "cpu" else {}
        self.run = jax.jit(partial(dense_epoch, spec), donate_argnums=2, compiler_options=options)

    def __call__(self):
        key = epoch_key(self.seed, jnp.int32(self.epoch))
        self.train_state, self.epoch = self.run(*self.arguments, self.train_state, key), self.epoch + 1
        return self.train_state


def tenth_of(data: LeaveOneOut) -> LeaveOneOut:
    """The same tables with a tenth of the positives."""
    train = data.train
    rows = np.random.default_rng(0).permutation(len(train))[: len(train) // TENTH]
    return replace(data, train=Interactions(train.users[rows], train.items[rows], train.num_users, train.num_items))


def optimizers(data: LeaveOneOut) -> list[Line]:
    """A step of lazy_adam, of our adam and of dense Adam. The bar was set when our adam was to be dense."""
    data = tenth_of(data)
    touched_rows = [Epoch(data, NEUMF._replace(optimizer=name), [NCF]) for name in ("lazy_adam", "adam")]
    actions = *touched_rows, DenseEpoch(data, NEUMF, NCF)
    steps = -(-len(data.train) * EXAMPLES_PER_POSITIVE // NEUMF.batch_size)
    lazy, ours, dense = (taken / steps for taken in in_turns(*(partial(seconds, a) for a in actions), repeats=7))
    what = f"NeuMF f={NUM_FACTORS}, {NEUMF.batch_size} examples: a step of"
    same_result = "our `adam`, which reaches dense Adam's result by touched rows alone"
    return [
        against(f"{what} `lazy_adam` against dense Adam, optax's over whole tables", lazy, dense, 2),
        against(f"{what} `lazy_adam` against {same_result}", lazy, ours, 2),
        against(f"{what} our `adam` against dense Adam", ours, dense),
    ]


def naive_scores(model: Recommender, users):
    """Scores of every item for each user, with the whole first layer applied to [p; q] of every pair."""
    p, q = jnp.broadcast_arrays(model.user[users][:, None, :], model.item[...][None, :, :])
    units, tower = jnp.concatenate([p, q], axis=-1), model.similarity.tower
    for kernel, bias in zip(tower.kernels, tower.biases, strict=True):
        product = jnp.matmul(units, kernel[...], precision=jax.lax.Precision.HIGHEST)
        units = jax.nn.relu(product + bias[...])
    return model.similarity.output(units)


def in_blocks(score: Callable, users_at_once: int, model: Recommender, users) -> Callable:
    """Scores of `users`, so many at once, to be called again and again."""
    blocks = users.reshape(-1, users_at_once)
    run = jax.jit(lambda model, blocks: jax.lax.map(partial(score, model), blocks))
    return lambda: run(model, blocks)


def bare_products(model: Recommender, users):
    """What `score_all` cannot do without: the products of the hidden layers for every pair, and nothing else.

    Every user has other units, or XLA would compute the products once: so many columns further in a longer table.
    """
    similarity, num_items = model.similarity, len(model.item[...])
    _, items = similarity.tower.halves(model.user[users], model.item[...])
    longer = jnp.concatenate([items, items[:USERS_PER_BLOCK]]).T

    def score(place):
        units = jax.lax.dynamic_slice(longer, (0, place), (len(longer), num_items))
        for kernel in similarity.tower.kernels[1:]:
            units = jnp.matmul(kernel[...].T, units, precision=jax.lax.Precision.HIGHEST)
        return jnp.matmul(similarity.output.weight[...], units, precision=jax.lax.Precision.HIGHEST)

    return jax.lax.map(score, users % USERS_PER_BLOCK)


def full_catalogue(data: LeaveOneOut, layers: tuple[int, ...], num_blocks: int, repeats: int) -> Line:
    """`score_all` in blocks of users as evaluation has them, against the naive form in the chunks that suit it best.

    Beside it the bare products, below which no arrangement of ours can come.
    """
    train, options = data.train, (("layers", layers), WEIGHTS)
    spec = NEUMF._replace(model="mlp", embedding_dim=layers[0] // 2, options=options)
    model = init_train_state(spec, train.num_users, train.num_items, 0.1, jnp.uint32(0)).model
    users = jnp.arange(num_blocks * USERS_PER_BLOCK, dtype=jnp.int32) % train.num_users
    ours = in_blocks(Recommender.score_all, USERS_PER_BLOCK, model, users)
    bare = in_blocks(bare_products, USERS_PER_BLOCK, model, users)
    naive = [in_blocks(naive_scores, at_once, model, users) for at_once in NAIVE_USERS_AT_ONCE]
    for action in naive:  # all compute the same, and are compiled now
        np.testing.assert_allclose(action().reshape(-1), ours().reshape(-1), atol=1e-5)
    taken, least, *chunked = in_turns(*(partial(seconds, action) for action in (ours, bare, *naive)), repeats=repeats)
    best = int(np.argmin(chunked))
    who = f"{USERS_PER_BLOCK} users" if num_blocks == 1 else f"all users in blocks of {USERS_PER_BLOCK}"
    what = f"MLP {list(layers)}: scores of every item for {who}, against the first layer on [p; q] of every pair"
    note = f" (users at once: {NAIVE_USERS_AT_ONCE[best]}; its bare products {duration(least)})"
    return against(what, taken, chunked[best], 3, note=note)


def epochs(data: LeaveOneOut) -> list[Line]:
    """Epochs of the equal-budget study, alone and with a second member, which a second core trains."""
    lines = []
    for spec in EQUAL_BUDGET:
        pair = [TUNED, TUNED._replace(learning_rate=0.002)]
        actions = (Epoch(data, spec, members) for members in ([TUNED], pair))
        one, two = in_turns(*(partial(seconds, action) for action in actions), repeats=3)
        what = f"epoch of the equal-budget study, {spec.model}, d={spec.embedding_dim}: one member; two at once"
        lines.append(Line(what, f"{one:.2f} s; {two:.2f} s"))
    return lines


def measure(data: LeaveOneOut):
    examples = torch_examples(data)
    processes = [TorchProcess(num_threads, NeuMF, examples) for num_threads in TORCH_THREADS]
    yield against_torch(data, processes, 256, 4.0)
    yield against_torch(data, processes, 4096, 1.2)
    yield from optimizers(data)
    all_blocks = -(-data.train.num_users // USERS_PER_BLOCK)
    for layers in ((64, 32, 16, 8), (32, 16, 8)):
        yield full_catalogue(data, layers, 1, repeats=15)
        yield full_catalogue(data, layers, all_blocks, repeats=2)
    yield from epochs(data)


def main() -> None:
    data_dir = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NCFJAX_DATA", "")
    device.prepare()
    data = load("ml-1m", data_dir=Path(data_dir) if data_dir else None)
    show(measure(data))
    print(f"\n{device.name()}, jax {jax.__version__}, torch {torch.__version__}")


if __name__ == "__main__":
    main()
