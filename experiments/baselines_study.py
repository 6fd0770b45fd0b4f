"""One study of baselines from its jobs to its table: plan, check, launch what is missing, tune if asked, summarise.

Everything that can be refused is refused before the first job is launched.
"""

import json
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import pandas as pd

from experiments import device, summary, tuning
from experiments.baselines_config import BASELINES, BaselinesConfig, points
from experiments.baselines_fit import memory_estimate, work
from experiments.baselines_job import id_of, name_of, store_of
from experiments.config import ConfigError, data_config
from experiments.datasets import load_data
from experiments.jobs import Compose, Job, Launch, announce, count, launch_missing, say
from experiments.progress import duration
from experiments.provenance import origin
from ncfjax.store import Store

_SIDE = 2048  # of the product that dry_run times
# What tells runs apart; a column is shown if runs of one method differ in it.
_CONFIGURATION = [
    "phase", "dataset", "split", "negatives", "ties", "self_negatives", "embedding_dim", "block_size", "num_epochs",
    "num_neighbors", "shrinkage", "l1", "l2", "num_sweeps", "regularization", "unobserved_weight", "nu", "stddev",
]  # fmt: skip


def make_job(overrides: list[str], compose: Compose) -> Job:
    config = compose(overrides)
    runs = {id_of(config, point): point for point in points(config)}
    return Job(overrides, config, runs, lambda: work(config, load_data(config).train))


def plan(all_overrides: Sequence[list[str]], compose: Compose) -> list[Job]:
    """The checked jobs of the first phase: the tuning jobs if the study tunes, else its own."""
    is_tuning = compose(all_overrides[0]).tune
    return [make_job(tuning.tune_overrides(o) if is_tuning else o, compose) for o in all_overrides]


def check_runnable(jobs: Sequence[Job], done: set[str]) -> None:
    """Reads every data set, and compares what jobs ask for with its size and with the memory.

    Raises:
        ConfigError: a file is not there or not as expected; too many neighbours; a run does not fit the memory.
    """
    device.prepare()
    for job in sorted(jobs, key=lambda job: str(data_config(job.config))):
        config, train = job.config, load_data(job.config).train
        most = max(config.grid.num_neighbors or [0])
        if most >= train.num_items:
            expected = f"at most {train.num_items - 1}, the other items of {config.dataset.name}"
            raise ConfigError(f"grid.num_neighbors: expected {expected}, got {most}")
        needed, limit = memory_estimate(config, train), device.memory_limit(config.memory_gb)
        if needed > limit:
            raise ConfigError(
                f"{name_of(config)}: memory: expected at least {needed / 1e9:.2f} GB, got {limit / 1e9:.2f} GB"
            )


def _group_of(config: BaselinesConfig) -> str:
    """What a winner is the winner of."""
    return json.dumps([data_config(config), config.baseline.name, config.baseline.embedding_dim], sort_keys=True)


def _scores(store: Store, tune_by: str) -> pd.DataFrame:
    """The holdout's scores of completed tuning runs, run_ids x one column: a run is looked at at its end."""
    runs = store.runs()
    tried = runs[(runs["phase"] == "tune") & (runs["split"] == "holdout") & (runs["status"] == "completed")]
    return tried.set_index("run_id")[[tune_by]].set_axis([0], axis=1)


def _final_overrides(job: Job, winner: tuning.Winner) -> list[str]:
    """The winner's job on all training data, scored on test; with the final seeds where the method has a seed."""
    axes = BASELINES[job.config.baseline.name].axes
    chosen = {axis: [getattr(winner.candidate.point, axis)] for axis in axes}
    if "seed" in axes:
        chosen["seed"] = list(job.config.final_seeds)
    return [*job.overrides, *(f"grid.{axis}={values}" for axis, values in chosen.items()), "phase=final", "split=test"]


