"""The verdict: every similarity at its best, each found by as large a search, on one page.

One row per similarity and size: what it reaches, its difference to the dot product by the one rule of the project
(analysis/pairwise.py), what a score costs and how its best items are found. Below, what the searches were, and whether
a larger one would have found more.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.analysis.equal_budget import BASE, EqualBudget, TunedModel, equal_budget
from experiments.analysis.pairwise import NO_DIFFERENCE, PairwiseTest
from experiments.analysis.retrieval import INNER_PRODUCTS
from experiments.analysis.search import CHOSEN_BY, Searched, searched
from experiments.figures import equal_budget as budget
from experiments.figures import panels
from experiments.figures.markdown import difference_text, mean_text, table
from ncfjax.evaluation.columns import COLUMNS
from ncfjax.store import Store

VERDICT = (
    "| embedding_dim | similarity | objective | parameters | predictive factors | seeds | HR@10 | NDCG@10 | less dot "
    "| full NDCG@10 | less dot | better | multiplications per score | retrieved |"
)
SEARCHES = (
    "| embedding_dim | similarity | trials | best NDCG@10 on the holdout | of their first half | hours of training |"
)
NDCG, FULL_NDCG = (name for name in COLUMNS if "ndcg" in name)


class Verdict(NamedTuple):
    study: EqualBudget
    searches: list[Searched]


def verdict(store: Store) -> Verdict:
    """Raises ValueError, StoreError as `equal_budget` does."""
    study = equal_budget(store)
    return Verdict(study, searched(study.models, store))


def tables(numbers: Verdict) -> str:
    return "\n\n".join([verdict_table(numbers.study), searches_table(numbers.searches), budget.tables(numbers.study)])


def verdict_table(study: EqualBudget) -> str:
    tests = {(test.ours.order, test.column): test for test in study.tests}
    return table(VERDICT, [_row(tuned, tests) for tuned in study.models if len(tuned)])


def _row(tuned: TunedModel, tests: dict[tuple, PairwiseTest]) -> list[object]:
    row = tuned.rows.iloc[0]
    sampled, full = (tests.get((tuned.order, column)) for column in (NDCG, FULL_NDCG))
    differences = [difference_text(test.comparison) if test else None for test in (sampled, full)]
    winners = dict.fromkeys(test.winner for test in (sampled, full) if test)
    hits, ndcg, _, full_ndcg = (mean_text(tuned.mean(column)) for column in COLUMNS)
    return [
        tuned.embedding_dim,
        budget.shown_name(tuned),
        row["objective"],
        f"{row['parameters']:,}",
        row["predictive_factors"],
        len(tuned),
        hits,
        ndcg,
        differences[0],
        full_ndcg,
        differences[1],
        " / ".join(winners) or None,
        f"{row['multiplications']:,}",
        "as a dot product" if tuned.model in INNER_PRODUCTS else "in two stages",
    ]


def searches_table(searches: Sequence[Searched]) -> str:
    rows = []
    for one in searches:
        best = one.best_so_far
        cells = [f"{best[-1]:.4f}", f"{best[(len(best) - 1) // 2]:.4f}", f"{one.seconds / 3600:.2f}"]
        rows.append([one.tuned.embedding_dim, budget.shown_name(one.tuned), len(best), *cells])
    return table(SEARCHES, rows)


def parts(numbers: Verdict) -> dict[str, Verdict | EqualBudget]:
    return {"": numbers, "_differences": numbers.study}


def draw(numbers: Verdict | EqualBudget) -> Figure:
    """The best so far over the trials; or the differences to the dot product."""
    return draw_searches(numbers.searches) if isinstance(numbers, Verdict) else budget.draw(numbers)


def draw_searches(searches: Sequence[Searched]) -> Figure:
    """One panel: the best score on the holdout over the number of trials, of the size with the most trials."""
    most = max(searches, key=lambda one: len(one.scores)).tuned.embedding_dim
    shown = [one for one in searches if one.tuned.embedding_dim == most]
    figure = panels.new_figure()
    axes = figure.subplots()
    for one in shown:
        style = budget.line_style(one.tuned) | {"label": budget.shown_name(one.tuned), "markevery": 4}
        axes.step(np.arange(1, len(one.scores) + 1), one.best_so_far, where="post", **style)
    # The first trials of some lie far below all that follows.
    best, low = max(np.nanmax(one.scores) for one in shown), min(one.best_so_far[len(one.scores) // 4] for one in shown)
    if low < best:
        axes.set_ylim(low - 0.2 * (best - low), best + 0.05 * (best - low))
    axes.set(xlabel="trials", ylabel=f"best {COLUMNS[CHOSEN_BY].name} on the holdout so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    title = f"Would a larger search bring more? Similarities at d={most}"
    return panels.complete(figure, title, [budget.shown_name(one.tuned) for one in shown])


def answer(numbers: Verdict) -> str:
    """The best other similarity of every size less the dot product, by NDCG@10 among sampled candidates."""
    sentences = []
    for dim in sorted({test.ours.embedding_dim for test in numbers.study.tests}):
        tests = [t for t in numbers.study.tests if t.column == NDCG and t.ours.embedding_dim == dim]
        best = max(tests, key=lambda test: test.comparison.difference)
        winner = {BASE: "the dot product is better", NO_DIFFERENCE: NO_DIFFERENCE}.get(best.winner, "it is better")
        sentences.append(f"at d={dim} {budget.shown_name(best.ours)}, {difference_text(best.comparison)}: {winner}")
    if not sentences:
        raise ValueError("expected a learned similarity and a dot product of one size, got none")
    what = "By NDCG@10 among sampled candidates, the best other similarity less the dot product"
    return f"{what}: {'; '.join(sentences)}."
