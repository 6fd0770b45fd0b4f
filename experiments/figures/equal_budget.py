"""Which similarity wins at which size, all tuned under one budget? Tables and a figure of such a study.

What is compared, and when someone wins, says analysis/equal_budget.py. What was tried on the holdout is counted,
diverged runs too, so that a reader sees whether the budget was equal.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.equal_budget import BASE, FREE_WEIGHTS, EqualBudget, TunedModel, tuned_settings, winner
from experiments.analysis.lines import model_name, setting_text
from experiments.analysis.pairwise import LEVEL, NO_DIFFERENCE, PairwiseTest, family_size
from experiments.figures import panels
from experiments.figures.markdown import comparison_cells, mean_text, p_text, plain, table
from ncfjax.evaluation.columns import COLUMNS

PAIRED = (
    "| embedding_dim | model | protocol | metric | difference to dot | 95 % interval | effect size | users won | lost "
    "| p | Wilcoxon | winner |"
)
_ABOUT_TESTS = (
    "p: of the mean difference, for other users and seeds. It and the p-value of Wilcoxon's test, which decides "
    "nothing, are corrected by Holm over the distinct comparisons in the same metric and protocol, {} each. No "
    "difference: the interval holds 0, or p >= {}."
)
WINNERS = "| embedding_dim | protocol | winner by HR@10 | winner by NDCG@10 |"


def tables(study: EqualBudget) -> str:
    """Quality, paired tests and winners, and what a reader has to know of each."""
    parts = [quality_table(study.models), _notes(study.models)]
    if study.tests or study.untested:
        about = _ABOUT_TESTS.format(_family_sizes(study), LEVEL)
        parts += [paired_table(study), about, winners_table(study)]
    return "\n\n".join(parts)


def quality_table(models: Sequence[TunedModel]) -> str:
    """Per size and model: metrics on test, what the holdout chose, and out of how much."""
    settings = tuned_settings(models)
    return table(quality_head(settings), [_quality(tuned, settings) for tuned in models])


def quality_head(settings: Sequence[str]) -> str:
    names = [column.label for column in COLUMNS.values()] + list(settings)
    return f"| embedding_dim | model | seeds | {' | '.join(names)} | tried on the holdout |"


def _quality(tuned: TunedModel, settings: Sequence[str]) -> list[object]:
    seeds = str(len(tuned)) + f" ({tuned.num_diverged} diverged)" * (tuned.num_diverged > 0)
    cells = [None] * (len(COLUMNS) + len(settings))
    for row in tuned.rows.head(1).to_dict("records"):
        chosen = [None if pd.isna(row[name]) else setting_text(row[name]) for name in settings]
        cells = [mean_text(tuned.mean(column)) for column in COLUMNS] + chosen
    return [tuned.embedding_dim, tuned.name, seeds, *cells, budget_text(tuned)]


def budget_text(tuned: TunedModel) -> str:
    epochs = " or ".join(str(n) for n in sorted(tuned.tried["num_epochs"].unique()))
    return f"{len(tuned.tried)} runs of {epochs} epochs" if len(tuned.tried) else "nothing"


def _notes(models: Sequence[TunedModel]) -> str:
    """The budgets, what a name means, and what the rows themselves note: that they do not compare, perhaps."""
    budgets = sorted({budget_text(tuned) for tuned in models})
    notes = [f"One budget for all: each row was chosen on the holdout out of {budgets[0]}."]
    if len(budgets) > 1:
        notes = [f"The budgets differ: {'; '.join(budgets)}."]
    if any(tuned.free_weights for tuned in models):
        notes.append("Weights free: the penalty is on the embeddings alone, not on the similarity's own weights.")
    return " ".join([*notes, *map(plain, _row_notes(models))])


def _row_notes(models: Sequence[TunedModel]) -> list[str]:
    data, rows = panels.dataset_title(models[0].dataset), pd.concat([tuned.rows for tuned in models])
    return [f"Data: {data}; {note}." for note in rows["note"].unique() if note]


def paired_table(study: EqualBudget) -> str:
    """The tests by size and model; a model that has none says why."""
    rows = [(test.ours.order, _paired(test)) for test in study.tests]
    for tuned in study.untested:
        why = f"no {BASE} of this size" if len(tuned) else "no completed run"
        rows.append((tuned.order, [tuned.embedding_dim, tuned.name, *[None] * (PAIRED.count("|") - 4), why]))
    return table(PAIRED, [cells for _, cells in sorted(rows, key=lambda row: row[0])])


def _family_sizes(study: EqualBudget) -> str:
    sizes = {family_size([test for test in study.tests if test.column == column]) for column in COLUMNS}
    return " or ".join(map(str, sorted(sizes)))


def _paired(test: PairwiseTest) -> list[object]:
    column, tests = COLUMNS[test.column], [p_text(test.p_value), p_text(test.wilcoxon), test.winner]
    names = [test.ours.embedding_dim, test.ours.name, column.protocol, column.name]
    return [*names, *comparison_cells(test.comparison), *tests]


def winners_table(study: EqualBudget) -> str:
    """Per size and protocol: the dot product, a learned similarity, or no difference."""
    rows = []
    for dim in sorted({tuned.embedding_dim for tuned in [*(test.ours for test in study.tests), *study.untested]}):
        for protocol in ("sampled", "full"):
            columns = [name for name, column in COLUMNS.items() if column.protocol == protocol]
            sizes = [[t for t in study.tests if (t.ours.embedding_dim, t.column) == (dim, c)] for c in columns]
            rows.append([dim, protocol, *(winner(tests) if tests else "not tested" for tests in sizes)])
    return table(WINNERS, rows)


def draw(study: EqualBudget) -> Figure:
    """Four panels of the differences to the dot product of the same size, one colour per model."""
    dims = sorted({test.ours.embedding_dim for test in study.tests})
    kinds = sorted({test.ours.order[1:] for test in study.tests})  # model, pretrained, free weights
    (figure, by_column), labels = panels.metric_panels(), []
    for column, axes in by_column.items():
        tests = [test for test in study.tests if test.column == column]
        for kind, shift in zip(kinds, panels.shifts(len(kinds)), strict=True):
            labels.append(_draw_model(axes, [test for test in tests if test.ours.order[1:] == kind], shift))
        if tests:
            axes.axhline(0.0, color="black", lw=1.2, label="dot product of the same size", zorder=2)
        panels.finish(axes, COLUMNS[column].title, dims)
    name = panels.dataset_title(study.models[0].dataset)
    title = f"{name}: learned similarity less dot product of the same size, equally tuned"
    return panels.complete(figure, title, labels, "\n".join([_note(study), *_row_notes(study.models)]))


def shown_name(tuned: TunedModel) -> str:
    return model_name(tuned.model, tuned.pretrained) + FREE_WEIGHTS * tuned.free_weights


def line_style(tuned: TunedModel) -> dict[str, str]:
    """Of a similarity in every figure of tuned models; dashed where its own weights have no penalty."""
    style = panels.similarity_style(model_name(tuned.model, tuned.pretrained))
    return style | {"ls": "--" if tuned.free_weights else "-"}


def _draw_model(axes: Axes, tests: Sequence[PairwiseTest], shift: float) -> str:
    """Differences with their intervals over the size, markers filled where there is a winner; returns the label."""
    low, means, high = np.array([(c.low, c.difference, c.high) for c in (test.comparison for test in tests)]).T
    dims = np.array([test.ours.embedding_dim * shift for test in tests])
    ours = tests[0].ours
    style, label = line_style(ours), shown_name(ours)
    axes.errorbar(dims, means, [means - low, high - means], **style, mfc="white", capsize=5, label=label, zorder=3)
    is_won = np.array([test.winner != NO_DIFFERENCE for test in tests])
    axes.plot(dims[is_won], means[is_won], **style | {"ls": "none"}, zorder=4)
    return label


def _note(study: EqualBudget) -> str:
    notes = []
    if study.tests:
        notes.append(f"95 % interval over users and seeds; an open marker: it holds 0, or the corrected p >= {LEVEL}.")
    if study.untested:
        names = ", ".join(tuned.label for tuned in study.untested)
        notes.append(f"Not drawn, without a dot product of the same size or a completed run: {names}.")
    return "\n".join(notes)
