"""Tuning: a grid on the holdout, one winner per (data set, model, embedding_dim), its seeds on the test split.

    score of a candidate = mean over its seeds of NDCG@10 on the holdout's candidates

A candidate is everything about a run but its seed, so static choices that were swept (num_negatives, say) compete as
well. Test rows are never read here. A candidate with a diverged or missing seed has no score and cannot win; of equal
scores the first in the order of the sweep wins.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from experiments.config import Point, SweepConfig, data_config

SCORE = "ndcg@10"


class TuningError(Exception):
    """No candidate can win."""


class Candidate(NamedTuple):
    job: int  # place of its job in the sweep
    point: Point  # of its first seed
    run_ids: tuple[str, ...]  # one per seed


class Winner(NamedTuple):
    candidate: Candidate
    score: float


def group_of(config: SweepConfig) -> str:
    """What a winner is the winner of."""
    return json.dumps([data_config(config), config.model.name, config.model.embedding_dim], sort_keys=True)


def candidates(job: int, runs: dict[str, Point]) -> list[Candidate]:
    """The candidates of one job, from its run_id -> point."""
    seeds: dict[Point, list[str]] = {}
    for run_id, point in runs.items():
        seeds.setdefault(point._replace(seed=0), []).append(run_id)
    return [Candidate(job, runs[ids[0]], tuple(ids)) for ids in seeds.values()]


def choose(competing: Sequence[Candidate], runs: pd.DataFrame) -> Winner | None:
    """The candidate with the highest score among the holdout's rows, or None if no candidate has a score."""
    tried = runs[(runs["phase"] == "tune") & (runs["split"] == "holdout") & (runs["status"] == "completed")]
    values = dict(zip(tried["run_id"], tried[SCORE], strict=True))
    nan = float("nan")
    means = [sum(values.get(key, nan) for key in candidate.run_ids) / len(candidate.run_ids) for candidate in competing]
    scored = [Winner(candidate, mean) for candidate, mean in zip(competing, means, strict=True) if mean == mean]
    return max(scored, key=lambda winner: winner.score, default=None)  # the first of equal ones


def tune_overrides(overrides: Sequence[str]) -> list[str]:
    """One job of the sweep as a job of the tuning phase."""
    return [*overrides, "phase=tune", "split=holdout"]


def final_overrides(overrides: Sequence[str], point: Point, seeds: Sequence[int]) -> list[str]:
    """The winner's job on all training data, with the final seeds, scored on test."""
    axes = [f"grid.{axis}=[{value!r}]" for axis, value in point._asdict().items() if axis != "seed"]
    return [*overrides, *axes, f"grid.seed={list(seeds)}", "phase=final", "split=test"]
