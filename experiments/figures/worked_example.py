"""The report's table, walked through: what every method makes of it, as text and as a picture."""

import textwrap
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.figures import panels
from ncfjax.ratings.worked_example import (
    METHODS,
    MOVIES,
    NEW_USER,
    TABLE,
    USERS,
    all_predictions,
    solve,
    with_new_user,
    worked_example,
)

TITLES = {
    "content_based": "Features given, users learned (content-based)",
    "feature_learning": "Users given, features learned",
    "alternating": "Both learned, by turns",
    "mean_normalized": "Both learned, of what the movies' means leave",
}


class Step(NamedTuple):
    """One matrix of the walk."""

    title: str
    users: tuple[str, ...]
    values: Float[np.ndarray, "movies users"]  # NaN: not rated


@cache
def steps() -> list[Step]:
    """The ratings, every method's predictions, and the last two for a fifth user who rated nothing."""
    walk = [Step("The ratings; ? is not rated", USERS, TABLE)]
    solutions = {name: solve(name) for name in METHODS}
    for name, solution in solutions.items():
        walk.append(Step(f"{TITLES[name]}, penalty {solution.regularization:g}", USERS, solution.predictions))
    train = with_new_user(worked_example())
    for name in ("alternating", "mean_normalized"):
        model = METHODS[name](train, solutions[name].regularization)
        walk.append(Step(f"{TITLES[name]}: {NEW_USER}", (NEW_USER,), all_predictions(model)[:, -1:]))
    return walk


def text(walk: list[Step]) -> str:
    """The matrices one below the other."""
    width = max(map(len, MOVIES))
    lines: list[str] = []
    for step in walk:
        lines += ["", step.title, " " * width + "".join(user.rjust(max(9, len(user) + 2)) for user in step.users)]
        for movie, row in zip(MOVIES, step.values, strict=True):
            cells = [_cell(x).rjust(max(9, len(user) + 2)) for user, x in zip(step.users, row, strict=True)]
            lines.append(movie.ljust(width) + "".join(cells))
    return "\n".join(lines)


def _cell(value: float) -> str:
    return "?" if np.isnan(value) else f"{value:.2f}".removesuffix(".00")


def draw(walk: list[Step]) -> Figure:
    """A panel for each matrix; the darker, the higher the rating."""
    figure = panels.new_figure()
    axes = figure.subplots(2, 4).ravel()
    for panel, step in zip(axes, walk, strict=False):
        _draw_step(panel, step)
    for panel in axes[len(walk) :]:
        panel.set_axis_off()
    return panels.complete(figure, "Five movies, four users: what every method makes of them", [])


def _draw_step(axes: Axes, step: Step) -> None:
    axes.imshow(step.values, vmin=0, vmax=6, cmap="Blues", aspect="auto")
    for (row, column), value in np.ndenumerate(step.values):
        dark = not np.isnan(value) and value > 3.5
        axes.text(column, row, _cell(value), ha="center", va="center", color="white" if dark else "black", fontsize=11)
    axes.grid(False)
    axes.set_xticks(range(len(step.users)), step.users, fontsize=10)
    axes.set_yticks(range(len(MOVIES)), [movie.split()[0] for movie in MOVIES], fontsize=10)
    axes.set_title(textwrap.fill(step.title, 34), loc="left", fontsize=11)
