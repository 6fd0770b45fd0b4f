"""The sections of the report (sections.yaml): how the tables that each reads become numbers, words and a figure."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from experiments.analysis.corrected import corrected
from experiments.analysis.cut_offs import cut_offs
from experiments.analysis.data_file import read
from experiments.analysis.distillation import distilled_cells
from experiments.analysis.equal_budget import equal_budget
from experiments.analysis.figure3 import gap_cells
from experiments.analysis.methods import FIGURE2, figure2_methods, methods, with_rows
from experiments.analysis.ncf_protocol import reproductions
from experiments.analysis.orders import orders
from experiments.analysis.published import sources
from experiments.analysis.ratings import rated_data
from experiments.analysis.report_leak import leaked_models
from experiments.analysis.results import Results
from experiments.analysis.retrieval import catalogues
from experiments.analysis.scaling_law import fitted_law
from experiments.analysis.weak_evaluation import moves
from experiments.figures import (
    answers,
    distillation,
    evaluation,
    figure2,
    figure3,
    headline,
    ncf_protocol,
    ratings,
    report_leak,
    retrieval,
    retrieval_scale,
    scaling_law,
    verdict,
)
from experiments.figures import equal_budget as budget
from experiments.figures import orders as order_tables
from experiments.figures.panels import render
from ncfjax.store import Store


class Kind(NamedTuple):
    """Numbers are whatever `analyse` makes of the results and a study; it and `answer` may raise ValueError."""

    analyse: Callable[[Results, Store | None], Any]
    tables: Callable[[Any], str]  # in Markdown
    answer: Callable[[Any], str] = lambda numbers: ""
    draw: Callable[[Any], Figure | None] = lambda numbers: None
    parts: Callable[[Any], dict[str, Any]] = lambda numbers: {"": numbers}  # what a figure's name ends with -> to draw


def _of_study(analyse: Callable[[Store], Any]) -> Callable[[Results, Store], Any]:
    return lambda _, store: analyse(store)


def _of_runs(analyse: Callable[[pd.DataFrame], Any]) -> Callable[[Results, Store], Any]:
    return lambda _, store: analyse(store.runs())


def _of_methods(analyse: Callable[[list], Any]) -> Callable[[Results, Any], Any]:
    return lambda results, _: analyse(with_rows(methods(results)))


def _cut_offs(results: Results, _: Any) -> Any:
    return cut_offs([*with_rows(methods(results)), *figure2_methods(results.store(FIGURE2, "sweep"))])


KINDS = {
    "verdict": Kind(_of_study(verdict.verdict), verdict.tables, verdict.answer, verdict.draw, verdict.parts),
    "headline": Kind(lambda results, _: methods(results), headline.tables, answers.best_method, headline.draw),
    "equal_budget": Kind(_of_study(equal_budget), budget.tables, answers.equal_budget, budget.draw),
    "figure2": Kind(
        _of_runs(lambda runs: runs), figure2.comparison, answers.figure2, figure2.draw_dataset, figure2.by_dataset
    ),
    "orders": Kind(_of_methods(orders), order_tables.tables, answers.sampled_order),
    "cut_offs": Kind(_cut_offs, evaluation.cut_off_tables),
    "corrected": Kind(_of_methods(corrected), evaluation.corrected_tables, answers.correction),
    "ncf_protocol": Kind(
        _of_study(reproductions), ncf_protocol.protocol_table, answers.selection_bias, ncf_protocol.draw
    ),
    "weak_evaluation": Kind(lambda results, _: moves(results), evaluation.moves_table, answers.weak_evaluation),
    "figure3": Kind(_of_runs(gap_cells), figure3.gap_table, answers.learned_dot_product, figure3.draw),
    "scaling_law": Kind(_of_runs(fitted_law), scaling_law.law_table, answers.scaling_law, scaling_law.draw),
    "distillation": Kind(
        _of_study(distilled_cells), distillation.distilled_table, answers.distillation, distillation.draw
    ),
    "ratings": Kind(_of_study(rated_data), ratings.tables, ratings.answer, ratings.draw, ratings.parts),
    "retrieval": Kind(
        _of_study(lambda store: retrieval.retrieval(catalogues(store))),
        retrieval.tables,
        retrieval.answer,
        retrieval.draw,
    ),
    "retrieval_scale": Kind(
        _of_study(catalogues), retrieval_scale.tables, retrieval_scale.answer, retrieval_scale.draw
    ),
    "report_leak": Kind(_of_study(leaked_models), report_leak.leak_table, report_leak.answer, report_leak.draw),
}


class Section(NamedTuple):
    kind: str  # of KINDS
    title: str
    about: str = ""
    question: str = ""
    name: str = ""  # of `python -m experiments.plot NAME`; with a figure
    study: str = ""  # below the folder of results; with a figure
    entry: str = "sweep"  # whose table the study's is

    def analyse(self, results: Results, study: str) -> Any:
        """Its numbers.

        Raises:
            ValueError, StoreError: the tables hold too little, or cannot be read.
        """
        return KINDS[self.kind].analyse(results, results.store(study, self.entry) if study else None)

    def tables(self, numbers: Any) -> str:
        """In Markdown, with the sources of published numbers below them."""
        tables, texts = KINDS[self.kind].tables(numbers), sources().get(self.kind)
        return f"{tables}\n\nPublished numbers: {'. '.join(texts)}." if tables and texts else tables

    def answer(self, numbers: Any) -> str:
        return KINDS[self.kind].answer(numbers)

    def files(self, numbers: Any, folder: Path) -> dict[Path, bytes]:
        """Path -> content of the figures; the same numbers give the same bytes."""
        kind = KINDS[self.kind]
        parts = kind.parts(numbers) if self.name else {}
        drawings = [(end, render(partial(kind.draw, part))) for end, part in parts.items()]
        return {folder / f"{self.name}{end}{suffix}": f for end, files in drawings for suffix, f in files.items()}

    @property
    def command(self) -> str:
        is_usual = self.study == PLOTS[self.name].study
        return f"python -m experiments.plot {self.name}" + f" study={self.study}" * (not is_usual)


SECTIONS = read(Path(__file__).with_name("sections.yaml"), list[Section])
PLOTS: dict[str, Section] = {}  # the first of a name
for section in SECTIONS:
    if section.name:
        PLOTS.setdefault(section.name, section)
