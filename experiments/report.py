"""python -m experiments.report: one page of every claim, built from the tables alone.

    python -m experiments.report [results_dir=results]        results/REPORT.md, results/report.html

The study's headline table beside ours, the order of the methods under both protocols and its significance, metrics at
several k, corrected estimators, how much a weak evaluation moves a metric, then the figures of every study. Nothing is
trained. The last section names every table and what is missing or stale of it; report.html holds its figures.
"""

import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hydra.errors import HydraException
from jaxtyping import Integer
from omegaconf.errors import OmegaConfBaseException

from experiments import at_k, corrected, methods, plot, sources, weak_evaluation
from experiments.cli import compose_alone
from experiments.config import ConfigError
from experiments.contenders import Standing, standings
from experiments.jobs import count, say
from experiments.methods import Method
from experiments.page import to_html
from experiments.sources import Source
from ncfjax.store import Store
from ncfjax.table import StoreError

TITLE = "ncfjax: dot product or learned similarity?"
BASELINES = "baselines-ml-1m"


class Tables:
    """The tables under results_dir, each read once."""

    def __init__(self, results: Path):
        self.results = results

    @cached_property
    def standings(self) -> list[Standing]:
        return standings(self.results)

    @cached_property
    def methods(self) -> list[Method]:
        """Of the headline table, those that have rows.

        Raises ValueError where there are fewer than two.
        """
        found = [of.method for of in self.standings if len(of.rows)]
        if len(found) < 2:
            raise ValueError(f"expected rows of two or more methods, got {len(found)}")
        return found

    @cached_property
    def num_others(self) -> Integer[np.ndarray, " users"]:
        """Items that the full catalogue ranks against, per user; kept beside the ranks of every baseline.

        Raises ValueError where there is no row of a baseline.
        """
        for of in self.standings:
            if of.contender.study == BASELINES and len(of.rows):
                return of.store.ranks(of.rows["run_id"].iloc[0])["num_others"].astype(np.int64)
        raise ValueError(f"expected a row in {self.results / BASELINES}, got none")

    @cached_property
    def sources(self) -> list[Source]:
        return sources.sources(self.results, sources.asked())


class Section(NamedTuple):
    title: str
    about: str
    make: Callable[[Tables], str]  # Markdown


def _figure(name: str, study: str | None = None) -> Callable[[Tables], str]:
    """The table and the figure of `python -m experiments.plot NAME`, drawn anew; of another study where it is named."""

    def make(tables: Tables) -> str:
        figure, of_study = plot.FIGURES[name], "" if study is None else f" study={study}"
        store = Store(tables.results / (study or figure.study), figure.run_types)
        if not store.completed():
            raise ValueError(f"expected rows in {store.folder / 'runs.csv'}, got none")
        numbers, paths = figure.make(store, store.folder / "figures")
        picture = next((path for path in paths if path.suffix == ".png"), None)
        shown = f"![{name}]({picture.relative_to(tables.results).as_posix()})\n\n" if picture else ""
        rows = f"results/{store.folder.name}/runs.csv"
        return f"{shown}{numbers}\n\nRows: `{rows}`. Command: `python -m experiments.plot {name}{of_study}`."

    return make


def _at_k(tables: Tables) -> str:
    return "\n\n".join(at_k.table([*tables.methods, *at_k.of_figure2(tables.results)], of) for of in at_k.PROTOCOLS)


def _corrected(tables: Tables) -> str:
    found = {of: corrected.estimated(tables.methods, tables.num_others, of) for of in corrected.METRICS}
    return f"{corrected.errors_table(found)}\n\n{corrected.table(found)}"


