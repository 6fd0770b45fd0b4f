"""What was published, read from literature/: Figures 2 and 3 of the study, and NCF's saved weights.

Every function raises ValueError for a file that is not what it should be.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from experiments.analysis.data_file import read

_FOLDER = Path(__file__).parent / "literature"


class PublishedModel(NamedTuple):
    """One model of Figure 2."""

    source: str
    digits: int
    curves: dict[str, dict[str, dict[int, float]]]  # data set -> column of runs.csv -> embedding_dim -> value
    dims_per_factor: int = 1

    def curve(self, dataset: str, column: str) -> dict[int, float]:
        """embedding_dim -> value; empty where nothing was published."""
        return self.curves.get(dataset, {}).get(column, {})


class SavedWeights(NamedTuple):
    source: str
    factors: int
    values: dict[str, dict[str, dict[str, float]]]  # data set -> model -> column -> value


class Figure3(NamedTuple):
    source: str
    levels: dict[float, str]
    setup: dict[str, str | int | float]  # column of runs.csv -> its cell
    gaps: dict[int, dict[int, dict[int, float]]]  # width_multiplier -> embedding_dim -> num_users -> gap

    @property
    def dims(self) -> list[int]:
        return sorted({dim for by_dim in self.gaps.values() for dim in by_dim})

    def gap(self, multiplier: int | None, dim: int, num_users: int) -> float | None:
        return self.gaps.get(multiplier, {}).get(dim, {}).get(num_users)

    def points(self) -> dict[tuple[int, int, int], float]:
        """(width_multiplier, embedding_dim, num_users) -> gap."""
        by_dim = ((m, dim, curve) for m, curves in self.gaps.items() for dim, curve in curves.items())
        return {(m, dim, users): gap for m, dim, curve in by_dim for users, gap in curve.items()}


@cache
def figure2() -> dict[str, PublishedModel]:
    """By the names of models that tables and figures use."""
    return read(_FOLDER / "figure2.yaml", dict[str, PublishedModel])


@cache
def figure3() -> Figure3:
    return read(_FOLDER / "figure3.yaml", Figure3)


@cache
def saved_weights() -> SavedWeights:
    return read(_FOLDER / "saved_weights.yaml", SavedWeights)


def sources() -> dict[str, list[str]]:
    """Where the published numbers come from that stand in the tables of Figure 2, of NCF's protocol and of Figure 3."""
    names: dict[str, list[str]] = {}
    for name, model in figure2().items():
        names.setdefault(model.source, []).append(name)
    of_models = [f"{'; '.join(models)}: {source}" for source, models in names.items()]
    of_ncf = [text for text in of_models if not text.startswith("MF:")]
    weights = f"The authors' saved weights: {saved_weights().source}"
    return {"figure2": of_models, "ncf_protocol": [*of_ncf, weights], "figure3": [figure3().source]}


def published_value(model: str, dataset: str, column: str, embedding_dim: int) -> float | None:
    """A point of Figure 2."""
    return figure2()[model].curve(dataset, column).get(embedding_dim) if model in figure2() else None
