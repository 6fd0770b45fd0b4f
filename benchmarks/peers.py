"""Peers in PyTorch, to be measured against.

    NeuMF      separate embeddings, a ReLU tower, BCEWithLogits, torch.optim.Adam
    Imitator   the MLP of the study's Figure 3 over given vectors, mean squared error, torch.optim.Adam

All that is not training is done beforehand: examples are drawn, shuffled, cut into batches and held as tensors. Each
number of threads has a process of its own, which sleeps while others are measured.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import pairwise
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

LEARNING_RATE, NUM_FACTORS, LAYERS = 0.001, 8, (64, 32, 16, 8)
ADAM_FORMS = {"default": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}  # all that a CPU can run


class Examples(NamedTuple):
    """Shuffled positives and negatives, and the sizes of the tables that they index."""

    users: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    num_users: int
    num_items: int


class NeuMF(nn.Module):
    """s = b + <w, [p_g * q_g; tower([p_m; q_m])]>"""

    def __init__(self, num_users: int, num_items: int):
        super().__init__()
        self.user_gmf, self.item_gmf = (nn.Embedding(size, NUM_FACTORS) for size in (num_users, num_items))
        self.user_mlp, self.item_mlp = (nn.Embedding(size, LAYERS[0] // 2) for size in (num_users, num_items))
        self.tower = nn.Sequential(*(part for widths in pairwise(LAYERS) for part in (nn.Linear(*widths), nn.ReLU())))
        self.output = nn.Linear(NUM_FACTORS + LAYERS[-1], 1)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs, as logits."""
        gmf = self.user_gmf(users) * self.item_gmf(items)
        mlp = self.tower(torch.cat([self.user_mlp(users), self.item_mlp(items)], dim=-1))
        return self.output(torch.cat([gmf, mlp], dim=-1)).squeeze(-1)


class Training:
    """Goes through whole batches of the examples each time it is called, and returns seconds per example."""

    def __init__(self, examples: Examples, adam_form: str, batch_size: int):
        arrays = examples.users.astype(np.int64), examples.items.astype(np.int64), examples.labels.astype(np.float32)
        self.num_examples = len(arrays[0]) // batch_size * batch_size
        batches = [torch.from_numpy(x[: self.num_examples]).split(batch_size) for x in arrays]
        self.batches = list(zip(*batches, strict=True))
        self.model = NeuMF(examples.num_users, examples.num_items)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE, **ADAM_FORMS[adam_form])

    def __call__(self) -> float:
        loss = nn.BCEWithLogitsLoss()
        start = time.perf_counter()
        for users, items, labels in self.batches:
            self.optimizer.zero_grad()
            loss(self.model(users, items), labels).backward()
            self.optimizer.step()
        return (time.perf_counter() - start) / self.num_examples


class LabelledPairs(NamedTuple):
    """Shuffled pairs of given vectors, and their labels."""

    user_vectors: np.ndarray
    item_vectors: np.ndarray
    users: np.ndarray
    items: np.ndarray
    labels: np.ndarray


class ImitatorTraining:
    """As `Training`, of the layers [2d, d, d/2] over [p; q]."""

    def __init__(self, pairs: LabelledPairs, adam_form: str, batch_size: int):
        self.num_examples = len(pairs.users) // batch_size * batch_size
        ids = (pairs.users.astype(np.int64), pairs.items.astype(np.int64), pairs.labels)
        batches = [torch.from_numpy(x[: self.num_examples]).split(batch_size) for x in ids]
        self.batches = list(zip(*batches, strict=True))
        self.p, self.q = torch.from_numpy(pairs.user_vectors), torch.from_numpy(pairs.item_vectors)
        dim = self.p.shape[1]
        widths = [2 * dim, 2 * dim, dim, dim // 2]
        hidden = [part for of_layer in pairwise(widths) for part in (nn.Linear(*of_layer), nn.ReLU())]
        self.model = nn.Sequential(*hidden, nn.Linear(widths[-1], 1))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE, **ADAM_FORMS[adam_form])

    def __call__(self) -> float:
        loss = nn.MSELoss()
        start = time.perf_counter()
        for users, items, labels in self.batches:
            self.optimizer.zero_grad()
            units = torch.cat([self.p[users], self.q[items]], dim=-1)
            loss(self.model(units).squeeze(-1), labels).backward()
            self.optimizer.step()
        return (time.perf_counter() - start) / self.num_examples


class TorchProcess:
    """A process that trains with `num_threads` threads when it is asked to."""

    def __init__(self, num_threads: int, training: type, examples: NamedTuple):
        """`training(examples, adam_form, batch_size)()` trains, and returns seconds per example."""
        self.num_threads = num_threads
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _prepare, (num_threads, training, examples))

    def seconds_per_example(self, adam_form: str, batch_size: int) -> float:
        """Of one pass through the examples; each form and batch size goes on training its own model."""
        return self._pool.submit(_seconds_per_example, adam_form, batch_size).result()


_prepared: list = []


def _prepare(num_threads: int, training: type, examples: NamedTuple) -> None:
    # The moments of rows that no batch touches decay into denormal numbers, which are slow. XLA flushes them too.
    torch.set_flush_denormal(True)
    torch.set_num_threads(num_threads)
    _prepared[:] = training, examples


@cache
def _training(adam_form: str, batch_size: int):
    training, examples = _prepared
    return training(examples, adam_form, batch_size)


def _seconds_per_example(adam_form: str, batch_size: int) -> float:
    return _training(adam_form, batch_size)()