SECTIONS = (
    Section(
        "The headline table",
        "MovieLens-1M, leave-one-out, 1 positive against 99 sampled candidates; `full` ranks the whole catalogue. "
        "Behind ± stands half a 95 % interval: over seeds beside `ours` (a method without a seed has none), over users "
        "beside it. Learned similarities at the sizes that were tuned here; the sizes of the published numbers are in "
        "the column source.",
        _figure("headline"),
    ),
    Section(
        "The order of the methods, and whether sampling changes it",
        "Paired per user, with intervals over users and seeds; a difference is the better one's less the other's.",
        lambda tables: methods.report(tables.methods),
    ),
    Section(
        "Other cut-offs",
        "Of every method and of all sizes of Figure 2, means over runs. With one held-out item per user recall@k is "
        "HR@k, and all three metrics agree at 1.",
        _at_k,
    ),
    Section(
        "What corrected estimators make of the sampled ranks",
        "From the same 99 candidates per user, the metrics of the full catalogue (Krichene and Rendle, KDD 2020): in "
        "brackets the error against the exact value. γ trades bias for variance, ranks are uniform a priori.",
        _corrected,
    ),
    Section(
        "What a weak evaluation is worth",
        "How far each weakness moves a metric of the same fitted model.",
        lambda tables: weak_evaluation.table(tables.results, tables.standings),
    ),
    Section("Figure 2: quality against embedding_dim", "", _figure("figure2")),
    Section("Learned similarities under an equal budget", "", _figure("equal_budget")),
    Section(
        "The same on a subset of Pinterest",
        "The first 37,501 users, with redrawn negatives: it does not compare with the paper.",
        _figure("equal_budget", "equal-budget-pinterest-u37501"),
    ),
    Section("NCF's own recipe", "", _figure("ncf_reference")),
    Section("Figure 3: learning a dot product with an MLP", "", _figure("figure3")),
    Section("A law of that gap", "", _figure("scaling")),
    Section("Distilling a recommender", "", _figure("distillation")),
    Section(
        "Where the numbers come from",
        "Every number above is computed from these tables: a row has its command, commit, device and seed, and its "
        "users' ranks lie beside it in ranks/.",
        lambda tables: sources.table(tables.sources),
    ),
)


def _text(section: Section, tables: Tables) -> str:
    try:
        body = section.make(tables)
    except (ValueError, StoreError) as error:
        body = f"**Missing**: {' '.join(str(error).split())}"
    return "\n\n".join(filter(None, [f"## {section.title}", section.about, body]))


def _state(found: Sequence[Source]) -> str:
    wrong = [f"`results/{of.folder}`" for of in found if of.states]
    not_whole = f"{', '.join(wrong)}: see the last section for what is missing or stale." if wrong else "All are whole."
    return f"Built by `python -m experiments.report` from {count(len(found), 'table')}. {not_whole}"


def report(tables: Tables) -> str:
    """The page in Markdown; its figures are drawn on the way.

    Raises:
        OSError: a figure cannot be written.
    """
    parts = []
    for number, section in enumerate(SECTIONS, start=1):
        say(f"{number} of {len(SECTIONS)}: {section.title}")
        parts.append(_text(section, tables))
    return "\n\n".join([f"# {TITLE}", _state(tables.sources), *parts]) + "\n"


def write(results: Path) -> list[Path]:
    """Writes both pages; returns their paths.

    Raises:
        ConfigError: no table at all.
        OSError: they cannot be written.
    """
    if not list(results.glob("*/runs.csv")):
        raise ConfigError(f"results_dir={results}: expected a folder with STUDY/runs.csv, got none")
    tables = Tables(results)
    text = report(tables)
    paths = [results / "REPORT.md", results / "report.html"]
    paths[0].write_text(text)
    paths[1].write_text(to_html(text, TITLE, results))
    num_wrong = sum(bool(of.states) for of in tables.sources)
    whole = f"{num_wrong} of them missing, incomplete or stale, as the last section says" if num_wrong else "all whole"
    say(f"{paths[0]} and {paths[1]}, from {count(len(tables.sources), 'table')}, {whole}")
    return paths


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, or 2 with one line on stderr."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    try:
        write(Path(str(compose_alone("report", arguments).results_dir)))
    except (ValueError, StoreError, HydraException, OmegaConfBaseException, OSError) as error:
        print(f"report: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
