"""Figures of tables that are whole, half-finished, mixed or missing."""

import itertools
import math
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import image
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

from experiments import config, summary
from experiments.columns import COLUMNS
from experiments.figure2 import draw_dataset, draw_figure2
from experiments.lines import MODELS, SETTINGS, completed, estimate, lines
from experiments.panels import STYLE
from experiments.paper import DIGITS, FIGURE2
from experiments.plot import main
from ncfjax.store import RUN_COLUMNS, Store

IDS = itertools.count()


def a_run(**changed) -> dict:
    """A completed run of the study's MovieLens-1M setting."""
    row = dict.fromkeys(RUN_COLUMNS) | {"run_id": f"{next(IDS):016x}", "status": "completed", "phase": "run"}
    row |= {
        "dataset": "ml-1m",
        "split": "test",
        "model": "dot",
        "objective": "expected",
        "embedding_dim": 16,
        "seed": 0,
    }
    row |= {"learning_rate": 0.002, "regularization": 0.005, "num_negatives": 8, "num_epochs": 256}
    return row | dict.fromkeys(COLUMNS, 0.7) | changed


def store_runs(folder: Path, *runs: dict) -> Store:
    store = Store(folder)
    for run in runs:
        store.append(run, [], {})
    return store


def drawn(tmp_path: Path, *runs: dict) -> tuple[Figure, list[str]]:
    """The figure of these runs, and the labels of its legend."""
    table = store_runs(tmp_path / "study", *runs).runs()
    tested = table[(table["split"] == "test") & (table["phase"] != "tune")]
    figure = draw_dataset(tested, tested["dataset"].iloc[0])
    return figure, [text.get_text() for text in figure.legends[0].get_texts()]


# ---- means and intervals


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_the_interval_is_that_of_scipy(values):
    found = estimate(np.array(values))
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values) + 1e-300)
    assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx((low, high), abs=1e-12)
    assert found.n == len(values)


def test_the_interval_of_three_seeds_by_hand():
    found = estimate(np.array([0.1, 0.2, 0.3, np.nan]))
    assert found.mean == pytest.approx(0.2)
    assert found.half_width == pytest.approx(4.30265 * 0.1 / math.sqrt(3), rel=1e-5)
    assert found.n == 3


def test_one_seed_has_no_interval_and_none_has_no_mean():
    assert estimate(np.array([0.5]))[0] == 0.5 and math.isnan(estimate(np.array([0.5])).half_width)
    assert math.isnan(estimate(np.array([np.nan])).mean)


def test_intervals_cover_the_truth_19_times_in_20():
    samples = np.random.default_rng(0).normal(0.7, 0.01, size=(4000, 3))
    found = [estimate(sample) for sample in samples]
    covered = np.mean([abs(point.mean - 0.7) <= point.half_width for point in found])
    assert 0.94 < covered < 0.96


# ---- which runs are drawn


def lines_of(tmp_path, *runs):
    return lines(completed(store_runs(tmp_path, *runs).runs()))


def test_the_setting_with_the_most_seeds_is_drawn_though_another_scores_higher(tmp_path):
    few = [a_run(seed=seed, learning_rate=0.01, **{"ndcg@10": 0.9}) for seed in range(2)]
    many = [a_run(seed=seed, learning_rate=0.002, **{"ndcg@10": 0.4}) for seed in range(3)]
    (line,) = lines_of(tmp_path, *few, *many)
    assert line.label == "MF, expected (n = 3)"
    assert line.points("ndcg@10") == [(16, pytest.approx((0.4, 0.0, 3)))]


def test_the_setting_is_chosen_per_dimension(tmp_path):
    runs = [a_run(seed=seed, embedding_dim=dim, learning_rate=0.032 / dim) for dim in (16, 32) for seed in range(2)]
    (line,) = lines_of(tmp_path, *runs, a_run(embedding_dim=32, learning_rate=0.002))
    assert [(dim, point.n) for dim, point in line.points("ndcg@10")] == [(16, 2), (32, 2)]


