"""Which similarity wins at which size: users on paper, significance.py as the reference, tables that are not whole."""

import itertools
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from experiments.analysis.equal_budget import TunedModel, equal_budget, winner
from experiments.analysis.pairwise import PairwiseTest
from experiments.entries import columns
from experiments.figures import answers
from experiments.figures.equal_budget import PAIRED, WINNERS, draw, quality_head, tables
from experiments.figures.panels import STYLE, render
from ncfjax.evaluation.columns import COLUMNS
from ncfjax.evaluation.metrics import hit_ratio
from ncfjax.evaluation.significance import Comparison, compare
from ncfjax.store import Store

TABLES = columns()

IDS = itertools.count()
QUALITY = quality_head(["learning_rate", "regularization", "num_epochs"])
MISS = 20  # a rank beyond the first ten


def a_run(store: Store, model: str, dim: int, **changed) -> None:
    """Stores a run with the ranks of its users, the same in both protocols; without ranks it has no metrics."""
    ranks = np.array(changed.pop("ranks", []), int)
    row = dict.fromkeys(store.columns) | {"run_id": f"{next(IDS):016x}", "status": "completed", "dataset": "ml-1m"}
    row |= {"model": model, "embedding_dim": dim, "objective": "sampled", "negatives": "file", "seed": 0}
    row |= {"phase": "final", "split": "test", "select_epoch": "holdout", "num_epochs": 18}
    row |= {"learning_rate": 0.002, "regularization": 0.001} | changed
    if len(ranks):
        row |= {name: float(column.of_ranks(ranks)) for name, column in COLUMNS.items()}
    store.append(row, [], {"sampled": ranks, "full": ranks} if len(ranks) else {})


def tuning_runs(store: Store, model: str, dim: int, number: int, num_epochs: int = 24, **changed) -> None:
    for rate in range(1, number + 1):
        changed = {"phase": "tune", "split": "holdout", "num_epochs": num_epochs} | changed
        a_run(store, model, dim, learning_rate=0.001 * rate, **changed)


def a_study(folder: Path, *of_models: tuple[str, int, list[list[int]]]) -> Store:
    """Model, dimension, and the ranks of its users in each seed; each tuned by four runs."""
    store = Store(folder, TABLES["sweep"])
    for model, dim, seeds in of_models:
        tuning_runs(store, model, dim, 4)
        for seed, ranks in enumerate(seeds):
            a_run(store, model, dim, seed=seed, ranks=ranks)
    return store


def rows_of(text: str, head: str) -> list[list[str]]:
    """The cells of the table below this head."""
    lines = text.splitlines()
    below = itertools.takewhile(lambda line: line.startswith("|"), lines[lines.index(head) + 2 :])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in below]


DOT = [[0, MISS, MISS, 0], [0, MISS, MISS, MISS]]  # hits per user, over seeds: 1, 0, 0, 1/2
MLP = [[0, 0, MISS, MISS], [0, 0, MISS, MISS]]  # 1, 1, 0, 0


# ---- the numbers


def test_four_users_and_two_seeds_on_paper(tmp_path):
    """Differences 0, 1, 0, -1/2: mean 1/8, s.d. 0.6292; one user won, one lost."""
    store = a_study(tmp_path, ("dot", 16, DOT), ("mlp", 16, MLP))
    table = rows_of(tables(equal_budget(store)), PAIRED)
    assert [cells[:5] for cells in table] == [
        ["16", "mlp", "sampled", "HR@10", "+0.1250"],
        ["16", "mlp", "sampled", "NDCG@10", "+0.1250"],  # a hit in the first place counts one in both metrics
        ["16", "mlp", "full", "HR@10", "+0.1250"],
        ["16", "mlp", "full", "NDCG@10", "+0.1250"],
    ]
    assert all(cells[6:9] == ["+0.199", "1", "1"] and cells[-1] == "no difference" for cells in table)


def test_quality_is_the_mean_over_seeds_beside_what_was_tuned(tmp_path):
    """HR@10 1/2 and 1/4: mean 3/8, half an interval of 12.706 * 0.17678 / sqrt(2) = 1.5883."""
    store = a_study(tmp_path, ("dot", 16, DOT))
    ((*cells, tried),) = rows_of(tables(equal_budget(store)), QUALITY)
    assert cells == ["16", "dot", "2", *["0.3750 ± 1.5883"] * 4, "0.002", "0.001", "18"]
    assert tried == "4 runs of 24 epochs"


