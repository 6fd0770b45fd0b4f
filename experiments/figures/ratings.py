"""Models of explicit ratings: a table of their errors, who is better, and the error by the number of ratings."""

from matplotlib.figure import Figure

from experiments.analysis.pairwise import NO_DIFFERENCE, PairwiseTest, family_size
from experiments.analysis.ratings import ERROR, RatedData
from experiments.figures import panels
from experiments.figures.markdown import interval_text, mean_text, p_text, plain, signed, table

FOLDS = {
    "random": "random folds",
    "official": "the data set's own split",
    "share": "a random share is predicted",
    "latest": "the latest are predicted",
    "cold_items": "items without training ratings",
    "cold_users": "users without training ratings",
}
ERRORS = "| model | folds | seeds | RMSE | MAE | exact stars | RMSE rounded |"
TESTS = "| better | worse | mean squared error saved | 95 % interval | p |"
COMPARED = ("biases", "dot", "neumf")  # with the best, in an answer
_MOST_LINES = 8


def tables(all_data: list[RatedData]) -> str:
    """For every data set and kind of folds."""
    return "\n\n".join(text for data in all_data for text in (title(data), errors_table(data), tests_table(data)))


def title(data: RatedData) -> str:
    return f"**{plain(_heading(data))}**"


def _heading(data: RatedData) -> str:
    sizes = f" ({data.sizes})" * bool(data.sizes)
    return f"{panels.dataset_title(data.dataset)}, {FOLDS[data.folds]}{sizes}"


def errors_table(data: RatedData) -> str:
    columns = ("rmse", "mae", "star_accuracy", "rmse_rounded")
    rows = [
        [model.name, model.num_folds, len(model.by_seed), *(mean_text(model.mean(column)) for column in columns)]
        for model in data.models
    ]
    return table(ERRORS, rows)


def tests_table(data: RatedData) -> str:
    """Each model against the next worse one; all pairs were tested and corrected together."""
    following = {(ours, other) for other, ours in zip(data.models, data.models[1:], strict=False)}
    shown = [test for test in data.tests if (test.ours, test.other) in following]
    text = table(TESTS, [_cells(test) for test in shown])
    family = family_size(data.tests)
    return f"{text}\n\nEach model against the next worse one. p: corrected by Holm over {family} pairs of models."


def _cells(test: PairwiseTest) -> list[object]:
    result = test.comparison
    told = test.ours.name if test.winner != NO_DIFFERENCE else f"{test.ours.name}, not told apart"
    return [
        told,
        test.other.name,
        signed(result.difference),
        interval_text(result.low, result.high),
        p_text(test.p_value),
    ]


def answer(all_data: list[RatedData]) -> str:
    """The best model of each, beside the biases, the dot product by gradient and NeuMF."""
    parts = []
    for data in all_data:
        best = data.models[-1]
        # Of several models of one name the best, which comes last.
        others = {model.model: model for model in data.models if model.model in COMPARED}
        beside = ", ".join(f"{other.name} {mean_text(other.mean(ERROR))}" for other in others.values())
        parts.append(
            f"{plain(_heading(data))}: {best.name}, {mean_text(best.mean(ERROR))}" + f" ({beside})" * bool(beside)
        )
    return f"Lowest RMSE: {'; '.join(parts)}."


def parts(all_data: list[RatedData]) -> dict[str, RatedData]:
    """What a figure's name ends with -> what it shows."""
    if len(all_data) == 1:
        return {"": all_data[0]}
    datasets = {data.dataset for data in all_data}
    names = [
        [*([data.dataset] if len(datasets) > 1 else []), data.folds, *data.sizes.replace(", ", "-").split()]
        for data in all_data
    ]
    return {"-" + "-".join(name): data for name, data in zip(names, all_data, strict=True)}


def draw(data: RatedData) -> Figure:
    """RMSE by how many training ratings the user, or the item, has."""
    figure = panels.new_figure()
    drawn = data.models[-_MOST_LINES:]
    for axes, side in zip(figure.subplots(1, 2, sharey=True), ("users", "items"), strict=True):
        labels = [one.label for model in drawn for one in model.bins[side]]
        places = {label: place for place, label in enumerate(sorted(set(labels), key=_low))}
        for number, model in enumerate(reversed(drawn)):
            bins = model.bins[side]
            style = panels.line_style(number)
            axes.plot([places[one.label] for one in bins], [one.rmse for one in bins], label=model.name, **style)
        axes.set_xticks(list(places.values()), list(places), rotation=30)
        axes.set_xlabel(f"training ratings of the {side[:-1]}")
        axes.set_title("RMSE", loc="left")
    heading = f"{_heading(data)}: error by number of ratings"
    return panels.complete(figure, heading, [model.name for model in reversed(drawn)])


def _low(label: str) -> int:
    return int(label.split("-")[0].rstrip("+"))
