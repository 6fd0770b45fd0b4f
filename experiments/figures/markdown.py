"""Numbers as text, and tables in Markdown."""

import math
import re
from collections.abc import Iterable, Sequence

from ncfjax.evaluation.intervals import SeedMean
from ncfjax.evaluation.significance import Comparison


def table(head: str, rows: Iterable[Sequence[object]]) -> str:
    """Rows of cells below their head, a line of names between bars; the cell of None is empty."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    return "\n".join([head, "| --- " * (head.count("|") - 1) + "|", *(f"| {' | '.join(row)} |" for row in texts)])


def plain(text: str) -> str:
    """A name as it is, whatever its letters mean in Markdown and HTML; an underscore within a word means nothing."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"[\\`*{}\[\]|#$~]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)


def mean_text(point: SeedMean, sign: str = "") -> str:
    """Mean and half-width of the interval, where there is one; with sign="+" a difference."""
    interval = "" if math.isnan(point.half_width) else f" ± {point.half_width:.4f}"
    return f"{point.mean:{sign}.4f}{interval}"


def signed(value: float, digits: int = 4) -> str:
    """Zero has no minus."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def interval_text(low: float, high: float) -> str:
    return f"{signed(low)} to {signed(high)}"


def difference_text(comparison: Comparison) -> str:
    """ "+0.0094 (+0.0039 to +0.0149)": with its interval."""
    return f"{signed(comparison.difference)} ({interval_text(comparison.low, comparison.high)})"


def comparison_cells(comparison: Comparison) -> list[object]:
    """Difference, interval, effect size, users won, users lost."""
    cells = [signed(comparison.difference), interval_text(comparison.low, comparison.high)]
    return [*cells, signed(comparison.effect_size, 3), comparison.wins, comparison.losses]


def published_cells(value: float | None, ours: SeedMean, digits: int = 4) -> list[str | None]:
    """What was published, with so many digits, ours, and how far ours lies above it."""
    if value is None:
        return [None, mean_text(ours), None]
    return [f"{value:.{digits}f}", mean_text(ours), signed(ours.mean - value, digits)]


def p_text(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def range_text(counts: Sequence[int]) -> str:
    """ "8", or "2 to 8"."""
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def pluralize(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)
