"""Which similarity wins at which size, all tuned under one budget? Tables and a figure of such a study.

    python -m experiments.plot equal_budget           results/equal-budget-ml-1m/figures/equal_budget.png and .svg

What is compared, and when someone wins, says duels.py; mean and interval of the quality over seeds, lines.py. What was
tried on the holdout is counted, diverged runs too, so that a reader sees whether the budget was equal.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.columns import COLUMNS
from experiments.comparison import markdown, signed, text
from experiments.duels import BASE, FREE_WEIGHTS, LEVEL, NO_DIFFERENCE, Duel, Tuned, duels, tuned, unpaired, winner
from experiments.lines import estimate, name_of
from experiments.panels import DATASETS, add_legend, add_note, finish, look, save, shifts, slide
from ncfjax.store import Store

QUALITY = (
    "| embedding_dim | model | seeds | HR@10 | NDCG@10 | full HR@10 | full NDCG@10 | learning_rate | regularization "
    "| num_epochs | tried on the holdout |"
)
PAIRED = (
    "| embedding_dim | model | protocol | metric | difference to dot | 95 % interval | effect size | users won | lost "
    "| p, corrected | winner |"
)
WINNERS = "| embedding_dim | protocol | winner by HR@10 | winner by NDCG@10 |"


def equal_budget(store: Store, folder: Path) -> tuple[str, list[Path]]:
    """The tables in Markdown, and the paths of equal_budget.png and .svg, the same bytes for the same tables.

    Raises:
        ValueError, StoreError, OSError: see `tuned`, `duels` and `save`.
    """
    models = tuned(store.runs())
    found = duels(store, models)
    return tables(models, found), save(folder / "equal_budget", lambda: draw(models, found))


# ---- tables


def tables(models: Sequence[Tuned], found: Sequence[Duel]) -> str:
    """Quality, paired tests and winners, and what a reader has to know of each."""
    parts, alone = [quality_table(models), _notes(models)], unpaired(models, found)
    if found or alone:
        parts += [paired_table(found, alone), _tests(found), winners_table(found, alone)]
    return "\n\n".join(parts)


def _tests(found: Sequence[Duel]) -> str:
    number = len(found) // len(COLUMNS)
    return (
        f"p: Wilcoxon's signed-rank test, corrected by Holm over the comparisons in the same metric and protocol, "
        f"{number} each. No difference: the interval holds 0, or p >= {LEVEL}."
    )


def quality_table(models: Sequence[Tuned]) -> str:
    """Per size and model: metrics on test, what the holdout chose, and out of how much."""
    return markdown(QUALITY, [_quality(of) for of in models])


def _quality(of: Tuned) -> list[str]:
    seeds = str(len(of.rows)) + f" ({of.num_diverged} diverged)" * (of.num_diverged > 0)
    cells = [""] * (len(COLUMNS) + 3)
    if len(of.rows):
        row = of.rows.iloc[0]
        chosen = [f"{row['learning_rate']:g}", f"{row['regularization']:g}", str(row["num_epochs"])]
        cells = [text(estimate(of.rows[column].to_numpy(float))) for column in COLUMNS] + chosen
    return [str(of.embedding_dim), of.name, seeds, *cells, _budget(of)]


def _budget(of: Tuned) -> str:
    epochs = " or ".join(str(n) for n in sorted(of.tried["num_epochs"].unique()))
    return f"{len(of.tried)} runs of {epochs} epochs" if len(of.tried) else "nothing"


def _notes(models: Sequence[Tuned]) -> str:
    """The budgets, what a name means, and what the rows themselves note: that they do not compare, perhaps."""
    budgets = sorted({_budget(of) for of in models})
    notes = [f"One budget for all: each row was chosen on the holdout out of {budgets[0]}."]
    if len(budgets) > 1:
        notes = [f"The budgets differ: {'; '.join(budgets)}."]
    if any(of.free_weights for of in models):
        notes.append("Weights free: the penalty is on the embeddings alone, not on the similarity's own weights.")
    return " ".join([*notes, *_row_notes(models)])


def _row_notes(models: Sequence[Tuned]) -> list[str]:
    data, rows = DATASETS.get(models[0].dataset, models[0].dataset), pd.concat([of.rows for of in models])
    return [f"Data: {data}; {note}." for note in rows["note"].unique() if note]


def paired_table(found: Sequence[Duel], alone: Sequence[Tuned]) -> str:
    """The tests by size and model; a model that has none says why."""
    table = [(duel.ours.order, _paired(duel)) for duel in found]
    empty = [""] * (PAIRED.count("|") - 4)
    for of in alone:
        why = f"no {BASE} of this size" if len(of.rows) else "no completed run"
        table.append((of.order, [str(of.embedding_dim), of.name, *empty, why]))
    return markdown(PAIRED, [cells for _, cells in sorted(table, key=lambda row: row[0])])


def _paired(duel: Duel) -> list[str]:
    column, result = COLUMNS[duel.column], duel.comparison
    cells = [str(duel.ours.embedding_dim), duel.ours.name, column.protocol, column.name, signed(result.difference)]
    cells += [f"{signed(result.low)} to {signed(result.high)}", signed(result.effect_size, 3)]
    p_value = f"{duel.p_value:.3f}" if duel.p_value >= 0.001 else f"{duel.p_value:.1e}"
    return [*cells, str(result.wins), str(result.losses), p_value, duel.winner]


def winners_table(found: Sequence[Duel], alone: Sequence[Tuned]) -> str:
    """Per size and protocol: the dot product, a learned similarity, or no difference."""
    dims = sorted({of.embedding_dim for of in [*(duel.ours for duel in found), *alone]})
    table = []
    for dim in dims:
        for protocol in ("sampled", "full"):
            columns = [name for name, column in COLUMNS.items() if column.protocol == protocol]
            sizes = [[duel for duel in found if (duel.ours.embedding_dim, duel.column) == (dim, c)] for c in columns]
            table.append([str(dim), protocol, *(winner(of_size) if of_size else "not tested" for of_size in sizes)])
    return markdown(WINNERS, table)


# ---- the figure


def draw(models: Sequence[Tuned], found: Sequence[Duel]) -> Figure:
    """Four panels of the differences to the dot product of the same size, one colour per model."""
    dims = sorted({duel.ours.embedding_dim for duel in found})
    kinds = sorted({duel.ours.order[1:] for duel in found})  # model, pretrained, free weights
    figure, labels = slide(), []
    for axes, (column, shown) in zip(figure.subplots(2, 2).flat, COLUMNS.items(), strict=True):
        of_column = [duel for duel in found if duel.column == column]
        for kind, shift in zip(kinds, shifts(len(kinds)), strict=True):
            labels.append(_draw_model(axes, [duel for duel in of_column if duel.ours.order[1:] == kind], shift))
        if found:
            axes.axhline(0.0, color="black", lw=1.2, label="dot product of the same size", zorder=2)
        finish(axes, shown.title, dims)
    for axes in figure.axes[2:]:
        axes.set_xlabel("embedding_dim")
    name = DATASETS.get(models[0].dataset, models[0].dataset)
    figure.suptitle(f"{name}: learned similarity less dot product of the same size, equally tuned", x=0.01, ha="left")
    add_legend(figure, labels)
    add_note(figure, "\n".join([_note(found, unpaired(models, found)), *_row_notes(models)]))
    return figure


def _draw_model(axes: Axes, of_model: Sequence[Duel], shift: float) -> str:
    """Differences with their intervals over the size, markers filled where there is a winner; returns the label."""
    low, means, high = np.array([(c.low, c.difference, c.high) for c in (duel.comparison for duel in of_model)]).T
    dims = np.array([duel.ours.embedding_dim * shift for duel in of_model])
    ours = of_model[0].ours
    name = name_of(ours.model, ours.pretrained)
    style, label = look(name) | {"ls": "--" if ours.free_weights else "-"}, name + FREE_WEIGHTS * ours.free_weights
    axes.errorbar(dims, means, [means - low, high - means], **style, mfc="white", capsize=5, label=label, zorder=3)
    is_won = np.array([duel.winner != NO_DIFFERENCE for duel in of_model])
    axes.plot(dims[is_won], means[is_won], **style | {"ls": "none"}, zorder=4)
    return label


def _note(found: Sequence[Duel], alone: Sequence[Tuned]) -> str:
    lines = []
    if found:
        lines.append(f"95 % interval over users and seeds; an open marker: it holds 0, or the corrected p >= {LEVEL}.")
    if alone:
        names = ", ".join(f"{of.name} d={of.embedding_dim}" for of in alone)
        lines.append(f"Not drawn, without a dot product of the same size or a completed run: {names}.")
    return "\n".join(lines)
