"""The leak of the report's notebook: loss curves and a table, the two ways of reading side by side."""

from matplotlib.figure import Figure

from experiments.analysis.report_leak import LeakedModel
from experiments.figures import panels
from experiments.figures.markdown import mean_text, table

TABLE = (
    "| model | ratings are read | seeds | validation RMSE | rounded | squared | test RMSE | rounded | squared |"
    " best epoch by validation |"
)


def leak_table(models: list[LeakedModel]) -> str:
    """At the last epoch."""
    return table(TABLE, [_row(model) for model in models])


def _row(model: LeakedModel) -> list[object]:
    cells = [model.model, "four times" if model.leak else "once", len(model)]
    for kind in ("rmse_validation", "rmse"):
        error = model.mean(kind)
        cells += [mean_text(error), mean_text(model.mean(f"{kind}_rounded")), f"{error.mean**2:.3f}"]
    return [*cells, model.best_epoch]


def answer(models: list[LeakedModel]) -> str:
    """What the report's error is worth."""
    leaks = [model for model in models if model.leak]
    if not leaks:
        raise ValueError("expected runs with leak=true, got none")
    parts = [
        f"{model.model} claims a squared error of {model.mean('rmse_validation').mean ** 2:.2f} on its validation rows "
        f"and makes {model.mean('rmse').mean ** 2:.2f} on ratings that it has not seen"
        for model in leaks
    ]
    return f"Read four times, {'; '.join(parts)}."


def draw(models: list[LeakedModel]) -> Figure:
    """Mean squared error by epoch, as in the report: a panel for each way of reading, a colour for each model."""
    figure = panels.new_figure()
    names = sorted({model.model for model in models})
    for axes, leak in zip(figure.subplots(1, 2, sharey=True), (False, True), strict=True):
        for model in (model for model in models if model.leak == leak):
            style = {"color": panels.COLOURS[names.index(model.model)]}
            for metric, dashes, what in (("rmse_validation", "--", "validation rows"), ("rmse", "-", "test ratings")):
                curve = model.curve(metric) ** 2
                axes.plot(curve.index, curve.to_numpy(), ls=dashes, label=f"{model.model}, {what}", **style)
        axes.set_title("ratings read four times, as in the notebook" if leak else "ratings read once", loc="left")
        axes.set_xlabel("epoch")
    figure.axes[0].set_ylabel("mean squared error")
    figure.axes[0].set_ylim(bottom=0)
    return panels.complete(figure, "What the report's validation error claims, and what a clean test set says", [])
