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


class LabelledPairs(NamedTuple):
    """Shuffled pairs of given vectors, and their labels."""

    users: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    user_vectors: np.ndarray
    item_vectors: np.ndarray


class NeuMF(nn.Module):
    """s = b + <w, [p_g * q_g; tower([p_m; q_m])]>"""

    loss = nn.BCEWithLogitsLoss()

    def __init__(self, examples: Examples):
        super().__init__()
        sizes = examples.num_users, examples.num_items
        self.user_gmf, self.item_gmf = (nn.Embedding(size, NUM_FACTORS) for size in sizes)
        self.user_mlp, self.item_mlp = (nn.Embedding(size, LAYERS[0] // 2) for size in sizes)
        self.tower = _tower(LAYERS)
        self.output = nn.Linear(NUM_FACTORS + LAYERS[-1], 1)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs, as logits."""
        gmf = self.user_gmf(users) * self.item_gmf(items)
        mlp = self.tower(torch.cat([self.user_mlp(users), self.item_mlp(items)], dim=-1))
        return self.output(torch.cat([gmf, mlp], dim=-1)).squeeze(-1)


class Imitator(nn.Module):
    """s = b + <w, tower([p; q])> with the layers [2d, d, d/2]; p and q are given."""

    loss = nn.MSELoss()

    def __init__(self, pairs: LabelledPairs):
        super().__init__()
        self.p, self.q = torch.from_numpy(pairs.user_vectors), torch.from_numpy(pairs.item_vectors)
        dim = self.p.shape[1]
        self.tower, self.output = _tower((2 * dim, 2 * dim, dim, dim // 2)), nn.Linear(dim // 2, 1)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs."""
        return self.output(self.tower(torch.cat([self.p[users], self.q[items]], dim=-1))).squeeze(-1)


def _tower(widths: tuple[int, ...]) -> nn.Sequential:
    return nn.Sequential(
        *(part for widths_of_layer in pairwise(widths) for part in (nn.Linear(*widths_of_layer), nn.ReLU()))
    )


class Training:
    """Goes through whole batches of the examples each time it is called, and returns seconds per example."""

    def __init__(self, peer: type, examples: Examples | LabelledPairs, adam_form: str, batch_size: int):
        arrays = examples.users.astype(np.int64), examples.items.astype(np.int64), examples.labels.astype(np.float32)
        self.num_examples = len(arrays[0]) // batch_size * batch_size
        batches = [torch.from_numpy(x[: self.num_examples]).split(batch_size) for x in arrays]
        self.batches = list(zip(*batches, strict=True))
        self.model = peer(examples)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE, **ADAM_FORMS[adam_form])

    def __call__(self) -> float:
        start = time.perf_counter()
        for users, items, labels in self.batches:
            self.optimizer.zero_grad()
            self.model.loss(self.model(users, items), labels).backward()
            self.optimizer.step()
        return (time.perf_counter() - start) / self.num_examples


class TorchProcess:
    """A process that trains with `num_threads` threads when it is asked to."""

    def __init__(self, num_threads: int, peer: type, examples: Examples | LabelledPairs):
        self.num_threads = num_threads
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _prepare, (num_threads, peer, examples))

    def seconds_per_example(self, adam_form: str, batch_size: int) -> float:
        """Of one pass through the examples; each form and batch size goes on training its own model."""
        return self._pool.submit(_seconds_per_example, adam_form, batch_size).result()


_prepared: list = []


def _prepare(num_threads: int, peer: type, examples: Examples | LabelledPairs) -> None:
    # The moments of rows that no batch touches decay into denormal numbers, which are slow. XLA flushes them too.
    torch.set_flush_denormal(True)
    torch.set_num_threads(num_threads)
    _prepared[:] = peer, examples


@cache
def _training(adam_form: str, batch_size: int) -> Training:
    return Training(*_prepared, adam_form, batch_size)


def _seconds_per_example(adam_form: str, batch_size: int) -> float:
    return _training(adam_form, batch_size)()
