"""Figure 3 of Rendle et al. (2020): how far an MLP stays behind the dot product that it learns from.

gap = RMSE of the MLP - RMSE of the dot product       on fresh vectors, and on held-out pairs of the trained ones
"""

from typing import Any, NamedTuple

import pandas as pd

from experiments.analysis.lines import setting_text
from experiments.analysis.published import figure3
from ncfjax.evaluation.intervals import SeedMean, seed_mean

SIZE = ["width_multiplier", "embedding_dim", "num_users"]


class GapCell(NamedTuple):
    """The runs of one size and one setup."""

    width_multiplier: int | None
    embedding_dim: int
    num_users: int
    setup: str  # what differs from the study's; empty for the study's
    fresh: SeedMean
    test: SeedMean
    diverged: int

    @property
    def paper(self) -> float | None:
        return None if self.setup else figure3().gap(self.width_multiplier, self.embedding_dim, self.num_users)


def setup_text(row: dict[str, Any], usual: dict[str, Any]) -> str:
    """What differs from the usual: "activation gelu, product"."""
    return ", ".join(_named(name, row[name]) for name, value in usual.items() if row[name] != value)


def _named(name: str, value: Any) -> str:
    return name if value == "true" else f"{name} {setting_text(value)}"


def _setup(row: dict[str, Any]) -> str:
    layers = "" if pd.notna(row["width_multiplier"]) else f"layers {row['layers']}"
    return ", ".join(filter(None, [layers, setup_text(row, figure3().setup)]))


def gap_cells(runs: pd.DataFrame) -> list[GapCell]:
    """In the order of their sizes, the study's setup before others."""
    runs = runs[runs["target"] == "dot"]
    setups = pd.Series([_setup(row) for row in runs.to_dict("records")], index=runs.index, dtype=str)
    runs = runs.assign(**{part: runs[f"rmse_{part}"] - runs[f"rmse_dot_{part}"] for part in ("fresh", "test")})
    cells = []
    for (multiplier, *size, setup), rows in runs.groupby([*(runs[name] for name in SIZE), setups], dropna=False):
        known, diverged = None if pd.isna(multiplier) else int(multiplier), int((rows["status"] == "diverged").sum())
        means = (seed_mean(rows[part].to_numpy(float)) for part in ("fresh", "test"))
        cells.append(GapCell(known, *map(int, size), setup, *means, diverged))
    return cells
