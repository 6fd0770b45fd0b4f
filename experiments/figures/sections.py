"""The sections of the report, in order: what each asks, which tables it reads, how it becomes words and a figure."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from experiments.analysis.corrected import corrected, num_others
from experiments.analysis.cut_offs import cut_offs
from experiments.analysis.distillation import distilled_cells
from experiments.analysis.equal_budget import equal_budget
from experiments.analysis.figure3 import gap_cells
from experiments.analysis.methods import BASELINES, FIGURE2, figure2_methods, methods, with_rows
from experiments.analysis.orders import orders
from experiments.analysis.results import Results
from experiments.analysis.scaling_law import fitted_law
from experiments.analysis.weak_evaluation import moves
from experiments.figures import answers, distillation, evaluation, figure2, figure3, headline, ncf_protocol, scaling_law
from experiments.figures import equal_budget as budget
from experiments.figures import orders as order_tables
from experiments.figures.panels import render
from ncfjax.store import Store


class Section(NamedTuple):
    """Numbers are whatever `analyse` makes of the results and a study; both may raise ValueError and StoreError."""

    title: str
    about: str
    analyse: Callable[[Results, str], Any]
    tables: Callable[[Any], str]  # in Markdown
    name: str = ""  # of `python -m experiments.plot NAME`; with a figure
    study: str = ""  # below the folder of results; with a figure
    entry: str = "sweep"  # whose table the study's is
    draw: Callable[[Any], Figure | None] = lambda numbers: None
    question: str = ""
    answer: Callable[[Any], str] = lambda numbers: ""
    parts: Callable[[Any], dict[str, Any]] = lambda numbers: {"": numbers}  # what a figure's name ends with -> to draw

    def files(self, numbers: Any, folder: Path) -> dict[Path, bytes]:
        """Path -> content of the figures; the same numbers give the same bytes."""
        drawings = {end: render(partial(self.draw, part)) for end, part in self.parts(numbers).items() if self.name}
        return {folder / f"{self.name}{end}{kind}": f for end, files in drawings.items() for kind, f in files.items()}

    @property
    def command(self) -> str:
        is_usual = self.study == PLOTS[self.name].study
        return f"python -m experiments.plot {self.name}" + f" study={self.study}" * (not is_usual)


def _table(entry: str, analyse: Callable[[Store], Any]) -> Callable[[Results, str], Any]:
    return lambda results, study: analyse(results.store(study, entry))


def _corrected(results: Results, _: str) -> Any:
    run = with_rows(methods(results))
    return corrected(run, num_others(run))


_EQUAL_BUDGET = Section(
    "Learned similarities under an equal budget",
    "Every model and size is tuned on the holdout by as many runs, and only then looks at the test split.",
    _table("sweep", equal_budget), budget.tables, "equal_budget", "equal-budget-ml-1m", "sweep", budget.draw,
    "Is a dot product or a learned similarity better at equal budget?", answers.equal_budget,
)  # fmt: skip
SECTIONS = (
    Section(
        "The headline table",
        "MovieLens-1M, leave-one-out, 1 positive against 99 sampled candidates; `full` ranks the whole catalogue. "
        "Behind ± stands half a 95 % interval: over seeds beside `ours` (a method without a seed has none), over users "
        "beside it. Learned similarities at the sizes that were tuned here; the sizes of the published numbers stand "
        "beside their source.",
        lambda results, _: methods(results), headline.tables, "headline", BASELINES, "baselines", headline.draw,
        "Which method is best on MovieLens-1M?", answers.best_method,
    ),
    _EQUAL_BUDGET,
    _EQUAL_BUDGET._replace(
        title="The same on a subset of Pinterest", study="equal-budget-pinterest-u37501",
        about="The first 37,501 users, with redrawn negatives: it does not compare with the paper.",
        question="And on a subset of Pinterest?",
    ),
    Section(
        "Figure 2: quality against embedding_dim", "",
        _table("sweep", Store.runs), figure2.comparison, "figure2", FIGURE2, "sweep", figure2.draw_dataset,
        "Does the study's Figure 2 hold?", answers.figure2, figure2.by_dataset,
    ),
    Section(
        "The order of the methods, and whether sampling changes it",
        "Paired per user, with intervals over users and seeds; a difference is the better one's less the other's.",
        lambda results, _: orders(with_rows(methods(results))), order_tables.tables,
        question="Do sampled metrics change the order of the methods?", answer=answers.sampled_order,
    ),
    Section(
        "Other cut-offs",
        "Of every method and of all sizes of Figure 2, means over runs. With one held-out item per user recall@k is "
        "HR@k, and all three metrics agree at 1.",
        lambda results, _: cut_offs([*with_rows(methods(results)), *figure2_methods(results.store(FIGURE2, "sweep"))]),
        evaluation.cut_off_tables,
    ),
    Section(
        "What corrected estimators make of the sampled ranks",
        "From the same 99 candidates per user, the metrics of the full catalogue (Krichene and Rendle, KDD 2020): in "
        "brackets the error against the exact value. γ trades bias for variance, ranks are uniform a priori.",
        _corrected, evaluation.corrected_tables,
        question="Do corrected estimators mend sampled metrics?", answer=answers.correction,
    ),
    Section(
        "NCF's own recipe",
        "Test selection bias is what an epoch chosen on test adds over the epoch that the holdout chose, seed by seed.",
        _table("sweep", ncf_protocol.ncf_study), lambda study: ncf_protocol.protocol_table(study.reproductions),
        "ncf_reference", "ncf-reference-ml-1m", "sweep", ncf_protocol.draw,
        "What does an epoch chosen on test add?", lambda study: answers.selection_bias(study.reproductions),
    ),
    Section(
        "What a weak evaluation is worth", "How far each weakness moves a metric of the same fitted model.",
        lambda results, _: moves(results, methods(results)), evaluation.moves_table,
        question="What does a weak evaluation add?", answer=answers.weak_evaluation,
    ),
    Section(
        "Figure 3: learning a dot product with an MLP", "",
        _table("imitate", lambda store: gap_cells(store.runs())), figure3.gap_table, "figure3", "figure3", "imitate",
        figure3.draw, "Can an MLP learn a dot product?", answers.learned_dot_product,
    ),
    Section(
        "A law of that gap", "",
        _table("imitate", lambda store: fitted_law(store.runs())), scaling_law.law_table, "scaling",
        "figure3", "imitate", scaling_law.draw,
        "How does that gap fall with width and data?", answers.scaling_law,
    ),
    Section(
        "Distilling a recommender", "",
        _table("imitate", distilled_cells), distillation.distilled_table, "distillation", "distillation-ml-1m",
        "imitate", distillation.draw,
        "What is lost by distilling a dot product into an MLP?", answers.distillation,
    ),
)  # fmt: skip
PLOTS = {section.name: section for section in reversed(SECTIONS) if section.name}  # the first of a name
PLOTS = dict(reversed(PLOTS.items()))
