"""What the evaluation itself does to the numbers: cut-offs, corrected estimators, weaknesses."""

from collections.abc import Mapping, Sequence

from experiments.analysis.corrected import CORRECTIONS, UNSTABLE, Corrected, errors
from experiments.analysis.cut_offs import NAMES, CutOffs
from experiments.analysis.weak_evaluation import FULL, Move
from experiments.figures.markdown import mean_text, signed, table
from ncfjax.evaluation.columns import SAMPLED

_PROTOCOLS = {"sampled": "sampled", "full": "full catalogue"}
ERRORS = "| full | correction | error, root mean square | mean | standard error over users | Kendall's tau |"
MOVES = (
    "| weakness | method | HR@10 strict | moved by | NDCG@10 strict | moved by | full HR@10 moved by "
    "| full NDCG@10 moved by | rows |"
)


def cut_off_tables(values: CutOffs) -> str:
    """A row per method and protocol."""
    return "\n\n".join(
        table(
            f"| {_PROTOCOLS[protocol]} | {' | '.join(NAMES)} |",
            [[method, *(f"{value:.4f}" for value in row)] for method, row in rows],
        )
        for protocol, rows in values.items()
    )


def corrected_tables(by_metric: Mapping[str, Sequence[Corrected]]) -> str:
    return f"{errors_table(by_metric)}\n\n{estimates_table(by_metric)}"


def estimates_table(by_metric: Mapping[str, Sequence[Corrected]]) -> str:
    """Per metric and method the exact value and every estimate that lies near it, with its error."""
    near = [name for name in CORRECTIONS if name != UNSTABLE]
    rows = []
    for metric, methods in by_metric.items():
        for method in methods:
            estimates = [float(method.estimates[name].mean) for name in near]
            cells = [f"{value:.4f} ({signed(value - method.exact)})" for value in estimates]
            rows.append([metric, method.method, f"{method.exact:.4f}", *cells])
    return table(f"| full | method | exact | {' | '.join(near)} |", rows)


def errors_table(by_metric: Mapping[str, Sequence[Corrected]]) -> str:
    """Per metric and correction: the errors over methods, and the order that it gives."""
    rows = []
    for metric, methods in by_metric.items():
        for name in CORRECTIONS:
            size, mean, deviation, tau = errors(methods, name)
            rows.append([metric, name, f"{size:.4f}", signed(mean), f"{deviation:.4f}", f"{tau:.3f}"])
    return table(ERRORS, rows)


def moves_table(moves: Sequence[Move]) -> str:
    return table(MOVES, [_move_cells(move) for move in moves])


def _move_cells(move: Move) -> list[object]:
    sampled = [text for c in SAMPLED for text in (f"{move.strict[c].mean:.4f}", moved_text(move, c))]
    return [
        move.weakness,
        move.method,
        *sampled,
        *(moved_text(move, c) for c in FULL.values()),
        f"results/{move.study}",
    ]


def moved_text(move: Move, column: str) -> str | None:
    moved = move.moved.get(column)
    return moved and (mean_text(moved, "+") if moved.n > 1 else signed(moved.mean))
