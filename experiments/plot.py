"""python -m experiments.plot FIGURE [study=NAME]: the numbers and the figure of a study, finished or half-finished.

    python -m experiments.plot headline         all methods beside the paper's, and their order under both protocols
    python -m experiments.plot figure2          HR@10 and NDCG@10 against embedding_dim, beside the paper's points
    python -m experiments.plot figure3          an MLP's error minus the dot product's, beside the paper's points
    python -m experiments.plot scaling          a law of that error: how it falls with width and with pairs
    python -m experiments.plot distillation     what is lost where a network ranks in place of the dot model it learned
    python -m experiments.plot equal_budget     learned similarities against the dot product of their size, tests too
    python -m experiments.plot ncf_reference    NCF's recipe, and what choosing the epoch on test adds to it

Each prints its table in Markdown and writes results_dir/study/figures/FIGURE.png and .svg (experiments/FIGURE.py). The
study is baselines-ml-1m (headline reads those beside it too), figure2-ml-1m, figure3 (of scaling too),
distillation-ml-1m, equal-budget-ml-1m or ncf-reference-ml-1m unless it is named. What follows are Hydra overrides of
conf/plot.yaml: study, the folder under results_dir, and results_dir.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from experiments.cli import compose_alone
from experiments.comparison import comparison
from experiments.config import ConfigError, nearest
from experiments.distillation import distillation
from experiments.equal_budget import equal_budget
from experiments.figure2 import draw_figure2
from experiments.figure3 import draw_figure3, table
from experiments.headline import headline
from experiments.ncf_reference import ncf_reference
from experiments.scaling import scaling
from ncfjax.store import BASELINE_TYPES, IMITATION_TYPES, RUN_TYPES, Store
from ncfjax.table import StoreError


class Figure(NamedTuple):
    study: str  # where none is named
    make: Callable[[Store, Path], tuple[str, list[Path]]]  # of the study and a folder: its numbers, the files written
    run_types: Mapping[str, type] = RUN_TYPES  # of the columns of its runs.csv


def figure2(store: Store, folder: Path) -> tuple[str, list[Path]]:
    """Also the numbers beside the paper's, where there are any."""
    runs = store.runs()
    return comparison(runs), draw_figure2(runs, folder)


def figure3(store: Store, folder: Path) -> tuple[str, list[Path]]:
    """Also all cells beside the paper's."""
    runs = store.runs()
    return table(runs), draw_figure3(runs, folder)


FIGURES = {
    "headline": Figure("baselines-ml-1m", headline, BASELINE_TYPES),
    "figure2": Figure("figure2-ml-1m", figure2),
    "figure3": Figure("figure3", figure3, IMITATION_TYPES),
    "scaling": Figure("figure3", scaling, IMITATION_TYPES),
    "distillation": Figure("distillation-ml-1m", distillation, IMITATION_TYPES),
    "equal_budget": Figure("equal-budget-ml-1m", equal_budget),
    "ncf_reference": Figure("ncf-reference-ml-1m", ncf_reference),
}


def _open(config: DictConfig, figure: Figure) -> Store:
    """The tables of the study, which hold a run."""
    results = Path(str(config.results_dir))
    studies = sorted(path.parent.name for path in results.glob("*/runs.csv"))
    if not studies:
        raise ConfigError(f"results_dir={results}: expected a folder with STUDY/runs.csv, got none")
    study = figure.study if config.study is None else str(config.study)
    if config.study is None and study not in studies:
        raise ConfigError(
            f"{results / study / 'runs.csv'}: no such table: run a study that makes it (conf/study), or name one of "
            f"{', '.join(studies)} by study="
        )
    if study not in studies:
        raise ConfigError(f"study={study}: no such table in {results}, {nearest(study, studies)}")
    store = Store(results / study, figure.run_types)
    if not store.completed():
        raise ConfigError(f"{results / study / 'runs.csv'}: expected runs, got none yet")
    return store


def draw(arguments: Sequence[str]) -> tuple[str, list[Path]]:
    """Draws what the command line asks for; returns its numbers in Markdown and the files written.

    Raises:
        ValueError, StoreError, HydraException, OmegaConfBaseException, OSError: whatever is wrong with it.
    """
    name = next(iter(arguments), "")
    if name not in FIGURES:
        raise ConfigError(f"figure {name!r}: no such figure, {nearest(name, FIGURES)}")
    figure = FIGURES[name]
    store = _open(compose_alone("plot", arguments[1:]), figure)
    try:
        return figure.make(store, store.folder / "figures")
    except ValueError as error:
        raise ValueError(f"{name} of {store.folder / 'runs.csv'}: {error}") from error


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, or 2 with one line on stderr."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    try:
        numbers, paths = draw(arguments)
    except (ValueError, StoreError, HydraException, OmegaConfBaseException, OSError) as error:
        print(f"plot: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    if numbers:
        print(numbers)
    if paths:
        print(" ".join(map(str, paths)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
