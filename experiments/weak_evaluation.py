"""How much each weakness of an evaluation moves HR@10 and NDCG@10, on MovieLens-1M.

    ties              `against` is strict; in NCF's order of candidates, or in favour of the held-out item
    self-negatives    156 of 6,040 lists of negatives name the held-out item itself: counted, not left out
    chosen on test    the epoch with the best HR@10 on test instead of the holdout's (NCF's recipe) or the last (MF)
    99 candidates     instead of the whole catalogue

A move is the metric under the weaker rule less the strict one, of the same fitted model: no training differs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.columns import SAMPLED
from experiments.comparison import markdown, signed, text
from experiments.contenders import Standing
from experiments.lines import Estimate, estimate
from experiments.ncf_reference import recipes
from ncfjax.store import BASELINE_TYPES, Store

STUDY, NCF, MF = "weak-evaluation-ml-1m", "ncf-reference-ml-1m", "figure2-ml-1m"
HEAD = (
    "| weakness | method | HR@10 strict | moved by | NDCG@10 strict | moved by | full HR@10 moved by "
    "| full NDCG@10 moved by | rows |"
)
STRICT = ("against", "masked")
WEAKER = {  # (ties, self_negatives) -> what it is
    ("order", "masked"): "ties by the order of the candidates",
    ("favour", "masked"): "ties in favour",
    ("against", "counted"): "156 self-negatives counted, ties against",
    ("favour", "counted"): "156 self-negatives counted, ties in favour",
}


class Move(NamedTuple):
    """One weakness, one method."""

    weakness: str
    method: str
    strict: dict[str, Estimate]  # column -> value
    moved: dict[str, Estimate]  # column -> by how much, over seeds
    study: str


def table(results: Path, found: Sequence[Standing]) -> str:
    """All weaknesses for which there are rows.

    Raises:
        StoreError, ValueError: tables that cannot be read.
    """
    moves = [*rule_moves(results), *epoch_moves(results), *protocol_moves(found)]
    return markdown(HEAD, [_cells(move) for move in moves])


def _cells(move: Move) -> list[str]:
    cells = [move.weakness, move.method]
    for column in SAMPLED:
        cells += [f"{move.strict[column].mean:.4f}", _moved(move, column)]
    return [*cells, *(_moved(move, f"full_{column}") for column in SAMPLED), f"results/{move.study}"]


def _moved(move: Move, column: str) -> str:
    found = move.moved.get(column)
    if found is None:
        return ""
    return text(found, "+") if found.n > 1 else signed(found.mean)


def rule_moves(results: Path) -> list[Move]:
    """Ties and self-negatives, per baseline."""
    runs = Store(results / STUDY, BASELINE_TYPES).runs()
    if runs.empty:
        return []
    by_rule = {rule: of.set_index("model") for rule, of in runs.groupby(["ties", "self_negatives"])}
    strict, moves = by_rule[STRICT], []
    columns = [*SAMPLED, *(f"full_{column}" for column in SAMPLED)]
    for rule, weakness in WEAKER.items():
        for model in strict.index:
            before, weak = strict.loc[model, columns], by_rule[rule].loc[model, columns]
            of_one = [{c: estimate(np.array([v], float)) for c, v in of.items()} for of in (before, weak - before)]
            moves.append(Move(weakness, model, *of_one, STUDY))
    return moves


def epoch_moves(results: Path) -> list[Move]:
    """An epoch chosen on test: NCF's recipe against the holdout's epoch, MF against its last."""
    moves = []
    ncf = Store(results / NCF).runs()
    for recipe in recipes(ncf) if len(ncf) else []:
        moved = {column: recipe.flattery(column) for column in SAMPLED}
        if moved[SAMPLED[0]].n:
            strict = {column: estimate(recipe.held[column].to_numpy(float)) for column in SAMPLED}
            moves.append(Move("epoch chosen on test", f"{recipe.name} d={recipe.embedding_dim}", strict, moved, NCF))
    return [*moves, *_mf_moves(Store(results / MF))]


def _mf_moves(store: Store) -> list[Move]:
    """Of each dimension: each seed's best look at test, of those that its curve has, less the last."""
    runs, curves = store.runs(), store.curves()
    if runs.empty:
        return []
    moves = []
    rows = runs[(runs["model"] == "dot") & (runs["objective"] == "expected") & (runs["status"] == "completed")]
    for dim, of in rows.groupby("embedding_dim"):
        looks = curves[curves["run_id"].isin(list(of["run_id"]))].pivot(
            index=["run_id", "epoch"], columns="metric", values="value"
        )
        best = looks.loc[looks.groupby("run_id")[SAMPLED[0]].idxmax()].reset_index("epoch", drop=True)
        last = of.set_index("run_id")
        moved = {column: estimate((best[column] - last[column]).to_numpy(float)) for column in SAMPLED}
        strict = {column: estimate(last[column].to_numpy(float)) for column in SAMPLED}
        moves.append(Move("epoch chosen on test", f"MF d={int(dim)}", strict, moved, MF))
    return moves


def protocol_moves(found: Sequence[Standing]) -> list[Move]:
    """99 sampled candidates instead of all: the strict value is the full catalogue's."""
    moves = []
    for of in found:
        if len(of.rows):
            strict = {column: estimate(of.rows[f"full_{column}"].to_numpy(float)) for column in SAMPLED}
            moved = {c: estimate((of.rows[c] - of.rows[f"full_{c}"]).to_numpy(float)) for c in SAMPLED}
            moves.append(Move("99 candidates, not all", of.contender.name, strict, moved, of.contender.study))
    return moves