def test_whatever_else_was_tuned_or_differs_has_a_column(tmp_path):
    """A similarity with a sharpness, of which the holdout chose 0.2."""
    store = Store(tmp_path, TABLES["sweep"] | {"sharpness": float})
    tuning_runs(store, "dot", 16, 2)
    a_run(store, "dot", 16, ranks=DOT[0])
    for sharpness in (0.05, 0.2):
        tuning_runs(store, "cosine", 16, 1, sharpness=sharpness)
    a_run(store, "cosine", 16, ranks=MLP[0], sharpness=0.2, layers="32-16")
    head = quality_head(["layers", "learning_rate", "regularization", "num_epochs", "sharpness"])
    rows = rows_of(tables(equal_budget(store)), head)
    assert [cells[7:-1] for cells in rows] == [
        ["", "0.002", "0.001", "18", ""],
        ["32-16", "0.002", "0.001", "18", "0.2"],
    ]


def test_a_similarity_whose_weights_pay_no_penalty_is_another_one_with_a_budget_of_its_own(tmp_path):
    store = a_study(tmp_path, ("dot", 16, DOT), ("gmf", 16, MLP))
    tuning_runs(store, "gmf", 16, 3, regularize_weights="false")
    a_run(store, "gmf", 16, ranks=DOT[0], regularize_weights="false", learning_rate=0.5, note="a subset")
    text = tables(equal_budget(store))
    quality = {cells[1]: cells for cells in rows_of(text, QUALITY)}
    assert list(quality) == ["dot", "gmf", "gmf, weights free"]
    assert quality["gmf"][-1] == "4 runs of 24 epochs" and quality["gmf, weights free"][-1] == "3 runs of 24 epochs"
    assert {cells[1] for cells in rows_of(text, PAIRED)} == {"gmf", "gmf, weights free"}
    assert "Weights free: the penalty is on the embeddings alone" in text and "Data: MovieLens-1M; a subset." in text


def many_users(hits: int) -> list[list[int]]:
    return [[0] * hits + [MISS] * (60 - hits)] * 2


def test_holm_corrects_over_the_models_and_sizes_of_one_metric_and_protocol(tmp_path):
    """Three comparisons, of which two find nothing: the p-value of the third is tripled, not times twelve."""
    nothing = many_users(10)
    store = a_study(
        tmp_path, ("dot", 8, nothing), ("gmf", 8, nothing), ("mlp", 8, many_users(40)),
        ("dot", 16, many_users(11)), ("mlp", 16, many_users(11)),
    )  # fmt: skip
    alone = compare(np.array(many_users(40)), np.array(nothing), hit_ratio, 10).p_value
    tests = equal_budget(store).tests
    assert len(tests) == 3 * len(COLUMNS)
    p_values = {(t.ours.model, t.ours.embedding_dim): t.p_value for t in tests if t.column == "hit_ratio@10"}
    assert p_values == {("gmf", 8): 1.0, ("mlp", 8): pytest.approx(3 * alone), ("mlp", 16): 1.0}


def test_models_whose_runs_are_the_same_are_one_test(tmp_path):
    """Of three learned similarities two are one: two comparisons, as if the third had not been trained."""
    store = a_study(
        tmp_path, ("dot", 8, many_users(10)), ("gmf", 8, many_users(40)),
        ("mlp", 8, many_users(40)), ("neumf", 8, many_users(10)),
    )  # fmt: skip
    alone = compare(np.array(many_users(40)), np.array(many_users(10)), hit_ratio, 10).p_value
    study = equal_budget(store)
    p_values = {test.ours.model: test.p_value for test in study.tests if test.column == "hit_ratio@10"}
    assert p_values == {"gmf": pytest.approx(2 * alone), "mlp": pytest.approx(2 * alone), "neumf": 1.0}
    assert "the distinct comparisons in the same metric and protocol, 2 each" in tables(study)


def test_each_is_compared_with_the_dot_product_of_its_own_size(tmp_path):
    store = a_study(
        tmp_path, ("dot", 8, many_users(10)), ("dot", 16, many_users(30)),
        ("mlp", 8, many_users(20)), ("mlp", 16, many_users(20)),
    )  # fmt: skip
    tests = [test for test in equal_budget(store).tests if test.column == "hit_ratio@10"]
    assert [(test.ours.embedding_dim, round(test.comparison.difference, 6)) for test in tests] == [
        (8, 0.166667),
        (16, -0.166667),
    ]
    assert [test.winner for test in tests] == ["mlp", "dot"]


# ---- who wins


def a_test(model: str, low: float, high: float, p_value: float) -> PairwiseTest:
    ours, dot = (TunedModel(None, None, "ml-1m", name, False, False, 8, 0, None) for name in (model, "dot"))
    comparison = Comparison((low + high) / 2, low, high, *[None] * 8)
    return PairwiseTest(ours, dot, "ndcg@10", comparison, p_value, 0.0)


