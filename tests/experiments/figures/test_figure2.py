"""The panels of Figure 2: of tables that are whole, half-finished or mixed."""

import itertools
from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from experiments.analysis.lines import runs_on_test
from experiments.analysis.published import figure2
from experiments.figures.figure2 import draw_dataset
from experiments.figures.panels import STYLE
from ncfjax.evaluation.columns import COLUMNS
from ncfjax.evaluation.intervals import seed_mean


@pytest.fixture
def drawn(tmp_path, store_runs) -> Callable[..., tuple[Figure, list[str]]]:
    """Draws runs; returns the figure, and the labels of its legend."""

    def drawn(*runs: dict) -> tuple[Figure, list[str]]:
        figure = draw_dataset(runs_on_test(store_runs(tmp_path / "study", *runs).runs()))
        return figure, [text.get_text() for text in figure.legends[0].get_texts()]

    return drawn


def test_more_lines_than_can_be_told_apart_are_counted_below(drawn, a_run):
    figure, labels = drawn(*(a_run(learning_rate=0.001 * n, dataset="pinterest-u37501") for n in range(1, 11)))
    assert len(labels) == 8
    assert "Runs not drawn: 2 on 2 more lines." in [text.get_text() for text in texts_of(figure)]


def test_diverged_holdout_and_tuning_runs_are_not_drawn(drawn, a_run):
    others = [a_run(seed=1, status="diverged"), a_run(seed=2, split="holdout"), a_run(seed=3, phase="tune")]
    figure, labels = drawn(a_run(), *others)
    assert labels[0] == "MF, expected (n = 1)"
    assert "Runs not drawn: 1 diverged." in [text.get_text() for text in texts_of(figure)]


# ---- the panels


def points_of(axes, label: str) -> dict[float, float]:
    (found,) = [line for line in axes.get_lines() if line.get_label() == label] or [None]
    return dict(zip(found.get_xdata(), found.get_ydata(), strict=True)) if found else {}


def test_the_papers_points_stand_on_the_sampled_panels_only(drawn, a_run):
    figure, labels = drawn(a_run())
    hit_ratio, ndcg, *full = figure.axes
    assert points_of(hit_ratio, "paper: MF (n = 8)")[192] == 0.7294
    assert points_of(ndcg, "He et al.: MLP")[128] == 0.426
    assert not any(points_of(axes, "paper: MF (n = 8)") for axes in full)
    assert labels[0] == "MF, expected (n = 1)" and len(labels) == 5


def test_another_data_set_has_no_points_of_the_paper(drawn, a_run):
    _, labels = drawn(a_run(dataset="pinterest-u37501"))
    assert labels == ["MF, expected (n = 1)"]


def test_every_panel_shows_its_own_column(drawn, a_run):
    values = {column: number / 10 for number, column in enumerate(COLUMNS, 1)}
    figure, _ = drawn(a_run(**values), a_run(embedding_dim=64, **values))
    for axes, (column, shown) in zip(figure.axes, COLUMNS.items(), strict=True):
        assert axes.get_title(loc="left") == shown.title
        (container,) = axes.containers
        assert list(container[0].get_ydata()) == [values[column]] * 2
        np.testing.assert_array_equal(container[0].get_xdata(), [16, 64])


def test_error_bars_span_the_interval(drawn, a_run):
    scores = [0.70, 0.71, 0.73]
    figure, _ = drawn(*(a_run(seed=s, **{"hit_ratio@10": v}) for s, v in enumerate(scores)))
    (bar,) = figure.axes[0].containers[0][2][0].get_segments()
    expected = seed_mean(np.array(scores))
    np.testing.assert_allclose(bar[:, 1], [expected.mean - expected.half_width, expected.mean + expected.half_width])


