"""python -m experiments.plot FIGURE study=NAME: draws a figure from the tables of a study, finished or half-finished.

    python -m experiments.plot figure2 study=figure2-ml-1m      results/figure2-ml-1m/figures/figure2.png and .svg

FIGURE is figure2: HR@10 and NDCG@10 against embedding_dim, beside the paper's points (experiments/figure2.py).
It also prints the table of paper, ours, difference and interval (experiments/comparison.py).
What follows are Hydra overrides of conf/plot.yaml: study, the folder under results_dir, and results_dir.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
import pandas as pd
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.comparison import comparison
from experiments.config import CONF, ConfigError, nearest
from experiments.figure2 import draw_figure2
from ncfjax.store import Store
from ncfjax.table import StoreError

FIGURES: dict[str, Callable[[pd.DataFrame, Path], list[Path]]] = {"figure2": draw_figure2}


def _compose(overrides: Sequence[str]) -> DictConfig:
    # Without conf/ as a search path: there `study` is a group of the sweep, here it is a key.
    ConfigStore.instance().store("plot", OmegaConf.load(CONF / "plot.yaml"))
    with hydra.initialize(config_path=None, version_base="1.3"):
        keys = list(hydra.compose("plot"))
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            if override.key_or_group not in keys:
                raise ConfigError(f"{override.key_or_group}: no such key, {nearest(override.key_or_group, keys)}")
        return hydra.compose("plot", overrides=list(overrides))


def _read_runs(config: DictConfig) -> tuple[pd.DataFrame, Path]:
    """The rows of the study, and its folder."""
    results = Path(str(config.results_dir))
    studies = sorted(path.parent.name for path in results.glob("*/runs.csv"))
    if not studies:
        raise ConfigError(f"results_dir={results}: expected a folder with STUDY/runs.csv, got none")
    study = "" if OmegaConf.is_missing(config, "study") else str(config.study)
    if study not in studies:
        raise ConfigError(f"study={study}: no such table in {results}, {nearest(study, studies)}")
    runs = Store(results / study).runs()
    if runs.empty:
        raise ConfigError(f"{results / study / 'runs.csv'}: expected runs, got none yet")
    return runs, results / study


def draw(arguments: Sequence[str]) -> tuple[str, list[Path]]:
    """Draws what the command line asks for; also the numbers of the figure beside the paper's, where there are any.

    Raises:
        ValueError, StoreError, HydraException, OmegaConfBaseException, OSError: whatever is wrong with it.
    """
    name = next(iter(arguments), "")
    if name not in FIGURES:
        raise ConfigError(f"figure {name!r}: no such figure, {nearest(name, FIGURES)}")
    runs, folder = _read_runs(_compose(arguments[1:]))
    return comparison(runs), FIGURES[name](runs, folder / "figures")


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
    print(" ".join(map(str, paths)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