@pytest.mark.parametrize(
    ("low", "high", "p_value", "expected"),
    [
        (0.01, 0.02, 0.049, "mlp"),
        (-0.02, -0.01, 0.049, "dot"),
        (0.01, 0.02, 0.05, "no difference"),
        (-0.01, 0.02, 0.001, "no difference"),
        (0.0, 0.02, 0.001, "no difference"),
        (-0.02, 0.0, 0.001, "no difference"),
    ],
)
def test_a_winner_needs_both_the_interval_and_the_corrected_p_value(low, high, p_value, expected):
    assert a_test("mlp", low, high, p_value).winner == expected


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ({"gmf": (-0.02, -0.01), "mlp": (-0.04, -0.03)}, "dot"),
        ({"gmf": (-0.01, 0.01), "mlp": (-0.04, -0.03)}, "no difference"),
        ({"gmf": (0.01, 0.02), "mlp": (0.03, 0.04)}, "mlp"),
        ({"gmf": (0.01, 0.02), "mlp": (-0.04, -0.03)}, "gmf"),
    ],
)
def test_the_winner_of_a_size(intervals, expected):
    assert winner([a_test(model, *interval, 0.001) for model, interval in intervals.items()]) == expected


def test_winners_are_told_by_size_and_protocol(tmp_path):
    store = a_study(tmp_path, ("dot", 8, many_users(10)), ("neumf", 8, many_users(40)))
    table = rows_of(tables(equal_budget(store)), WINNERS)
    assert table == [["8", "sampled", "neumf", "neumf"], ["8", "full", "neumf", "neumf"]]


# ---- budgets


def test_equal_budgets_are_said_to_be_equal(tmp_path):
    store = a_study(tmp_path, ("dot", 16, DOT), ("mlp", 16, MLP))
    assert "One budget for all: each row was chosen on the holdout out of 4 runs of 24 epochs." in tables(
        equal_budget(store)
    )


def test_budgets_that_differ_are_told_and_diverged_tuning_runs_count(tmp_path):
    store = a_study(tmp_path, ("dot", 16, DOT), ("mlp", 16, MLP))
    tuning_runs(store, "mlp", 16, 1, status="diverged", regularization=0.5)
    text = tables(equal_budget(store))
    assert "The budgets differ: 4 runs of 24 epochs; 5 runs of 24 epochs." in text
    assert [cells[-1] for cells in rows_of(text, QUALITY)] == ["4 runs of 24 epochs", "5 runs of 24 epochs"]


# ---- tables that are not whole


def test_a_size_without_a_dot_product_is_marked_and_the_others_are_tested(tmp_path):
    store = a_study(tmp_path, ("dot", 16, DOT), ("mlp", 16, MLP), ("neumf", 40, MLP))
    text = tables(equal_budget(store))
    assert len(rows_of(text, QUALITY)) == 3
    assert rows_of(text, PAIRED)[-1] == ["40", "neumf", *[""] * 9, "no dot of this size"]
    assert rows_of(text, WINNERS)[-1] == ["40", "full", "not tested", "not tested"]
    assert "in the same metric and protocol, 1 each" in text


def test_a_model_whose_runs_all_diverged_is_marked(tmp_path):
    store = a_study(tmp_path, ("dot", 16, DOT))
    a_run(store, "mlp", 16, status="diverged")
    text = tables(equal_budget(store))
    assert rows_of(text, QUALITY)[1] == ["16", "mlp", "0 (1 diverged)", *[""] * 7, "nothing"]
    assert rows_of(text, PAIRED) == [["16", "mlp", *[""] * 9, "no completed run"]]


def test_without_learned_similarities_there_is_no_test(tmp_path):
    store = a_study(tmp_path, ("dot", 16, DOT))
    assert PAIRED not in tables(equal_budget(store))


def test_pretraining_is_a_model_of_its_own(tmp_path):
    store = a_study(tmp_path, ("dot", 24, DOT), ("neumf", 24, MLP))
    a_run(store, "neumf", 24, ranks=MLP[0], pretraining="keras, alpha=0.5")
    tests = [test for test in equal_budget(store).tests if test.column == "ndcg@10"]
    assert [test.ours.name for test in tests] == ["neumf", "neumf, pretrained"]
    assert [len(test.ours.tried) for test in tests] == [4, 0]


@pytest.mark.parametrize(
    ("model", "changed", "message"),
    [
        (
            "mlp",
            {"learning_rate": 0.5},
            "mlp d=16: expected final runs of one tuned setting, got .*learning_rate 0.5",
        ),
        ("mlp", {"dataset": "pinterest"}, "one dataset, got ml-1m; pinterest"),
        ("dot", {"negatives": "99 drawn, seed=0"}, "one negatives, got file; 99 drawn"),
    ],
)
def test_runs_that_do_not_compare_are_one_message(tmp_path, model, changed, message):
    store = a_study(tmp_path, ("dot", 16, DOT), ("mlp", 16, MLP))
    a_run(store, model, 16, seed=9, ranks=MLP[0], **changed)
    with pytest.raises(ValueError, match=message):
        equal_budget(store)


