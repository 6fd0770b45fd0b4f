"""The report's questions, each answered in a few sentences whose numbers come from the tables.

Every answer raises ValueError where the tables hold too little for one.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.analysis.corrected import CORRECTIONS, Corrected, errors
from experiments.analysis.distillation import DistilledCell
from experiments.analysis.equal_budget import BASE, EqualBudget
from experiments.analysis.figure3 import GapCell
from experiments.analysis.lines import ON_TEST, completed, lines, runs_on_test
from experiments.analysis.methods import Method, with_rows
from experiments.analysis.ncf_protocol import Reproduction
from experiments.analysis.orders import Order, by_metric
from experiments.analysis.pairwise import NO_DIFFERENCE
from experiments.analysis.published import figure3, published_value
from experiments.analysis.scaling_law import FittedLaw
from experiments.analysis.weak_evaluation import Move
from experiments.figures.distillation import lost_text
from experiments.figures.equal_budget import budget_text
from experiments.figures.evaluation import moved_text
from experiments.figures.markdown import difference_text, mean_text, signed
from experiments.figures.orders import change
from ncfjax.evaluation.columns import COLUMNS, SAMPLED
from ncfjax.evaluation.scaling_law import NAMES

HIT_RATIO, NDCG, _, FULL_NDCG = COLUMNS


def _some(rows: Sequence, what: str) -> Sequence:
    if not rows:
        raise ValueError(f"expected {what}, got none")
    return rows


def best_method(methods: Sequence[Method]) -> str:
    """By NDCG@10 in either protocol."""
    best = [max(with_rows(list(methods)), key=lambda method: method.mean(c).mean) for c in (NDCG, FULL_NDCG)]
    sampled, full = (f"{m.name} ({mean_text(m.mean(c))})" for m, c in zip(best, (NDCG, FULL_NDCG), strict=True))
    return f"By NDCG@10, among 99 sampled candidates {sampled}; in the full catalogue {full}."


def equal_budget(study: EqualBudget) -> str:
    tests = _some(study.tests, "a learned similarity and a dot product of one size")
    num_dot, num_none = (sum(test.winner == winner for test in tests) for winner in (BASE, NO_DIFFERENCE))
    num_learned = len(tests) - num_dot - num_none
    verdicts = {(True, False): "The dot product.", (False, True): "A learned similarity.", (False, False): "Neither."}
    verdict = verdicts.get((num_dot > 0, num_learned > 0), "It depends on the size and the metric.")
    by_difference = sorted((t for t in tests if t.column == NDCG), key=lambda test: test.comparison.difference)
    low, high = (
        f"{difference_text(test.comparison)[:-1]}; {test.ours.label})" for test in (by_difference[0], by_difference[-1])
    )
    budgets = " or ".join(sorted({budget_text(tuned) for tuned in study.models}))
    return (
        f"{verdict} Chosen on the holdout out of {budgets}, the dot product is better in {num_dot} of {len(tests)} "
        f"comparisons at the same embedding_dim, a learned similarity in {num_learned}; {num_none} find no difference. "
        f"By NDCG@10 among sampled candidates, a learned similarity less the dot product lies between {low} and {high}."
    )


def figure2(runs: pd.DataFrame) -> str:
    """Our best MF and learned similarity, and how far each lies from what was published."""
    sides = {"MF": [], "learned similarities": []}
    for line in lines(completed(runs_on_test(runs[runs["dataset"] == "ml-1m"]))):
        if ON_TEST not in line.details:
            side = sides["MF" if line.name == "MF" else "learned similarities"]
            side += [(point, f"{line.name} d={dim}", line.name, dim) for dim, point in line.points(NDCG)]
    best = [max(_some(points, f"runs of {name} on ml-1m")) for name, points in sides.items()]
    mf, learned = (point for point, *_ in best)
    is_apart = mf.mean - mf.half_width > learned.mean + learned.half_width
    differences = []
    for side, points in sides.items():
        known = [(published_value(name, "ml-1m", NDCG, dim), point.mean) for point, _, name, dim in points]
        if off := [ours - value for value, ours in known if value is not None]:
            differences.append(f"{side} {signed(min(off))} to {signed(max(off))} in {len(off)} points")
    ours, theirs = (f"{name} has {mean_text(point)}" for point, name, *_ in best)
    return (
        f"{'Yes: MF is ahead.' if is_apart else 'Not sure: the intervals overlap.'} By NDCG@10 among sampled "
        f"candidates, {ours}, and of the learned similarities, {theirs}. Ours less the published, at the same size: "
        f"{'; '.join(differences)}."
    )


def sampled_order(orders: Mapping[str, Order]) -> str:
    turned = [inversion for both in by_metric(orders).values() for inversion in both.inversions]
    sure = [inversion for inversion in turned if inversion.is_sure]
    texts = ["Yes." if sure else "Perhaps." if turned else "Not of these methods."]
    for name, both in by_metric(orders).items():
        what = change(both)
        texts.append(f"By {name}, {what[0].lower()}{what[1:]} Kendall's tau is {both.kendall:.3f}.")
    for sampled, full in sure[:1]:
        ahead = [
            f"{pair.ours.name} is ahead of {pair.other.name} by {difference_text(pair.comparison)}"
            for pair in (full, sampled)
        ]
        texts.append(f"For example, {ahead[0]} in the full catalogue; {ahead[1]} when sampled.")
    return " ".join(texts)


def correction(by_name: Mapping[str, Sequence[Corrected]]) -> str:
    """The one with the smallest error against none."""
    parts, taus = [], []
    for metric, methods in by_name.items():
        best = min(CORRECTIONS, key=lambda name: errors(methods, name).root_mean_square)
        before, after = errors(methods, "none"), errors(methods, best)
        taus.append(after.kendall)
        parts.append(
            f"{metric}: {best} brings the error (root mean square over methods) from {before.root_mean_square:.4f} to "
            f"{after.root_mean_square:.4f}, at a standard error over users of {after.standard_error:.4f}, and "
            f"Kendall's tau with the exact order from {before.kendall:.3f} to {after.kendall:.3f}."
        )
    return f"{'In part.' if min(taus) < 1 else 'Of these methods.'} {' '.join(parts)}"


def selection_bias(ours: Sequence[Reproduction]) -> str:
    both = [model for model in ours if model.test_selection_bias(HIT_RATIO).n]
    texts = []
    for column in SAMPLED:
        biases = [
            (model.test_selection_bias(column), model.name)
            for model in _some(both, "runs whose epoch was chosen on test")
        ]
        values = [f"{mean_text(bias, '+')} ({name})" for bias, name in biases]
        texts.append(f"{COLUMNS[column].name} {', '.join(values)}")
    return f"By NCF's protocol, over the epoch that the holdout chose: {'; '.join(texts)}."


def learned_dot_product(cells: Sequence[GapCell]) -> str:
    """The smallest and the largest gap of the study's setup, and the best variant."""
    study, variants = (
        sorted((c for c in cells if bool(c.setup) == varied and c.fresh.n), key=lambda cell: cell.fresh.mean)
        for varied in (False, True)
    )
    levels, first = figure3().levels, _some(study, "completed runs of the study's setup")[0]
    level = max(levels)
    above = sum(cell.fresh.mean > level for cell in study)
    low, high = (
        f"{mean_text(c.fresh)} (m={c.width_multiplier}, d={c.embedding_dim}, {c.num_users:,} users)"
        for c in (first, study[-1])
    )
    parts = [
        f"{'Not at these sizes' if above == len(study) else 'At some sizes'}: its RMSE on fresh vectors stays above "
        f"the dot product's by {low} to {high}; {above} of {len(study)} sizes are more than {level:g} behind, which "
        f"the study calls {levels[level]}."
    ]
    if off := [abs(cell.fresh.mean - cell.paper) for cell in study if cell.paper is not None]:
        parts.append(f"Of {len(off)} sizes in the paper's figure, ours differ by {max(off):.4f} at most.")
    for best in variants[:1]:
        parts.append(f"The best variant ({best.setup}) is {mean_text(best.fresh)} behind at d={best.embedding_dim}.")
    return " ".join(parts)


