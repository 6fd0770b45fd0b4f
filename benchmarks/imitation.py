"""python -m benchmarks.imitation: the speed of training an imitator, d=64, m=1, batches of 256, against PyTorch.

Figures are minima over repeats, taken in turns, on a machine with nothing else to do; about a minute on two cores. An
epoch of ours is what a run does, shuffling included; PyTorch finds its pairs shuffled and only trains.
"""

import itertools
from functools import partial

import numpy as np
import torch

from benchmarks.peers import ADAM_FORMS, LEARNING_RATE, Imitator, LabelledPairs, TorchProcess
from benchmarks.turns import Line, in_turns, seconds, show
from experiments.engine import device
from ncfjax.data.dot_pairs import DotPairOptions, draw_dot_pairs
from ncfjax.training.blocks import Block
from ncfjax.training.imitation import ImitationSpec
from ncfjax.training.imitation_problem import ImitationMember, ImitationProblem
from ncfjax.training.imitation_task import dot_source
from ncfjax.training.program import Program

OPTIONS = DotPairOptions(num_users=4000, embedding_dim=64)
SPEC = ImitationSpec(embedding_dim=64, layers=(128, 64, 32), batch_size=256, num_epochs=32)
TORCH_THREADS = sorted({1, 2, torch.get_num_threads()})
BAR = 2.0


class Epoch:
    """One epoch of a run per seed each time it is called; its program is compiled."""

    def __init__(self, seeds: list[int]):
        groups = [[ImitationMember(LEARNING_RATE, seed)] for seed in seeds]
        self.program = Program(ImitationProblem(dot_source(OPTIONS), SPEC), Block(groups, 1))
        self.state = self.program.advance(self.program.init(), 0)

    def __call__(self):
        self.state = self.program.advance(self.state, 1)
        return self.state.train_states


def labelled_pairs() -> LabelledPairs:
    data = draw_dot_pairs(OPTIONS, 0)
    users, items, noise = data.train
    scores = np.sum(data.vectors.user[users] * data.vectors.item[items], axis=1)
    return LabelledPairs(users, items, scores + noise, *data.vectors)


def measure() -> list[Line]:
    one, two, pairs = Epoch([0]), Epoch([0, 1]), labelled_pairs()
    processes = [TorchProcess(num_threads, Imitator, pairs) for num_threads in TORCH_THREADS]
    theirs = list(itertools.product(processes, ADAM_FORMS))
    measures = [partial(process.seconds_per_example, form, SPEC.batch_size) for process, form in theirs]
    alone, both, *per_pair = in_turns(*(partial(seconds, epoch) for epoch in (one, two)), *measures, repeats=4)
    process, form = theirs[int(np.argmin(per_pair))]
    peer = (
        f"PyTorch {1 / min(per_pair):,.0f} ({form} Adam, {process.num_threads} thread{'s'[: process.num_threads > 1]})"
    )
    lines = []
    for name, taken, runs in (("one run", alone, 1), ("two seeds at once", both, 2)):
        ours = runs * len(pairs.users) / taken
        ratio = ours * min(per_pair)
        what = f"imitator d=64, m=1, Adam, batches of {SPEC.batch_size}: pairs trained on per second, {name}"
        lines.append(Line(what, f"{ours:,.0f} against {peer}: {ratio:.2f} times", f">= {BAR:g} times", ratio >= BAR))
    return lines


def main() -> None:
    device.prepare()
    show(measure())


if __name__ == "__main__":
    main()
