"""python -m experiments.report: one page of every claim, built from the tables alone.

    python -m experiments.report [results_dir=results]        results/REPORT.md, results/report.html

Every question with its answer, then the figures, then all tables: the study's headline table beside ours, the order of
the methods under both protocols and its significance, metrics at several k, corrected estimators, how much a weak
evaluation moves a metric. Nothing is trained. The last section names every table and what is missing or stale of it;
report.html holds its figures.
"""

import sys
from collections import defaultdict
from collections.abc import Sequence

from experiments.cli.compose import compose_alone
from experiments.cli.reader import expect_folders, run, write_files
from experiments.engine.progress import log, pluralize
from experiments.engine.provenance import version
from experiments.entries import entry_points, open_results


def _expected(results_dir: str) -> dict[tuple[str, str], dict[str, frozenset[str]]]:
    """What every study of conf/ stores, table by table."""
    from experiments.cli.studies import expected_runs

    tables: dict[tuple[str, str], dict[str, frozenset[str]]] = defaultdict(dict)
    for runs in expected_runs(entry_points(), results_dir):
        tables[runs.entry, runs.study][runs.command] = runs.run_ids
    return tables


def build(arguments: Sequence[str]) -> None:
    """Writes both pages and their figures.

    Raises:
        ConfigError: no table at all.
        StoreError, HydraException, OmegaConfBaseException, OSError: they cannot be read or written.
    """
    # They import JAX, which ends in an error of its own where the environment is wrong.
    from experiments.analysis.tables import table_states
    from experiments.figures.html import to_html
    from experiments.figures.page import TITLE, report
    from experiments.figures.sections import SECTIONS

    results = open_results(compose_alone("report", arguments, paths=["results_dir"])["results_dir"])
    expect_folders([results.folder, *(results.folder / study / "figures" for study in results.studies())])
    states = table_states(results, _expected(str(results.folder)), version())
    text, figures = report(results, SECTIONS, states, version(), log)
    page = to_html(text, TITLE, lambda path: figures[results.folder / path])
    paths = [results.folder / "REPORT.md", results.folder / "report.html"]
    write_files(figures | {paths[0]: text.encode(), paths[1]: page.encode()})
    num_wrong = sum(not state.is_whole for state in states)
    whole = f"{num_wrong} of them missing, incomplete or stale, as the last section says" if num_wrong else "all whole"
    log(f"{paths[0]} and {paths[1]}, from {pluralize(len(states), 'table')}, {whole}")


def main(arguments: Sequence[str]) -> int:
    return run("report", lambda: __doc__, arguments, build)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
