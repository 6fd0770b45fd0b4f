"""NCF by its own protocol: the table, and HR@10 and NDCG@10 on test epoch by epoch (analysis/ncf_protocol.py)."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.ncf_protocol import Reproduction
from experiments.analysis.published import figure2
from experiments.figures import panels
from experiments.figures.markdown import mean_text, range_text, table
from ncfjax.evaluation.columns import COLUMNS, SAMPLED

HEAD = (
    "| model | embedding_dim | layers | learning_rate | metric | published | authors' saved weights | seeds "
    "| ours, epoch chosen on the holdout | epoch | ours, epoch chosen on test | epoch | test selection bias |"
)
_NOTE = (
    "Lines: mean over seeds. Large dots: the epoch that the holdout chose. Stars: each seed's best epoch on test.\n"
    "Dotted: published, at the best epoch on test."
)


def protocol_table(ours: Sequence[Reproduction]) -> str:
    """Two rows per model, HR@10 and NDCG@10."""
    return table(HEAD, [_cells(model, column) for model in ours for column in SAMPLED])


def _cells(model: Reproduction, column: str) -> list[object]:
    cells = [model.name, model.embedding_dim, model.layers, f"{model.learning_rate:g}", COLUMNS[column].name]
    published, saved = model.published(column), model.saved(column)
    cells += [published and f"{published:.{figure2()[model.name].digits}f}", saved and f"{saved:.4f}"]
    choices, bias = (model.selected_on_holdout, model.selected_on_test), model.test_selection_bias(column)
    seeds = range_text([len(runs) for runs in choices if len(runs)] or [0])
    cells.append(seeds + f" ({model.num_diverged} diverged)" * (model.num_diverged > 0))
    for runs in choices:
        cells += [mean_text(runs.mean(column)), range_text(list(runs.rows["epoch"]))] if len(runs) else [None, None]
    return [*cells, mean_text(bias, "+") if bias.n else None]


def draw(ours: Sequence[Reproduction]) -> Figure | None:
    """Means over seeds, with the epochs that each choice took; none before a run's epoch is chosen on test."""
    drawn = [model for model in ours if len(model.selected_on_test)]
    if not drawn:
        return None
    figure, curves = panels.new_figure(), drawn[0].selected_on_test.store.curves()
    for axes, column in zip(figure.subplots(1, 2), SAMPLED, strict=True):
        for model in drawn:
            _draw_model(axes, model, curves, column)
        _leave_out_the_rise(axes)
        axes.set_title(COLUMNS[column].title, loc="left")
        axes.set_xlabel("epoch")
    title = f"{panels.dataset_title(drawn[0].dataset)}, NCF's protocol on the test split, epoch by epoch"
    return panels.complete(figure, title, list(map(_label, drawn)), _NOTE)


def _leave_out_the_rise(axes: Axes) -> None:
    """Begins the axis where the lines are after a third of their epochs: the first ones would squeeze the rest."""
    values = []
    for line in axes.lines:
        is_curve, is_marked = line.get_linestyle() == "-", line.get_linestyle() == "None"
        values += list(line.get_ydata())[len(line.get_ydata()) // 3 if is_curve else 0 :] * (is_curve or is_marked)
    axes.set_ylim(bottom=min(values, default=None))


def _label(model: Reproduction) -> str:
    return f"{model.name}, d={model.embedding_dim} (n = {len(model.selected_on_test)})"


def _draw_model(axes: Axes, model: Reproduction, curves: pd.DataFrame, column: str) -> None:
    runs, colour = model.selected_on_test.rows, panels.similarity_style(model.name)["color"]
    points = curves[(curves["metric"] == column) & curves["run_id"].isin(list(runs["run_id"]))]
    means = points.groupby("epoch")["value"].mean()
    axes.plot(means.index.to_numpy(int), means.to_numpy(float), color=colour, label=_label(model), zorder=2)
    axes.plot(runs["epoch"], runs[column], "*", color=colour, ms=14, mec="black", mew=0.8, zorder=3)
    epochs = [int(epoch) for epoch in model.selected_on_holdout.rows["epoch"].unique() if epoch in means.index]
    axes.plot(epochs, means.loc[epochs], "o", color=colour, ms=11, mec="black", mew=0.8, zorder=4)
    if (value := model.published(column)) is not None:
        axes.axhline(value, color=colour, ls=":", zorder=2)
