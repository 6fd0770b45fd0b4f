"""python -m benchmarks.curvature [DATA_DIR]: how near a step of `expected` comes to its limit, on MovieLens-1M.

A gradient step of size lr overshoots along a direction of curvature c once lr c > 2. Measured are lr c of trained dot
products, with the true curvature of the logistic loss, w_ui s (1 - s) of every pair, where w_ui counts user u's
interaction with item i and its share of the negatives:

    user bias       sum over i of w_ui s (1 - s), as it is and as it is damped (ncfjax/training/objectives.py)
    user factors    largest eigenvalue of sum over i of w_ui s (1 - s) q q'
    item bias       sum over the users of a block
    item factors    largest eigenvalue of the same sum of p p'

The study's rates and blocks of 64 users, and the rates of the fast study with blocks of 128; a minute on two cores.
"""

import os
import sys
from pathlib import Path

import jax
import numpy as np

from experiments.engine import device
from ncfjax.data.catalog import load
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.training.blocks import Block
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem

NUM_NEGATIVES = 8
SETTINGS = ((16, 64, 0.002, 256), (16, 128, 0.004, 128), (64, 64, 0.002, 256))  # embedding_dim, block, rate, epochs
AT_ONCE = 256  # users whose pairs are held at once


def trained(data: LeaveOneOut, embedding_dim: int, batch_size: int, learning_rate: float, num_epochs: int):
    """User and item vectors and the global bias."""
    spec = Spec(embedding_dim, "expected", batch_size, NUM_NEGATIVES)
    member = Member(learning_rate, regularization=0.005, stddev=0.1, negative_weight=1.0, seed=0)
    program = Program(RecommenderProblem(data, spec), Block([[member]], 1))
    (model,) = program.models(program.advance(program.init(), num_epochs))
    return (np.asarray(x) for x in (model.user[...], model.item[...], model.similarity.bias[...]))


def bends(data: LeaveOneOut, p, q, bias):
    """w_ui s (1 - s) of every pair: float32[users, items]."""
    train, num_items = data.train, data.train.num_items
    counts = np.bincount(train.users, minlength=train.num_users)
    weight = np.repeat((NUM_NEGATIVES * counts / num_items)[:, None].astype(np.float32), num_items, axis=1)
    weight[train.users, train.items] += 1
    scores = p[:, :-1] @ q[:, :-1].T + p[:, -1:] + q[:, -1] + bias
    s = 1 / (1 + np.exp(-scores))
    return weight * s * (1 - s), counts


def largest(weights, vectors):
    """The largest eigenvalue of sum over k of weights[r, k] vectors[k] vectors[k]', for every row r."""
    dim, values = vectors.shape[1], []
    products = (vectors[:, :, None] * vectors[:, None, :]).reshape(len(vectors), -1)
    for first in range(0, len(weights), AT_ONCE):
        values.append(np.linalg.eigvalsh((weights[first : first + AT_ONCE] @ products).reshape(-1, dim, dim))[:, -1])
    return np.concatenate(values)


def rows(data: LeaveOneOut, embedding_dim: int, batch_size: int, rate: float, num_epochs: int):
    """What is stepped along -> lr c of each of its rows."""
    p, q, bias = trained(data, embedding_dim, batch_size, rate, num_epochs)
    bend, counts = bends(data, p, q, bias)
    users = np.random.default_rng(0).permutation(len(p))[: len(p) // batch_size * batch_size].reshape(-1, batch_size)
    user_bias = rate * bend.sum(axis=1)
    yield "user bias, not damped", user_bias
    yield "user bias", user_bias / (1 + rate * (1 + NUM_NEGATIVES) * counts / 4)
    yield "user factors", rate * largest(bend, q[:, :-1])
    yield "item bias", rate * np.concatenate([bend[block].sum(axis=0) for block in users])
    yield "item factors", rate * np.concatenate([largest(bend[block].T, p[block, :-1]) for block in users[::8]])


def main() -> None:
    data_dir = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NCFJAX_DATA", "")
    device.prepare()
    data = load("ml-1m", data_dir=Path(data_dir) if data_dir else None)
    print("| setting | direction | median | 99 % | largest | share above 2 |\n| --- | --- | --- | --- | --- | --- |")
    for setting in SETTINGS:
        dim, batch_size, rate, num_epochs = setting
        name = f"d={dim}, blocks of {batch_size}, rate {rate}, {num_epochs} epochs"
        for what, values in rows(data, *setting):
            percentiles = " | ".join(f"{x:.3g}" for x in (np.median(values), np.quantile(values, 0.99), values.max()))
            print(f"| {name} | {what} | {percentiles} | {np.mean(values > 2):.2%} |", flush=True)
    print(f"\n{device.name()}, jax {jax.__version__}")


if __name__ == "__main__":
    main()
