"""Tuning: a grid on the holdout; the winner per (data set, model, embedding_dim, pretraining) is scored on test.

    score of a candidate = mean over its seeds of `tune_by` (NDCG@10) on the holdout's candidates, after its last epoch
                           or, with select_epoch=holdout, after the best of those that were looked at (eval_every)

A candidate is everything about a run but its seed, so static choices that were swept (num_negatives, say) compete as
well. Test rows are never read here. A candidate with a diverged or missing seed has no score and cannot win; of equal
scores the first in the order of the sweep wins.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from experiments.config import Point, SweepConfig, data_config
from experiments.jobs import Job


class TuningError(Exception):
    """No candidate can win."""


class Candidate(NamedTuple):
    job: int  # place of its job in the sweep
    point: Point  # of its first seed
    run_ids: tuple[str, ...]  # one per seed


class Winner(NamedTuple):
    candidate: Candidate
    num_epochs: int
    score: float


def group_of(config: SweepConfig) -> str:
    """What a winner is the winner of."""
    model = config.model.name, config.model.embedding_dim, config.pretraining.name
    return json.dumps([data_config(config), *model], sort_keys=True)


def candidates(job: int, runs: dict[str, Point]) -> list[Candidate]:
    """The candidates of one job, from its run_id -> point."""
    seeds: dict[Point, list[str]] = {}
    for run_id, point in runs.items():
        seeds.setdefault(point._replace(seed=0), []).append(run_id)
    return [Candidate(job, runs[ids[0]], tuple(ids)) for ids in seeds.values()]


def scores(
    runs: pd.DataFrame, curves: pd.DataFrame, select_epoch: str, tune_by: str, eval_every: int = 1
) -> pd.DataFrame:
    """The holdout's scores of completed tuning runs, run_ids x epochs: of the last epoch alone, or of all.

    All are those after every `eval_every` epochs and the last, even if a stored run was looked at more often.

    Raises:
        TuningError: a stored run was looked at less often.
    """
    tried = runs[(runs["phase"] == "tune") & (runs["split"] == "holdout") & (runs["status"] == "completed")]
    points = curves[(curves["metric"] == tune_by) & curves["run_id"].isin(list(tried["run_id"]))]
    is_last = points["epoch"] == points.groupby("run_id")["epoch"].transform("max")
    points = points[is_last | ((select_epoch != "last") & (points["epoch"] % eval_every == 0))]
    for run_id, of_run in points.groupby("run_id"):
        expected = 1 if select_epoch == "last" else -(-of_run["epoch"].max() // eval_every)
        if len(of_run) < expected:
            raise TuningError(
                f"run {run_id}: expected {expected} looks at it, one every {eval_every} epochs, got {len(of_run)}: it "
                "was stored by a sweep with another eval_every; give that one or another study.name"
            )
    return points.pivot(index="run_id", columns="epoch", values="value").astype(float)


def choose(competing: Sequence[Candidate], scores: pd.DataFrame) -> Winner | None:
    """The candidate and epoch with the highest score, or None if no candidate has one; the earlier of equal ones."""
    winners = []
    for candidate in competing:
        if set(candidate.run_ids) <= set(scores.index):
            means = scores.loc[list(candidate.run_ids)].mean(axis=0, skipna=False).dropna()
            if len(means):
                winners.append(Winner(candidate, int(means.idxmax()), float(means.max())))
    return max(winners, key=lambda winner: winner.score, default=None)  # the first of equal ones


def winners(
    jobs: Sequence[Job], group_of: Callable[[Any], str], scores: pd.DataFrame
) -> list[tuple[list[Candidate], Winner | None]]:
    """The candidates of each group of tuning jobs, and the one that is chosen."""
    groups: dict[str, list[Candidate]] = {}
    for number, job in enumerate(jobs):
        groups.setdefault(group_of(job.config), []).extend(candidates(number, job.runs))
    return [(competing, choose(competing, scores)) for competing in groups.values()]


def tune_overrides(overrides: Sequence[str]) -> list[str]:
    """One job of the sweep as a job of the tuning phase."""
    return [*overrides, "phase=tune", "split=holdout"]


def final_overrides(overrides: Sequence[str], winner: Winner, seeds: Sequence[int]) -> list[str]:
    """The winner's job on all training data, with the final seeds, scored on test."""
    point = winner.candidate.point._asdict()
    axes = [f"grid.{axis}=[{value!r}]" for axis, value in point.items() if axis != "seed"]
    epochs = f"num_epochs={winner.num_epochs}"
    return [*overrides, *axes, f"grid.seed={list(seeds)}", epochs, "phase=final", "split=test"]