def test_settings_that_tie_are_lines_named_by_what_differs(tmp_path):
    rates = (0.01, 0.002)
    found = lines_of(
        tmp_path, *(a_run(seed=s, embedding_dim=d, learning_rate=r) for s in (0, 1) for d in (8, 16) for r in rates)
    )
    assert [line.label.split("\n")[1:] for line in found] == [["learning_rate 0.002"], ["learning_rate 0.01"]]
    assert all(len(line.rows) == 4 for line in found)


def test_models_and_objectives_are_lines_of_their_own(tmp_path):
    runs = [a_run(), a_run(objective="sampled", batch_size=512), a_run(model="mlp")]
    assert [line.label for line in lines_of(tmp_path, *runs)] == [
        "MF, expected (n = 1)", "MF, sampled (n = 1)", "MLP, expected (n = 1)",
    ]  # fmt: skip


def test_every_model_of_the_sweep_has_the_papers_name():
    assert list(MODELS) == list(config.MODELS)


def test_no_column_of_a_runs_configuration_is_overlooked():
    """One that is neither a setting nor what a line is known by would let unlike runs share a mean."""
    outcome = ["epoch", *COLUMNS, "mrr", "full_mrr", "parameters", "train_seconds", "compile_seconds"]
    origin = ["run_id", "study", "device", "version", "commit", "started_at", "command"]
    known = ["status", "phase", "dataset", "split", "model", "embedding_dim", "objective", "seed"]
    assert set(RUN_COLUMNS) == {*SETTINGS, *known, *origin, *outcome}
    assert set(SETTINGS) < {*summary._CONFIGURATION, *summary._OF_MODEL}


def test_what_is_tuned_per_dimension_is_one_line_of_final_runs(tmp_path):
    tuned = {16: (0.001, 20), 32: (0.002, 12)}
    runs = [
        a_run(
            model="gmf", phase="final", select_epoch="holdout", embedding_dim=d, learning_rate=r, num_epochs=n, seed=s
        )
        for d, (r, n) in tuned.items()
        for s in (0, 1)
    ]
    (line,) = lines_of(tmp_path, *runs)
    assert line.label == "GMF, expected (n = 2)" and [dim for dim, _ in line.points("ndcg@10")] == [16, 32]