def test_oracle_and_popularity_are_horizontal_lines(drawn, a_run):
    scores = {"oracle": 0.8, "popularity": 0.6}
    references = [
        a_run(model=m, objective=None, embedding_dim=None, **dict.fromkeys(COLUMNS, v)) for m, v in scores.items()
    ]
    figure, labels = drawn(a_run(dataset="synthetic"), *(run | {"dataset": "synthetic"} for run in references))
    assert labels == ["MF, expected (n = 1)", "oracle (true scores)", "popularity"]
    for axes in figure.axes:
        assert set(points_of(axes, "oracle (true scores)").values()) == {0.8}
        assert set(points_of(axes, "popularity").values()) == {0.6}
        assert axes.lines[-1].get_linestyle() == ":" and axes.lines[-2].get_linestyle() == "--"


def test_a_far_horizontal_line_does_not_squeeze_the_curves(drawn, a_run):
    popularity = a_run(model="popularity", objective=None, embedding_dim=None, **dict.fromkeys(COLUMNS, 0.45))
    figure, _ = drawn(a_run(), popularity)
    assert figure.axes[0].get_ylim()[0] > 0.6 and not points_of(figure.axes[0], "popularity")
    assert "↓ popularity 0.450" in [text.get_text() for text in figure.axes[0].texts]


def test_a_panel_without_values_says_so(drawn, a_run):
    figure, _ = drawn(a_run(**{"full_ndcg@10": None}))
    assert [[text.get_text() for text in axes.texts if text.get_text()] for axes in figure.axes] == [
        [],
        [],
        [],
        ["no run yet"],
    ]


def texts_of(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


@pytest.fixture
def a_whole_table(a_run) -> list[dict]:
    """All four models at the paper's dimensions, both objectives of MF, NeuMF pretrained too, some chosen on test."""
    learned = {"gmf": (16, 32, 64, 128), "mlp": (16, 32, 64, 128), "neumf": (24, 48, 96, 192)}
    kinds = [
        ("dot", d, {"objective": o}) for d in figure2()["MF"].curve("ml-1m", "ndcg@10") for o in ("expected", "sampled")
    ]
    kinds += [(model, d, {}) for model, dims in learned.items() for d in dims]
    kinds += [("neumf", d, {"pretraining": "keras, alpha=0.5"}) for d in learned["neumf"]]
    kinds += [(model, 32, {"select_epoch": "test"}) for model in ("mlp", "neumf")]
    runs = [
        a_run(model=m, embedding_dim=d, seed=s, **{"objective": "sampled"} | k) for m, d, k in kinds for s in (0, 1)
    ]
    return [*runs, a_run(status="diverged", seed=9)]


def test_every_text_of_a_whole_table_can_be_read_on_a_slide_and_none_leaves_it(drawn, a_whole_table):
    with matplotlib.rc_context(STYLE):
        figure, labels = drawn(*a_whole_table)
        assert len(labels) == 8 + len(figure2())
        figure.draw_without_rendering()
        assert_legible(figure)
        ticks = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(ticks))


def assert_legible(figure: Figure) -> None:
    assert min(text.get_fontsize() for text in texts_of(figure)) >= 14
    legend = figure.legends[0].get_window_extent()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    for box in [*boxes, legend, figure._suptitle.get_window_extent(), figure._supxlabel.get_window_extent()]:
        assert -1 <= box.x0 < box.x1 <= figure.bbox.x1 + 1 and -1 <= box.y0 < box.y1 <= figure.bbox.y1 + 1
    assert max(box.x1 for box in boxes) <= legend.x0
    assert figure._suptitle.get_window_extent().y0 > legend.y1


def test_no_marker_is_cut_off_by_the_edge_of_its_panel(drawn, a_whole_table):
    figure, _ = drawn(*a_whole_table)
    for axes in figure.axes:
        xs = np.concatenate([line.get_xdata() for line in axes.lines if line.get_linestyle() != "None"])
        low, high = axes.get_xlim()
        assert low * 1.02 < xs.min() and xs.max() < high / 1.02
