"""python -m experiments.sweep: every run of a sweep, trained, evaluated and tabulated; rerun it to continue.

    python -m experiments.sweep dataset=ml-1m model.embedding_dim=16,32 grid.learning_rate=0.001,0.002 grid.seed=0,1,2

--help explains the command line; conf/sweep.yaml holds the keys and their defaults, experiments/tasks/recommender what
is different about this kind of run.
"""

from collections.abc import Sequence
from pathlib import Path

from experiments.cli.entry import EntryPoint
from experiments.cli.main import main as run
from experiments.cli.reader import write_files
from experiments.engine.progress import log
from experiments.tasks.recommender.task import TASK
from ncfjax.store import Store


def draw(store: Store) -> Sequence[Path]:
    """The study's Figure 2, of the runs that were scored on test so far."""
    from experiments.entries import claims_in  # a second of imports, not needed before
    from experiments.figures.sections import PLOTS

    results = claims_in(store.folder.parent)
    runs = results.store(store.folder.name, "sweep").runs()
    if results.ignored:
        log(f"figure: {results.ignored}")
    if not ((runs["split"] == "test") & (runs["status"] == "completed") & (runs["phase"] != "tune")).any():
        return []
    files = PLOTS["figure2"].files(runs, store.folder / "figures")
    write_files(files)
    return list(files)


ENTRY = EntryPoint(TASK, draw)


def main() -> None:
    run(ENTRY)


if __name__ == "__main__":
    main()
