"""One study from its jobs to its table: plan, check, launch what is missing, tune if asked, sum up.

Everything that can be refused is refused before the first job is launched: every job's configuration, the data sets,
the memory, the folder of the results.
"""

from collections.abc import Sequence
from functools import partial

from experiments.engine import models
from experiments.engine.checks import TuningError
from experiments.engine.closing import closing_table, where_it_is
from experiments.engine.estimate import estimate
from experiments.engine.jobs import Job, Launch, announce, check_runnable, launch_missing, make_job
from experiments.engine.names import check_names
from experiments.engine.processes import is_first, together
from experiments.engine.progress import log
from experiments.engine.provenance import origin
from experiments.engine.search import Space
from experiments.engine.task import Compose, Draw, Table, Task
from experiments.engine.trials import Search, known
from experiments.engine.tuning import final_jobs, stored_scores, tune_overrides
from ncfjax.store import Store


def plan(task: Task, all_overrides: Sequence[list[str]], compose: Compose) -> list[Job]:
    """The checked jobs of the first phase: the tuning jobs if the study tunes, else its own."""
    is_tuning = getattr(compose(all_overrides[0]), "tune", False)
    return [make_job(task, tune_overrides(o) if is_tuning else o, compose) for o in all_overrides]


def run_study(
    task: Task,
    all_overrides: Sequence[list[str]],
    compose: Compose,
    launch: Launch,
    arguments: Sequence[str],
    draw: Draw | None = None,
    table: Table | None = None,
    space: Space = (),
) -> None:
    """Runs what is missing of a study, given as the overrides of its jobs, and shows the whole.

    `arguments` are those of the command line, for the rows' `command`; `space` is what each job is searched over.

    Raises:
        ConfigError, StoreError: before anything is run.
        TuningError: before it, if a stored run was evaluated less often; at the end, if a tuning had no winner.
    """
    with together():
        search = Search(task, all_overrides, space, compose) if space else None
        jobs, without_winner = search.first() if search else plan(task, all_overrides, compose), []
        later = search.later() if search else []
        config, store = jobs[0].config, task.store(jobs[0].config)
        is_tuning = getattr(config, "tune", False)
        for told in check_names(task, [job.config for job in [*jobs, *later]], store):
            log(told)
        if search:
            jobs = known(search, store)
    announce(task, jobs, store)
    if config.dry_run:
        rest = {"what their scores decide"} if search else set()
        return estimate(task, jobs, models.completed(config, store), rest)
    if is_tuning:
        stored_scores(task, jobs, store)  # what could not be scored in the end is refused before anything is run
    provenance = origin(task.name, arguments)
    with together():
        if later:
            check_runnable(task, later, set())
    launch_missing(task, jobs, store, launch, provenance)
    if search:
        jobs = _searched(search, store, launch, provenance)
        without_winner = list(search.without_trials)
    if is_tuning:
        final, lost = final_jobs(task, jobs, store, compose)
        without_winner += lost
        launch_missing(task, final, store, launch, provenance)
        jobs = [*jobs, *final]
    close(task, jobs, store, draw, table)
    if without_winner:
        raise TuningError(f"no winner for {', '.join(without_winner)}: every candidate diverged")


def _searched(search: Search, store: Store, launch: Launch, provenance: dict[str, str]) -> list[Job]:
    """The jobs of all stages, run."""
    jobs: list[Job] = []
    for stage in search.stages(store):
        jobs += stage.jobs
        if any(job.pending(store.completed()) for job in stage.jobs):
            log(stage.what)
            launch_missing(search.task, stage.jobs, store, launch, provenance)
        search.forget(stage)
    for said in search.ends:
        log(said)
    return jobs


def close(task: Task, jobs: Sequence[Job], store: Store, draw: Draw | None, table: Table | None) -> None:
    """The table of these jobs' runs, in the engine's form or another, the figure of the study, and where all is."""
    run_ids = {run_id for job in jobs for run_id in job.runs}
    run_ids |= {run_id for job in jobs for run_id in task.reference_ids(job.config)}
    if not is_first():
        return
    rows = store.runs()
    print((table or partial(closing_table, task))(store, run_ids), flush=True)
    for path in draw(store) if draw else []:
        log(f"figure {path}")
    log(where_it_is(store, rows))
