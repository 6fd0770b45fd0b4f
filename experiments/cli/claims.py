"""Which rows of a result table are those of its claims: the runs that the studies of conf/ ask for, and what follows.

A run_id is the hash of a whole configuration, so rows are chosen by all that defines a claim: what differs in any of it
is another run.
"""

from experiments.cli.compose import checked_jobs
from experiments.cli.entry import EntryPoint, options
from experiments.cli.studies import claimed_data, claimed_jobs, folder_of
from experiments.engine.checks import TuningError
from experiments.engine.tuning import final_jobs
from ncfjax.store import Store


def claimed_runs(entry: EntryPoint, folder: str, table: Store) -> frozenset[str] | None:
    """The run_ids of all that the studies of one folder ask for, and of what follows from it: the references, and the
    final runs of the winners that the stored tuning has. None: no study of conf/ has the folder."""
    studies = [study for study in options(entry.task)["study"] if folder_of(entry.task, study) == folder]
    if not studies or folder == entry.name:
        return None
    return frozenset().union(*(_claimed_by(entry, study, table) for study in studies))


def _claimed_by(entry: EntryPoint, study: str, table: Store) -> set[str]:
    task, results_dir = entry.task, str(table.folder.parent)
    jobs = claimed_jobs(entry, study, results_dir)
    if jobs and getattr(jobs[0].config, "tune", False):
        compose = checked_jobs(entry, f"+study={study}", *claimed_data(results_dir))
        try:
            jobs = [*jobs, *final_jobs(task, jobs, table, compose, say=lambda line: None)[0]]
        except TuningError:  # its tuning cannot be scored, so nothing follows from it
            pass
    references = {run_id for job in jobs for run_id in task.reference_ids(job.config)}
    return references | {run_id for job in jobs for run_id in job.runs}