def test_a_study_without_final_runs_is_one_message(tmp_path):
    tuning_runs(Store(tmp_path, TABLES["sweep"]), "dot", 16, 3)
    with pytest.raises(ValueError, match="expected final runs of a tuning on the test split, got 3 tune holdout"):
        equal_budget(Store(tmp_path, TABLES["sweep"]))


# ---- the figure


def test_every_panel_shows_the_differences_of_its_column_and_a_line_at_zero(tmp_path):
    store = a_study(tmp_path, ("dot", 8, many_users(10)), ("gmf", 8, many_users(10)), ("mlp", 8, many_users(40)))
    study = equal_budget(store)
    figure = draw(study)
    for axes, column in zip(figure.axes, COLUMNS, strict=True):
        tests = [test for test in study.tests if test.column == column]
        for test, container in zip(tests, axes.containers, strict=True):
            marker, _, (bar,) = container
            np.testing.assert_allclose(marker.get_ydata(), test.comparison.difference)
            (segment,) = bar.get_segments()
            np.testing.assert_allclose(segment[:, 1], [test.comparison.low, test.comparison.high], atol=1e-12)
        assert [list(line.get_ydata()) for line in axes.lines if line.get_label().startswith("dot")] == [[0.0, 0.0]]
        # On top of the open marker a filled one, where there is a winner.
        filled = [line for line in axes.lines if line.get_linestyle() == "None" and line.get_marker() not in "_|"]
        filled = [line for line in filled if to_hex(line.get_markerfacecolor()) != "#ffffff"]
        assert [len(line.get_xdata()) for line in filled] == [0, 1]
    colours = {container[0].get_color() for axes in figure.axes for container in axes.containers}
    assert len(colours) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["GMF", "MLP", "dot product of the same size"]


@pytest.mark.slow
def test_every_text_can_be_read_on_a_slide_and_none_leaves_it(tmp_path):
    sizes = [(model, dim) for dim in (16, 24, 32, 48) for model in ("dot", "gmf", "mlp", "neumf")]
    store = a_study(tmp_path, *((model, dim, DOT) for model, dim in sizes), ("neumf", 40, DOT))
    with matplotlib.rc_context(STYLE):
        figure = draw(equal_budget(store))
        figure.draw_without_rendering()
        texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
        assert min(text.get_fontsize() for text in texts) >= 14
        assert any(text.get_text().endswith("neumf d=40.") for text in texts)
        boxes = [axes.get_tightbbox() for axes in figure.axes] + [figure.legends[0].get_window_extent()]
        for box in [*boxes, figure._suptitle.get_window_extent(), figure._supxlabel.get_window_extent()]:
            assert -1 <= box.x0 < box.x1 <= figure.bbox.x1 + 1 and -1 <= box.y0 < box.y1 <= figure.bbox.y1 + 1


def test_a_figure_without_a_comparison_says_so(tmp_path):
    store = a_study(tmp_path, ("mlp", 16, MLP))
    figure = draw(equal_budget(store))
    assert all("no run yet" in [text.get_text() for text in axes.texts] for axes in figure.axes)
    assert "mlp d=16" in figure._supxlabel.get_text()


@pytest.mark.slow
def test_the_same_tables_give_the_same_bytes(tmp_path):
    store = a_study(tmp_path, ("dot", 16, DOT), ("mlp", 16, MLP))
    first, second = equal_budget(store), equal_budget(store)
    assert tables(first) == tables(second)
    assert render(lambda: draw(first)) == render(lambda: draw(second))


# ---- the answer


@pytest.mark.parametrize(
    ("hits", "start"),
    [(50, "A learned similarity. "), (5, "The dot product. "), (30, "Neither. ")],
)
def test_the_answer_says_who_wins_and_by_how_much(tmp_path, hits, start):
    store = a_study(tmp_path, ("dot", 8, many_users(30)), ("mlp", 8, many_users(hits)))
    answer = answers.equal_budget(equal_budget(store))
    assert answer.startswith(f"{start}Chosen on the holdout out of 4 runs of 24 epochs, ")
    assert f"{(hits - 30) / 60 + 0.0:+.4f} (" in answer and "mlp d=8" in answer


def test_without_a_test_there_is_no_answer(tmp_path):
    with pytest.raises(ValueError, match="expected a learned similarity and a dot product of one size, got none"):
        answers.equal_budget(equal_budget(a_study(tmp_path, ("dot", 8, DOT))))
