"""Tuning: a grid on the holdout; the winner of each group is run again with the final seeds and scored on test.

    score of a candidate = mean over its seeds of `tune_by` on the holdout, after its last epoch or, where the epoch is
                           chosen too, after the best of those that were evaluated (eval_every); of an error, negated

A candidate is everything about a run but its seed, so static choices that were swept (num_negatives, say) compete as
well. Test rows are never read here. A candidate with a diverged or missing seed has no score and cannot win; of equal
scores the first in the order of the jobs wins. Where some have more seeds than others, as the best trials of a search
have in the end, these alone compete.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from experiments.engine.checkpoints import KEEP
from experiments.engine.checks import TuningError
from experiments.engine.config import AXIS
from experiments.engine.jobs import Job, make_job
from experiments.engine.progress import log
from experiments.engine.task import Compose, Task
from ncfjax.store import Store

_LAST = -1  # the column of scores after the last epoch, whichever it is


class Candidate(NamedTuple):
    job: Job
    point: Any  # of its first seed
    run_ids: tuple[str, ...]  # one per seed


class Winner(NamedTuple):
    candidate: Candidate
    epoch: int | None  # None where there is none to choose
    score: float


def candidates(job: Job) -> list[Candidate]:
    """The candidates of one job."""
    seeds: dict[Any, list[str]] = {}
    for run_id, point in job.runs.items():
        key = point._replace(seed=None) if "seed" in point._fields else point
        seeds.setdefault(key, []).append(run_id)
    return [Candidate(job, job.runs[ids[0]], tuple(ids)) for ids in seeds.values()]


def stored_scores(task: Task, jobs: Sequence[Job], store: Store) -> pd.DataFrame:
    """The holdout's scores of the jobs' completed runs, run_ids x epochs; other runs in the folder do not matter.

    All epochs are those after every `eval_every` epochs and the last, even if a stored run was evaluated more often;
    and epoch 0, of runs that were evaluated before the first.

    Raises:
        TuningError: a stored run was evaluated less often.
    """
    config, runs = jobs[0].config, store.runs()
    ours = runs["run_id"].isin([run_id for job in jobs for run_id in job.runs])
    tried = runs[ours & (runs["phase"] == "tune") & (runs["split"] == "holdout") & (runs["status"] == "completed")]
    if task.epoch_rule(config) == "last":
        scores = tried.set_index("run_id")[[config.tune_by]].set_axis([_LAST], axis=1).astype(float)
    else:
        scores = _scores_by_epoch(tried, store.curves(), config.tune_by, config.eval_every)
    return -scores if task.lowest_is_best else scores


def _scores_by_epoch(tried: pd.DataFrame, curves: pd.DataFrame, tune_by: str, eval_every: int) -> pd.DataFrame:
    points = curves[(curves["metric"] == tune_by) & curves["run_id"].isin(list(tried["run_id"]))]
    is_last = points["epoch"] == points.groupby("run_id")["epoch"].transform("max")
    points = points[is_last | (points["epoch"] % eval_every == 0)]
    for run_id, curve in points.groupby("run_id"):
        expected = -(-curve["epoch"].max() // eval_every)
        if (got := int((curve["epoch"] > 0).sum())) < expected:
            raise TuningError(
                f"run {run_id}: expected {expected} evaluations, one every {eval_every} epochs, got {got}: it "
                "was stored with another eval_every; give that one, or another study.name"
            )
    return points.pivot(index="run_id", columns="epoch", values="value").astype(float)


def choose(competing: Sequence[Candidate], scores: pd.DataFrame) -> Winner | None:
    """The candidate and epoch with the highest score, or None if no candidate has one; the earlier of equal ones."""
    winners = []
    for candidate in competing:
        if set(candidate.run_ids) <= set(scores.index):
            means = scores.loc[list(candidate.run_ids)].mean(axis=0, skipna=False).dropna()
            if len(means):
                epoch = int(means.idxmax())
                winners.append(Winner(candidate, None if epoch == _LAST else epoch, float(means.max())))
    return max(winners, key=lambda winner: winner.score, default=None)  # the first of equal ones


def groups(task: Task, jobs: Sequence[Job]) -> list[list[Candidate]]:
    """The candidates that compete with each other: of each group, those with the most seeds."""
    competing: dict[Hashable, list[Candidate]] = {}
    for job in jobs:
        competing.setdefault(task.tuning_group(job.config), []).extend(candidates(job))
    return [_with_most_seeds(group) for group in competing.values()]


def _with_most_seeds(group: Sequence[Candidate]) -> list[Candidate]:
    most = max(len(candidate.run_ids) for candidate in group)
    return [candidate for candidate in group if len(candidate.run_ids) == most]


def tune_overrides(overrides: Sequence[str]) -> list[str]:
    """One job of the study as a job of the tuning phase."""
    return [*overrides, "phase=tune", "split=holdout"]


def final_overrides(task: Task, winner: Winner) -> list[str]:
    """The winner's job on all training data, with the final seeds where it has a seed, scored on test."""
    job = winner.candidate.job
    values = {axis: [value] for axis, value in winner.candidate.point._asdict().items() if value is not None}
    if "seed" in values:
        values["seed"] = list(job.config.final_seeds)
    chosen = [f"grid.{name}={value}" for name, value in values.items()]
    overrides = [line for line in job.overrides if line != KEEP]  # no run follows the last one
    return [*overrides, *chosen, *_chosen_epoch(task, winner), "phase=final", "split=test"]


def _chosen_epoch(task: Task, winner: Winner) -> list[str]:
    return [] if winner.epoch is None else task.chosen_epoch(winner.epoch)


def final_jobs(
    task: Task, jobs: Sequence[Job], store: Store, compose: Compose, say: Callable[[str], None] = log
) -> tuple[list[Job], list[str]]:
    """The winners' jobs, each of which is announced; and the names of what had no winner."""
    scores, final, without_winner = stored_scores(task, jobs, store), [], []
    for competing in groups(task, jobs):
        winner = choose(competing, scores)
        if winner is None:
            without_winner.append(task.label(competing[0].job.config))
            continue
        say(_announcement(task, competing, winner))
        final.append(make_job(task, final_overrides(task, winner), compose))
    return final, without_winner


def _announcement(task: Task, competing: Sequence[Candidate], winner: Winner) -> str:
    config = winner.candidate.job.config
    values = [f"{k}={v:g}" for k, v in winner.candidate.point._asdict().items() if v is not None and k != "seed"]
    shared = set.intersection(*(set(candidate.job.overrides) for candidate in competing))
    shared.add(KEEP)
    swept = [line for line in winner.candidate.job.overrides if line not in shared and not line.startswith(AXIS)]
    chosen = ", ".join([*values, *swept, *_chosen_epoch(task, winner)])
    best = f"best of {len(competing)} on the holdout" + f" is {chosen}" * bool(chosen)
    return f"{task.label(config)}: {best} (validation {config.tune_by} {abs(winner.score):.4f})"
