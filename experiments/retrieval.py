"""python -m experiments.retrieval: what it takes to find the items that a trained model scores highest.

    python -m experiments.retrieval dataset=ml-1m source=study source.folder=results/STUDY source.model=mlp search=svd

Searches every item, few of them, or a dot product's candidates, and says what is found, how fast and at what cost.
--help explains the command line; conf/retrieval.yaml holds the keys and their defaults, conf/search/ those of each
method, conf/source/ where models come from. Rerun a command to continue it. What else runs on the machine is timed too.
"""

from functools import cache
from pathlib import Path

from experiments.cli.entry import EntryPoint
from experiments.cli.main import main as run
from experiments.tasks.retrieval import origin
from experiments.tasks.retrieval.task import TASK
from ncfjax.store import Store

ENTRY = EntryPoint(TASK)


@cache
def _claimed(folder: Path) -> frozenset[str] | None:
    """Of the study that models come from."""
    from experiments.cli.claims import claimed_runs  # what plans jobs takes a second to import
    from experiments.sweep import ENTRY as SWEEP

    return claimed_runs(SWEEP, folder.name, Store(folder, SWEEP.task.all_columns))


origin.claimed = _claimed


def main() -> None:
    run(ENTRY)


if __name__ == "__main__":
    main()
