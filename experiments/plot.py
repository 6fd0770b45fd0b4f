"""python -m experiments.plot NAME [study=STUDY]: the numbers and the figure of a study, finished or half-finished.

{}

Each prints its tables in Markdown and writes results_dir/STUDY/figures/NAME.png and .svg. The study is the one in
brackets unless it is named (headline reads those beside it too). What follows are Hydra overrides of conf/plot.yaml:
study, the folder under results_dir, and results_dir.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.analysis.results import Results
from experiments.cli.compose import compose_alone
from experiments.cli.reader import expect_folders, run, write_files
from experiments.engine.checks import ConfigError
from experiments.entries import open_results
from ncfjax.keys import nearest

if TYPE_CHECKING:
    from experiments.figures.sections import Section


def _help() -> str:
    from experiments.figures.sections import PLOTS

    lines = [f"    python -m experiments.plot {name:14} {p.question} [{p.study}]" for name, p in PLOTS.items()]
    return __doc__.format("\n".join(lines))


def _study(results: Results, section: "Section", named: str | None) -> str:
    """The name of the study, which holds a run."""
    studies, study = results.studies(), section.study if named is None else str(named)
    table = results.folder / study / "runs.csv"
    if named is None and study not in studies:
        raise ConfigError(
            f"{table}: no such table: run a study that makes it (conf/study), or name one of {', '.join(studies)} by "
            "study="
        )
    if study not in studies:
        raise ConfigError(f"study={study}: no such table in {results.folder}, {nearest(study, studies)}")
    if not results.store(study, section.entry).completed():
        raise ConfigError(f"{table}: expected runs, got none yet")
    return study


def plot(arguments: Sequence[str]) -> None:
    """Prints and draws what the command line asks for.

    Raises:
        ValueError, StoreError, HydraException, OmegaConfBaseException, OSError: whatever is wrong with it.
    """
    # It imports JAX, which ends in an error of its own where the environment is wrong.
    from experiments.figures.sections import PLOTS

    name = next(iter(arguments), "")
    if name not in PLOTS:
        raise ConfigError(f"figure {name!r}: no such figure, {nearest(name, PLOTS)}")
    section, config = PLOTS[name], compose_alone("plot", arguments[1:], ["study"], ["results_dir"])
    results = open_results(config["results_dir"])
    study = _study(results, section, config["study"])
    results, folder = results.reading(), results.folder / study
    expect_folders([folder / "figures"])
    try:
        numbers = section.analyse(results, study)
        tables, files = section.tables(numbers), section.files(numbers, folder / "figures")
    except ValueError as error:
        because = f". {results.ignored}" if results.ignored else ""
        raise ValueError(f"{name} of {folder / 'runs.csv'}: {error}{because}") from error
    write_files(files)
    for text in (tables, results.ignored, " ".join(map(str, files))):
        if text:
            print(text)


def main(arguments: Sequence[str]) -> int:
    return run("plot", _help, arguments, plot)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