def final_jobs(jobs: Sequence[Job], store: Store, compose: Compose) -> tuple[list[Job], list[str]]:
    """The winners' jobs; and what had no winner."""
    tune_by, final, without = jobs[0].config.tune_by, [], []
    for competing, winner in tuning.winners(jobs, _group_of, _scores(store, tune_by)):
        name = name_of(jobs[competing[0].job].config)
        if winner is None:
            without.append(name)
            continue
        job, point = jobs[winner.candidate.job], winner.candidate.point
        rates = ", ".join(f"{k}={v:g}" for k, v in point._asdict().items() if v is not None and k != "seed")
        chosen = f"is {rates} " if rates else ""
        say(f"{name}: best of {len(competing)} on the holdout {chosen}(validation {tune_by} {winner.score:.4f})")
        final.append(make_job(_final_overrides(job, winner), compose))
    return final, without


def run_study(all_overrides: Sequence[list[str]], compose: Compose, launch: Launch) -> None:
    """Runs what is missing, given as the overrides of the jobs, and shows the whole.

    Raises:
        ConfigError, StoreError: before anything is fitted.
        TuningError: at the end, if a tuning had no winner.
    """
    jobs, without = plan(all_overrides, compose), []
    config, store = jobs[0].config, store_of(jobs[0].config)
    announce(
        jobs,
        store.completed(),
        store.folder,
        *(("tuning ", ", then the winners' final runs") if config.tune else ()),
    )
    if config.dry_run:
        todo = [job for job in jobs if job.pending(store.completed())]
        check_runnable(todo, store.completed())
        return estimate(todo, store.completed())
    provenance = origin("baselines")
    launch_missing(jobs, store, check_runnable, launch, provenance)
    if config.tune:
        final, without = final_jobs(jobs, store, compose)
        launch_missing(final, store, check_runnable, launch, provenance)
        jobs = [*jobs, *final]
    close(jobs, store)
    if without:
        raise tuning.TuningError(f"no winner for {', '.join(without)}: every candidate diverged")


def close(jobs: Sequence[Job], store: Store) -> None:
    """The table of these jobs' runs, and where everything is."""
    rows = store.runs()
    ours = rows[rows["run_id"].isin([key for job in jobs for key in job.runs])]
    differs = ours.groupby("model")[_CONFIGURATION].nunique().max() > 1
    by = ["model", *(column for column in _CONFIGURATION if differs[column])]
    print(summary.text_of(summary.mean_over_seeds(ours, by)), flush=True)
    curves = ", curves.csv" if len(store.curves()) else ""
    say(f"results in {store.folder}/: runs.csv ({count(len(rows), 'row')}){curves}, ranks/")


def _pace() -> float:
    """Multiply-adds per second of a large product on this device."""
    square, product = jnp.ones((_SIDE, _SIDE)), jax.jit(jnp.matmul)
    jax.block_until_ready(product(square, square))
    started = time.perf_counter()
    jax.block_until_ready(product(square, square))
    return _SIDE**3 / (time.perf_counter() - started)


# The share of that pace which a method reaches, measured on MovieLens-1M and two CPU cores.
_SHARE = {"popularity": 0.1, "item_knn": 0.4, "ease": 0.6, "slim": 0.1, "ials": 0.3}


def estimate(jobs: Sequence[Job], done: set[str]) -> None:
    """Prints a line for each job with something to fit, and the sum. Nothing is fitted: a product is timed."""
    pace, total = _pace() if jobs else 1.0, 0.0
    for number, job in enumerate(jobs, start=1):
        seconds = job.work(done) / (pace * _SHARE[job.config.baseline.name])
        total += seconds
        needed = memory_estimate(job.config, load_data(job.config).train) / 1e9
        runs = count(len(job.pending(done)), "run")
        say(f"job {number}, {name_of(job.config)}: {runs} of {needed:.2f} GB, about {duration(seconds)}")
    say(f"dry run: about {duration(total)} one job after the other")
