"""How much each weakness of an evaluation moves HR@10 and NDCG@10, on MovieLens-1M.

    ties              `against` is strict; in NCF's order of candidates, or in favour of the held-out item
    self-negatives    156 of 6,040 lists of negatives name the held-out item itself: counted, not left out
    chosen on test    the epoch with the best HR@10 on test instead of the holdout's (NCF's protocol) or the last (MF)
    99 candidates     instead of the whole catalogue

A move is the metric under the weaker rule less the strict one, of the same fitted model: no training differs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from experiments.analysis.lines import ON_TEST
from experiments.analysis.methods import FIGURE2, Method, methods
from experiments.analysis.ncf_protocol import reproductions
from experiments.analysis.results import Results
from ncfjax.evaluation.columns import COLUMNS, SAMPLED
from ncfjax.evaluation.intervals import SeedMean, seed_mean
from ncfjax.store import Store

STUDY, NCF = "weak-evaluation-ml-1m", "ncf-reference-ml-1m"
NOT_ALL = "99 candidates, not all"
FULL = {column: f"full_{column}" for column in SAMPLED}
_STRICT = ("against", "masked")
RULES = {  # (ties, self_negatives) -> what is weak about them
    ("order", "masked"): "ties by the order of the candidates",
    ("favour", "masked"): "ties in favour",
    ("against", "counted"): "156 self-negatives counted, ties against",
    ("favour", "counted"): "156 self-negatives counted, ties in favour",
}


class Move(NamedTuple):
    """One weakness, one method."""

    weakness: str
    method: str
    strict: dict[str, SeedMean]  # column -> value
    moved: dict[str, SeedMean]  # column -> by how much, over seeds
    study: str


def _move(weakness: str, method: str, strict: pd.DataFrame, weak: pd.DataFrame, study: str) -> Move:
    """Of a value per run and column, the runs in the same order or, with an index, paired by it."""
    means = (
        {column: seed_mean(table[column].to_numpy(float)) for column in strict} for table in (strict, weak - strict)
    )
    return Move(weakness, method, *means, study)


def moves(results: Results) -> list[Move]:
    """All weaknesses for which there are rows.

    Raises:
        StoreError, ValueError: tables that cannot be read.
    """
    ncf, mf = results.store(NCF, "sweep"), results.store(FIGURE2, "sweep")
    rules = rule_moves(results.store(STUDY, "baselines").runs())
    return [*rules, *ncf_epoch_moves(ncf), *mf_epoch_moves(mf), *protocol_moves(methods(results))]


def rule_moves(runs: pd.DataFrame) -> list[Move]:
    """Ties and self-negatives, per baseline that was run under both rules."""
    by_rule = {rule: rows.set_index("model")[[*COLUMNS]] for rule, rows in runs.groupby(["ties", "self_negatives"])}
    strict = by_rule.get(_STRICT, runs[:0])
    return [
        _move(weakness, model, strict.loc[[model]], by_rule[rule].loc[[model]], STUDY)
        for rule, weakness in RULES.items()
        if rule in by_rule
        for model in strict.index.intersection(by_rule[rule].index, sort=False)
    ]


def ncf_epoch_moves(store: Store) -> list[Move]:
    """An epoch chosen on test against the holdout's."""
    table = []
    for ours in reproductions(store) if len(store.runs()) else []:
        moved = {column: ours.test_selection_bias(column) for column in SAMPLED}
        if moved[SAMPLED[0]].n:
            strict = {column: ours.selected_on_holdout.mean(column) for column in SAMPLED}
            table.append(Move(ON_TEST, f"{ours.name} d={ours.embedding_dim}", strict, moved, NCF))
    return table


def mf_epoch_moves(store: Store) -> list[Move]:
    """Of each dimension: each seed's best evaluation on test, of those that its curve has, less the last.

    Raises:
        ValueError: a run without a curve.
    """
    runs, curves = store.runs(), store.curves()
    runs = runs[(runs["model"] == "dot") & (runs["objective"] == "expected") & (runs["status"] == "completed")]
    table, drawn = [], set(curves["run_id"])
    for run_id in runs["run_id"]:
        if run_id not in drawn:
            raise ValueError(f"{store.folder / 'curves.csv'}: expected the curve of run {run_id}, got none")
    for dim, rows in runs.groupby("embedding_dim"):
        evaluations = curves[curves["run_id"].isin(list(rows["run_id"]))].pivot(
            index=["run_id", "epoch"], columns="metric", values="value"
        )
        best = evaluations.loc[evaluations.groupby("run_id")[SAMPLED[0]].idxmax()].reset_index("epoch", drop=True)
        last = rows.set_index("run_id")[SAMPLED]
        table.append(_move(ON_TEST, f"MF d={int(dim)}", last, best[SAMPLED], FIGURE2))
    return table


def protocol_moves(table: Sequence[Method]) -> list[Move]:
    """99 sampled candidates instead of all: the strict value is the full catalogue's."""
    return [
        _move(NOT_ALL, method.name, full, method.rows[SAMPLED], method.store.folder.name)
        for method in table
        if len(method)
        for full in [method.rows[list(FULL.values())].set_axis(SAMPLED, axis="columns")]
    ]
