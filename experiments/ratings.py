"""python -m experiments.ratings: explicit ratings, predicted by every method of the report; rerun it to continue.

    python -m experiments.ratings dataset=ml-100k folds=random fold=1,2,3,4,5 method=biases,alternating

--help explains the command line; conf/ratings.yaml holds the keys and their defaults, conf/method/ those of each
method, experiments/tasks/rating what is different about this kind of run.
"""

from collections.abc import Sequence
from pathlib import Path

from experiments.cli.entry import EntryPoint
from experiments.cli.main import main as run
from experiments.cli.reader import write_files
from experiments.engine.closing import closing_table
from experiments.tasks.rating.task import TASK
from ncfjax.store import Store


def _holds_the_example(store: Store) -> bool:
    return bool((store.runs()["dataset"] == "worked-example").any())


def table(store: Store, run_ids: set[str]) -> str:
    """The errors of a study's runs, and the report's example step by step where it is among them."""
    closing = closing_table(TASK, store, run_ids)
    if not _holds_the_example(store):
        return closing
    from experiments.figures.worked_example import steps, text  # a second of imports, not needed by other studies

    return f"{text(steps())}\n\n{closing}"


def draw(store: Store) -> Sequence[Path]:
    """The report's example, where it is among a study's runs; the report draws the others."""
    if not _holds_the_example(store):
        return []
    from experiments.figures import panels, worked_example

    walk = worked_example.steps()
    drawn = panels.render(lambda: worked_example.draw(walk))
    files = {store.folder / "figures" / f"worked_example{suffix}": content for suffix, content in drawn.items()}
    write_files(files)
    return list(files)


ENTRY = EntryPoint(TASK, draw, table)


def main() -> None:
    run(ENTRY)


if __name__ == "__main__":
    main()
