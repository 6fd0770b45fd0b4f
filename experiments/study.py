"""One sweep from its jobs to its table: plan, check, launch what is missing, tune if asked, summarise.

Everything that can be refused is refused before the first job is launched: every job's configuration, the data sets,
the folder of the results.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from experiments import summary, tuning
from experiments.config import (
    REFERENCES,
    ConfigError,
    data_config,
    points,
    reference_config,
    run_config,
)
from experiments.jobs import Compose, Job, Launch, announce, count, launch_missing, say
from experiments.progress import job_work
from experiments.provenance import origin
from ncfjax.store import Store, run_id


def make_job(overrides: list[str], compose: Compose) -> Job:
    config = compose(overrides)
    runs = {run_id(run_config(config, point)): point for point in points(config)}
    return Job(overrides, config, runs, lambda: job_work(config, 1))


def plan(all_overrides: Sequence[list[str]], compose: Compose) -> list[Job]:
    """The checked jobs of the first phase: the tuning jobs if the sweep tunes, else the sweep's own."""
    is_tuning = compose(all_overrides[0]).tune
    return [make_job(tuning.tune_overrides(o) if is_tuning else o, compose) for o in all_overrides]


def stored_scores(jobs: Sequence[Job], store: Store) -> pd.DataFrame:
    """The holdout's scores of those runs of these tuning jobs that are stored; others in the folder do not matter.

    Raises:
        TuningError: see `tuning.scores`.
    """
    runs, how = store.runs(), jobs[0].config
    own = runs[runs["run_id"].isin([key for job in jobs for key in job.runs])]
    return tuning.scores(own, store.curves(), how.select_epoch, how.tune_by, how.eval_every)


def final_jobs(jobs: Sequence[Job], store: Store, compose: Compose) -> tuple[list[Job], list[str]]:
    """The winners' jobs on all training data; and what had no winner."""
    how, final, without = jobs[0].config, [], []
    for competing, winner in tuning.winners(jobs, tuning.group_of, stored_scores(jobs, store)):
        config = jobs[competing[0].job].config
        pretrained = "" if config.pretraining.name == "none" else f", pretraining={config.pretraining.name}"
        name = f"{config.dataset.name} {config.model.name} d={config.model.embedding_dim}{pretrained}"
        if winner is None:
            without.append(name)
            continue
        job, point = jobs[winner.candidate.job], winner.candidate.point
        job = make_job(tuning.final_overrides(job.overrides, winner, job.config.final_seeds), compose)
        rates = ", ".join(f"{axis}={value:g}" for axis, value in point._asdict().items() if axis != "seed")
        say(f"{name}: best of {len(competing)} on the holdout is {rates}, "
            f"num_negatives={job.config.objective.num_negatives}, {winner.num_epochs} epochs "
            f"(validation {how.tune_by} {winner.score:.4f})")  # fmt: skip
        final.append(job)
    return final, without


def check_runnable(jobs: Sequence[Job], done: set[str]) -> None:
    """Reads every data set once and cuts every job into blocks, so that what is wrong shows before anything is trained.

    Raises:
        ConfigError: a file is not there or not as expected; not even one run fits the memory.
    """
    from experiments import device  # JAX comes with it, after the first line
    from experiments.datasets import load_data
    from experiments.job import blocks_of
    from experiments.pretraining import check_files

    device.prepare()
    for job in sorted(jobs, key=lambda job: str(data_config(job.config))):
        data = load_data(job.config)
        try:
            blocks_of(job.config, data, done)
        except ValueError as error:
            raise ConfigError(f"dataset={job.config.dataset.name}: {error}") from error
        check_files(job.config, data)


def run_study(all_overrides: Sequence[list[str]], compose: Compose, launch: Launch) -> None:
    """Runs what is missing of a sweep, given as the overrides of its jobs, and shows the whole.

    Raises:
        ConfigError, StoreError: before anything is trained.
        TuningError: before it, if a stored run was looked at less often; at the end, if a tuning had no winner.
    """
    jobs, without = plan(all_overrides, compose), []
    config = jobs[0].config
    folder = Path(config.results_dir) / config.study.name
    store = Store(folder)
    announce(jobs, store.completed(), folder, *(("tuning ", ", then the winners' final runs") if config.tune else ()))
    if config.dry_run:
        check_runnable([job for job in jobs if job.pending(store.completed())], store.completed())
        from experiments.estimate import estimate  # JAX comes with it, after the first line

        return estimate(jobs, store.completed())
    if config.tune:
        stored_scores(jobs, store)  # what could not be scored in the end is refused before anything is trained
    provenance = origin("sweep")
    launch_missing(jobs, store, check_runnable, launch, provenance)
    if config.tune:
        final, without = final_jobs(jobs, store, compose)
        launch_missing(final, store, check_runnable, launch, provenance)
        jobs = [*jobs, *final]
    close(jobs, store, folder)
    if without:
        raise tuning.TuningError(f"no winner for {', '.join(without)}: every candidate diverged")


def close(jobs: Sequence[Job], store: Store, folder: Path) -> None:
    """The table of these jobs' runs, the figure of the whole study, and where everything is."""
    from experiments.figure2 import draw_figure2  # a second of imports, not needed before

    keys = {key for job in jobs for key in job.runs}
    keys |= {run_id(reference_config(job.config, name)) for job in jobs for name in REFERENCES}
    rows = store.runs()
    print(summary.table(rows[rows["run_id"].isin(keys)]), flush=True)
    has_test_run = ((rows["split"] == "test") & (rows["status"] == "completed") & (rows["phase"] != "tune")).any()
    figures = draw_figure2(rows, folder / "figures") if has_test_run else []
    for path in figures:
        say(f"figure {path}")
    say(f"results in {folder}/: runs.csv ({count(len(rows), 'row')}), curves.csv, ranks/")
