"""NCF's own recipe rerun: what was published, ours, and how much an epoch that is chosen on test flatters it.

    python -m experiments.plot ncf_reference         results/ncf-reference-ml-1m/figures/ncf_reference.png and .svg

    flattery = mean +- 95 % t-interval over seeds s of  x_s(its best epoch on test) - x_s(the holdout's epoch)

over the seeds that have both. The best epoch on test is that of the highest HR@10, as NCF's code reports it, and so are
the published numbers (He et al., WWW 2017; three digits). These go by predictive factors: the width of a tower's last
layer, or GMF's embedding_dim. No number of GMF was published; of its saved weights there is one.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.columns import COLUMNS, SAMPLED
from experiments.comparison import markdown, text
from experiments.lines import MODELS, SETTINGS, Estimate, estimate, is_pretrained, name_of, span
from experiments.panels import DATASETS, add_legend, add_note, look, save, slide
from experiments.paper import DIGITS, DIMS_PER_FACTOR, FIGURE2, SAVED_FACTORS, SAVED_WEIGHTS
from ncfjax.store import Store

LEARNED = [model for model in MODELS if model != "dot"]
HEAD = (
    "| model | embedding_dim | layers | learning_rate | metric | published | authors' saved weights | seeds "
    "| ours, epoch chosen on the holdout | epoch | ours, epoch chosen on test | epoch | flattery |"
)


class Recipe(NamedTuple):
    """One model with one setting."""

    dataset: str
    name: str
    embedding_dim: int
    layers: str
    learning_rate: float
    held: pd.DataFrame  # completed runs on test up to the epoch that the holdout chose, a row per seed
    flattered: pd.DataFrame  # those whose epoch was chosen on test
    num_diverged: int

    @property
    def factors(self) -> int:
        return int(self.layers.split("-")[-1]) if self.layers else self.embedding_dim

    def published(self, column: str) -> float | None:
        dim = DIMS_PER_FACTOR.get(self.name, 0) * self.factors
        return FIGURE2.get(self.dataset, {}).get(self.name, {}).get(column, {}).get(dim)

    def saved(self, column: str) -> float | None:
        weights = SAVED_WEIGHTS.get(self.dataset, {}).get(self.name, {})
        return weights.get(column) if self.factors == SAVED_FACTORS else None

    def flattery(self, column: str) -> Estimate:
        """Over the seeds that were run both ways."""
        both = self.flattered.set_index("seed")[column] - self.held.set_index("seed")[column]
        return estimate(both.to_numpy(float))


def ncf_reference(store: Store, folder: Path) -> tuple[str, list[Path]]:
    """The table in Markdown, and the paths of ncf_reference.png and .svg: none before a run's epoch is chosen on test.

    Raises:
        ValueError, StoreError, OSError: see `recipes` and `save`.
    """
    found = recipes(store.runs())
    drawn = [recipe for recipe in found if len(recipe.flattered)]
    curves = store.curves()
    return table(found), save(folder / "ncf_reference", lambda: draw(drawn, curves)) if drawn else []


def recipes(runs: pd.DataFrame) -> list[Recipe]:
    """The learned similarities of a study in the order of MODELS, each from scratch, then pretrained.

    Raises:
        ValueError: no test run whose epoch was chosen, several data sets, or a seed that has several runs.
    """
    is_held = (runs["phase"] == "final") & (runs["select_epoch"] == "holdout")
    is_chosen = (runs["split"] == "test") & (is_held | (runs["select_epoch"] == "test"))
    rows = runs[is_chosen & runs["model"].isin(LEARNED)]
    if rows.empty:
        raise ValueError(
            f"expected test runs of {', '.join(LEARNED)} with select_epoch=holdout or test, got none among "
            f"{len(runs)} rows"
        )
    if rows["dataset"].nunique() > 1:
        raise ValueError(f"expected runs on one data set, got {'; '.join(rows['dataset'].unique())}")
    same = [column for column in SETTINGS if column not in ("num_epochs", "select_epoch")]
    keys = [rows["model"].map(LEARNED.index), is_pretrained(rows), rows["embedding_dim"]]
    return [_recipe(of) for _, of in rows.groupby([*keys, *(rows[column] for column in same)], dropna=False)]


def _recipe(rows: pd.DataFrame) -> Recipe:
    first = rows.iloc[0]
    name = name_of(first["model"], first["pretraining"] != "")
    completed = rows[rows["status"] == "completed"].sort_values("seed")
    split = {choice: completed[completed["select_epoch"] == choice] for choice in ("holdout", "test")}
    for choice, of in split.items():
        if of["seed"].duplicated().any():
            epochs = ", ".join(str(n) for n in sorted(of["num_epochs"].unique()))
            raise ValueError(
                f"{name} d={first['embedding_dim']}: expected one run per seed with select_epoch={choice}, got several "
                f"(num_epochs {epochs})"
            )
    setting = int(first["embedding_dim"]), first["layers"], float(first["learning_rate"])
    return Recipe(first["dataset"], name, *setting, split["holdout"], split["test"], len(rows) - len(completed))


# ---- the table


def table(found: list[Recipe]) -> str:
    """Two rows per recipe, HR@10 and NDCG@10."""
    return markdown(HEAD, [_cells(recipe, column) for recipe in found for column in SAMPLED])


def _cells(recipe: Recipe, column: str) -> list[str]:
    cells = [recipe.name, str(recipe.embedding_dim), recipe.layers, f"{recipe.learning_rate:g}", COLUMNS[column].name]
    published, saved = recipe.published(column), recipe.saved(column)
    cells.append("" if published is None else f"{published:.{DIGITS[recipe.name]}f}")
    cells.append("" if saved is None else f"{saved:.4f}")
    num_seeds = [len(of) for of in (recipe.held, recipe.flattered) if len(of)]
    cells.append(span(num_seeds or [0]) + f" ({recipe.num_diverged} diverged)" * (recipe.num_diverged > 0))
    for of in (recipe.held, recipe.flattered):
        has_runs = len(of) > 0
        cells += [text(estimate(of[column].to_numpy(float))), span(list(of["epoch"]))] if has_runs else ["", ""]
    flattery = recipe.flattery(column)
    return [*cells, text(flattery, "+") if flattery.n else ""]


# ---- the figure


def draw(drawn: list[Recipe], curves: pd.DataFrame) -> Figure:
    """HR@10 and NDCG@10 on test over the epochs, mean over seeds, with the epochs that each choice took."""
    figure = slide()
    for axes, column in zip(figure.subplots(1, 2), SAMPLED, strict=True):
        for recipe in drawn:
            _draw_recipe(axes, recipe, curves, column)
        _leave_out_the_rise(axes)
        axes.set_title(COLUMNS[column].title, loc="left")
        axes.set_xlabel("epoch")
    name = DATASETS.get(drawn[0].dataset, drawn[0].dataset)
    figure.suptitle(f"{name}, NCF's recipe on the test split, epoch by epoch", x=0.01, ha="left")
    add_legend(figure, [_label(recipe) for recipe in drawn])
    add_note(
        figure,
        "Lines: mean over seeds. Large dots: the epoch that the holdout chose. Stars: each seed's best epoch on test.\n"
        "Dotted: published, at the best epoch on test.",
    )
    return figure


def _leave_out_the_rise(axes: Axes) -> None:
    """Begins the axis where the lines are after a third of their epochs: the first ones would squeeze the rest."""
    values = []
    for line in axes.lines:
        is_curve, is_marked = line.get_linestyle() == "-", line.get_linestyle() == "None"
        values += list(line.get_ydata())[len(line.get_ydata()) // 3 if is_curve else 0 :] * (is_curve or is_marked)
    axes.set_ylim(bottom=min(values, default=None))


def _label(recipe: Recipe) -> str:
    return f"{recipe.name}, d={recipe.embedding_dim} (n = {len(recipe.flattered)})"


def _draw_recipe(axes: Axes, recipe: Recipe, curves: pd.DataFrame, column: str) -> None:
    runs, colour = recipe.flattered, look(recipe.name)["color"]
    points = curves[(curves["metric"] == column) & curves["run_id"].isin(list(runs["run_id"]))]
    means = points.groupby("epoch")["value"].mean()
    axes.plot(means.index.to_numpy(int), means.to_numpy(float), color=colour, label=_label(recipe), zorder=2)
    axes.plot(runs["epoch"], runs[column], "*", color=colour, ms=14, mec="black", mew=0.8, zorder=3)
    held = [int(epoch) for epoch in recipe.held["epoch"].unique() if epoch in means.index]
    axes.plot(held, means.loc[held], "o", color=colour, ms=11, mec="black", mew=0.8, zorder=4)
    if (value := recipe.published(column)) is not None:
        axes.axhline(value, color=colour, ls=":", zorder=2)