def an_mlp(layers: str, **changed) -> dict:
    return a_run(model="mlp", layers=layers, embedding_dim=int(layers.split("-")[0]) // 2, **changed)


def test_a_tower_that_grows_with_the_dimension_does_not_split_a_line(tmp_path):
    runs = [an_mlp(layers, learning_rate=rate) for layers in ("32-16-8", "64-32-16") for rate in (0.1, 0.2)]
    found = lines_of(tmp_path, *runs)
    assert [line.details for line in found] == [["learning_rate 0.1"], ["learning_rate 0.2"]]
    assert [[dim for dim, _ in line.points("ndcg@10")] for line in found] == [[16, 32], [16, 32]]


def test_two_towers_at_a_dimension_are_two_lines_whatever_their_seeds(tmp_path):
    """[2d, d, d/2] at 16 and 32, two seeds each; [2d, d, d/2, d/4] at 32 alone, one seed."""
    runs = [an_mlp(layers, seed=seed) for layers in ("32-16-8", "64-32-16") for seed in (0, 1)]
    found = lines_of(tmp_path, *runs, an_mlp("64-32-16-8"))
    assert [(line.details, [dim for dim, _ in line.points("ndcg@10")]) for line in found] == [
        (["layers 2d-d-d/2"], [16, 32]),
        (["layers 64-32-16-8"], [32]),
    ]


def test_a_neumf_joins_its_towers_by_their_shape_too(tmp_path):
    sizes = [(24, "32-16-8"), (48, "64-32-16"), (48, "64-32-16-8")]
    found = lines_of(tmp_path, *(a_run(model="neumf", embedding_dim=dim, layers=layers) for dim, layers in sizes))
    assert [line.details for line in found] == [["layers 4d/3-2d/3-d/3"], ["layers 64-32-16-8"]]


def test_pretraining_is_a_line_of_its_own(tmp_path):
    how = "trained, 20 epochs, learning_rate=0.001, alpha=0.5"
    found = lines_of(tmp_path, a_run(model="neumf", pretraining=how), *(a_run(model="neumf", seed=s) for s in (0, 1)))
    assert [line.label for line in found] == ["NeuMF, expected (n = 2)", "NeuMF, pretrained, expected (n = 1)"]


def test_an_epoch_chosen_on_test_is_a_line_of_its_own_after_all_others(tmp_path):
    flattered = [a_run(model="gmf", seed=s, select_epoch="test", **{"ndcg@10": 0.9}) for s in range(3)]
    found = lines_of(tmp_path, *flattered, a_run(model="gmf", **{"ndcg@10": 0.4}), a_run(model="neumf"))
    assert [line.label for line in found] == [
        "GMF, expected (n = 1)", "NeuMF, expected (n = 1)", "GMF, expected (n = 3)\nepoch chosen on test",
    ]  # fmt: skip
    assert [line.points("ndcg@10")[0][1].mean for line in found] == pytest.approx([0.4, 0.7, 0.9])


def test_more_lines_than_can_be_told_apart_are_counted_below(tmp_path):
    figure, labels = drawn(
        tmp_path, *(a_run(learning_rate=0.001 * n, dataset="pinterest-u37501") for n in range(1, 11))
    )
    assert len(labels) == 8
    assert "Runs not drawn: 2 on 2 more lines." in [text.get_text() for text in texts_of(figure)]


def test_a_number_of_epochs_that_the_holdout_chose_may_repeat_one_that_was_set(tmp_path):
    (line,) = lines_of(tmp_path, a_run(), a_run(phase="final", select_epoch="holdout"))
    assert line.points("ndcg@10")[0][1].n == 1


def test_a_seed_that_a_tuning_repeats_counts_once(tmp_path):
    (line,) = lines_of(tmp_path, a_run(seed=0), a_run(seed=0, phase="final"), a_run(seed=1, phase="final"))
    assert line.points("ndcg@10")[0][1].n == 2


def test_diverged_holdout_and_tuning_runs_are_not_drawn(tmp_path):
    others = [a_run(seed=1, status="diverged"), a_run(seed=2, split="holdout"), a_run(seed=3, phase="tune")]
    figure, labels = drawn(tmp_path, a_run(), *others)
    assert labels[0] == "MF, expected (n = 1)"
    assert "Runs not drawn: 1 diverged." in [text.get_text() for text in texts_of(figure)]


# ---- the panels


def points_of(axes, label: str) -> dict[float, float]:
    (found,) = [line for line in axes.get_lines() if line.get_label() == label] or [None]
    return dict(zip(found.get_xdata(), found.get_ydata(), strict=True)) if found else {}


def test_the_papers_points_stand_on_the_sampled_panels_only(tmp_path):
    figure, labels = drawn(tmp_path, a_run())
    hit_ratio, ndcg, *full = figure.axes
    assert points_of(hit_ratio, "paper: MF (n = 8)")[192] == 0.7294
    assert points_of(ndcg, "He et al.: MLP")[128] == 0.426
    assert not any(points_of(axes, "paper: MF (n = 8)") for axes in full)
    assert labels[0] == "MF, expected (n = 1)" and len(labels) == 5


def test_another_data_set_has_no_points_of_the_paper(tmp_path):
    _, labels = drawn(tmp_path, a_run(dataset="pinterest-u37501"))
    assert labels == ["MF, expected (n = 1)"]


def test_every_panel_shows_its_own_column(tmp_path):
    values = {column: number / 10 for number, column in enumerate(COLUMNS, 1)}
    figure, _ = drawn(tmp_path, a_run(**values), a_run(embedding_dim=64, **values))
    for axes, (column, shown) in zip(figure.axes, COLUMNS.items(), strict=True):
        assert axes.get_title(loc="left") == shown.title
        (container,) = axes.containers
        assert list(container[0].get_ydata()) == [values[column]] * 2
        np.testing.assert_array_equal(container[0].get_xdata(), [16, 64])


def test_error_bars_span_the_interval(tmp_path):
    scores = [0.70, 0.71, 0.73]
    figure, _ = drawn(tmp_path, *(a_run(seed=s, **{"hit_ratio@10": v}) for s, v in enumerate(scores)))
    (bar,) = figure.axes[0].containers[0][2][0].get_segments()
    expected = estimate(np.array(scores))
    np.testing.assert_allclose(bar[:, 1], [expected.mean - expected.half_width, expected.mean + expected.half_width])


def test_oracle_and_popularity_are_horizontal_lines(tmp_path):
    scores = {"oracle": 0.8, "popularity": 0.6}
    references = [
        a_run(model=m, objective=None, embedding_dim=None, **dict.fromkeys(COLUMNS, v)) for m, v in scores.items()
    ]
    figure, labels = drawn(
        tmp_path, a_run(dataset="synthetic"), *(run | {"dataset": "synthetic"} for run in references)
    )
    assert labels == ["MF, expected (n = 1)", "oracle (true scores)", "popularity"]
    for axes in figure.axes:
        assert set(points_of(axes, "oracle (true scores)").values()) == {0.8}
        assert set(points_of(axes, "popularity").values()) == {0.6}
        assert axes.lines[-1].get_linestyle() == ":" and axes.lines[-2].get_linestyle() == "--"


def test_a_far_horizontal_line_does_not_squeeze_the_curves(tmp_path):
    popularity = a_run(model="popularity", objective=None, embedding_dim=None, **dict.fromkeys(COLUMNS, 0.45))
    figure, _ = drawn(tmp_path, a_run(), popularity)
    assert figure.axes[0].get_ylim()[0] > 0.6 and not points_of(figure.axes[0], "popularity")
    assert "↓ popularity 0.450" in [text.get_text() for text in figure.axes[0].texts]


def test_a_panel_without_values_says_so(tmp_path):
    figure, _ = drawn(tmp_path, a_run(**{"full_ndcg@10": None}))
    assert [[text.get_text() for text in axes.texts if text.get_text()] for axes in figure.axes] == [
        [],
        [],
        [],
        ["no run yet"],
    ]


def texts_of(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def a_whole_table() -> list[dict]:
    """All four models at the paper's dimensions, both objectives of MF, NeuMF pretrained too, some chosen on test."""
    learned = {"gmf": (16, 32, 64, 128), "mlp": (16, 32, 64, 128), "neumf": (24, 48, 96, 192)}
    kinds = [("dot", d, {"objective": o}) for d in FIGURE2["ml-1m"]["MF"]["ndcg@10"] for o in ("expected", "sampled")]
    kinds += [(model, d, {}) for model, dims in learned.items() for d in dims]
    kinds += [("neumf", d, {"pretraining": "keras, alpha=0.5"}) for d in learned["neumf"]]
    kinds += [(model, 32, {"select_epoch": "test"}) for model in ("mlp", "neumf")]
    runs = [
        a_run(model=m, embedding_dim=d, seed=s, **{"objective": "sampled"} | k) for m, d, k in kinds for s in (0, 1)
    ]
    return [*runs, a_run(status="diverged", seed=9)]


def test_every_text_of_a_whole_table_can_be_read_on_a_slide_and_none_leaves_it(tmp_path):
    with matplotlib.rc_context(STYLE):
        figure, labels = drawn(tmp_path, *a_whole_table())
        assert len(labels) == 8 + len(FIGURE2["ml-1m"])
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


def test_no_marker_is_cut_off_by_the_edge_of_its_panel(tmp_path):
    figure, _ = drawn(tmp_path, *a_whole_table())
    for axes in figure.axes:
        xs = np.concatenate([line.get_xdata() for line in axes.lines if line.get_linestyle() != "None"])
        low, high = axes.get_xlim()
        assert low * 1.02 < xs.min() and xs.max() < high / 1.02


# ---- files


def test_the_same_table_gives_the_same_bytes(tmp_path):
    runs = store_runs(tmp_path, a_run(), a_run(seed=1), a_run(embedding_dim=32)).runs()
    first, second = draw_figure2(runs, tmp_path / "a"), draw_figure2(runs, tmp_path / "b")
    assert [path.name for path in first] == ["figure2.png", "figure2.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert image.imread(first[0]).shape[:2] == (1125, 1999)


def test_two_data_sets_are_two_figures(tmp_path):
    runs = store_runs(tmp_path, a_run(), a_run(dataset="pinterest")).runs()
    names = [path.name for path in draw_figure2(runs, tmp_path)]
    assert names == [f"figure2-{name}.{kind}" for name in ("ml-1m", "pinterest") for kind in ("png", "svg")]


# ---- the command line


def test_the_last_line_is_the_paths_written(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store_runs(Path("results/figure2-ml-1m"), a_run())
    assert main(["figure2", "study=figure2-ml-1m"]) == 0
    paths = capsys.readouterr().out.splitlines()[-1].split()
    assert paths == [f"results/figure2-ml-1m/figures/figure2.{kind}" for kind in ("png", "svg")]
    assert all(Path(path).stat().st_size > 10_000 for path in paths)
    assert sorted(path.name for path in Path().iterdir()) == ["results"]  # no folder of Hydra's


def test_a_study_that_is_not_named_is_the_figures_own(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store_runs(Path("results/figure2-ml-1m"), a_run())
    assert main(["figure2"]) == 0
    assert "| MF | expected | 16 | 1 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["figure22", "study=whole"], r"figure 'figure22': .*did you mean figure2\?"),
        ([], "figure '': .*figure2"),
        (["figure2", "study=hole"], r"study=hole: .*did you mean whole\?"),
        (["figure2"], "results/figure2-ml-1m/runs.csv: no such table: .*whole"),
        (["equal_budget"], "results/equal-budget-ml-1m/runs.csv: no such table"),
        (["ncf_reference"], "results/ncf-reference-ml-1m/runs.csv: no such table"),
        (["equal_budget", "study=whole"], "whole/runs.csv: expected final runs of a tuning .* got 1 run test"),
        (["ncf_reference", "study=whole"], "whole/runs.csv: expected test runs of gmf, mlp, neumf"),
        (["figure2", "studdy=whole"], r"studdy: no such key, did you mean study\?"),
        (["figure2", "study=[whole"], "input"),
        (["figure2", "study=empty"], "empty/runs.csv: expected runs, got none"),
        (["figure2", "study=foreign"], "foreign/runs.csv:1: expected the columns"),
        (["figure2", "study=tuning"], "expected completed runs on the test split, got 1 completed holdout"),
        (["figure2", "study=whole", "results_dir=nowhere"], "results_dir=nowhere: expected a folder"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_exit_code_2(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    store_runs(Path("results/whole"), a_run())
    store_runs(Path("results/tuning"), a_run(split="holdout", phase="tune"))
    for name, text in (("empty", ",".join(RUN_COLUMNS) + "\n"), ("foreign", "a,b\n")):
        (tmp_path / "results" / name).mkdir()
        (tmp_path / "results" / name / "runs.csv").write_text(text)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 1
    assert re.search(message, captured.err)


def test_help_says_what_can_be_drawn(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"experiments.plot {name} " in shown for name in ("figure2", "equal_budget", "ncf_reference"))


# ---- the paper's numbers


def test_the_figures_matrix_factorization_rises_with_its_dimension():
    for methods in FIGURE2.values():
        for curve in methods["MF"].values():
            assert list(curve.values()) == sorted(curve.values())


def test_every_published_number_has_no_more_digits_than_it_is_shown_with():
    for methods in FIGURE2.values():
        for name, curves in methods.items():
            for value in (value for curve in curves.values() for value in curve.values()):
                assert round(value, DIGITS[name]) == value