def scaling_law(fitted: FittedLaw) -> str:
    law = fitted.law
    numbers = zip(NAMES, law.values, law.low, law.high, strict=True)
    a, alpha, b, beta = (f"{name} = {value:.3f} [{low:.3f}, {high:.3f}]" for name, value, low, high in numbers)
    return (
        f"As a m^-alpha + b (parameters / pairs)^beta: a floor of each width multiplier m, {a} and {alpha}, and a part "
        f"that falls with the pairs per parameter, {b} and {beta}."
    )


def distillation(cells: Sequence[DistilledCell]) -> str:
    run = _some([cell for cell in cells if len(cell)], "completed runs")
    run = sorted(run, key=lambda cell: cell.lost[HIT_RATIO].difference)
    low, high = (
        f"{lost_text(c, HIT_RATIO)} (d={c.embedding_dim}, layers {c.layers}, {c.pairs_per_user} pairs per user)"
        for c in (run[0], run[-1])
    )
    losses = [f"{sum(c.lost[k].high < 0 for c in run)} by {COLUMNS[k].label}" for k in (HIT_RATIO, NDCG, FULL_NDCG)]
    return (
        f"The network's HR@10 less its dot model's lies between {low} and {high}. Of {len(run)} networks the interval "
        f"lies below zero for {', '.join(losses)}."
    )


def weak_evaluation(moves: Sequence[Move]) -> str:
    ranked = sorted(_some(moves, "rows of a weak evaluation"), key=lambda move: -abs(move.moved[HIT_RATIO].mean))
    largest: dict[str, Move] = {}
    for move in ranked:
        largest.setdefault(move.weakness, move)
    texts = [f"{name}: {moved_text(move, HIT_RATIO)} ({move.method})" for name, move in largest.items()]
    return f"The largest moves of HR@10: {'; '.join(texts)}."
