"""NCF's protocol: seeds on paper, what was published beside them, and the marks on the curves."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from experiments.analysis.ncf_protocol import reproductions
from experiments.entries import columns
from experiments.figures.answers import selection_bias as answer
from experiments.figures.ncf_protocol import HEAD, draw, protocol_table
from experiments.figures.panels import render
from ncfjax.store import Store

COLUMNS = columns()

IDS = itertools.count()
BY_HOLDOUT = {"phase": "final", "select_epoch": "holdout", "num_epochs": 15, "epoch": 15}
ON_TEST = {"phase": "run", "select_epoch": "test", "num_epochs": 30}
GMF = {"model": "gmf", "embedding_dim": 8, "layers": None}
NEUMF = {"model": "neumf", "embedding_dim": 40}
PRETRAINED = NEUMF | {"pretraining": "trained, 20 epochs, learning_rate=0.001, alpha=0.5", "optimizer": "sgd"}


def a_run(hit_ratio: float, ndcg: float = 0.4, curve: dict[int, float] | None = None, **changed) -> tuple:
    """A run of the MLP of the authors' saved weights; `curve` is its HR@10 by epoch."""
    row = dict.fromkeys(COLUMNS["sweep"]) | {"run_id": f"{next(IDS):016x}", "status": "completed", "dataset": "ml-1m"}
    row |= {"split": "test", "model": "mlp", "embedding_dim": 32, "layers": "64-32-16-8", "objective": "sampled"}
    row |= {"learning_rate": 0.001, "optimizer": "adam", "seed": 0, "hit_ratio@10": hit_ratio, "ndcg@10": ndcg}
    points = [{"epoch": epoch, "metric": "hit_ratio@10", "value": value} for epoch, value in (curve or {}).items()]
    return row | changed, points, {}


def a_study(folder: Path, *runs: tuple) -> Store:
    store = Store(folder, COLUMNS["sweep"])
    for run in runs:
        store.append(*run)
    return store


def table_of(folder: Path, *runs: tuple) -> list[str]:
    return protocol_table(reproductions(a_study(folder, *runs))).splitlines()[2:]


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_two_seeds_on_paper(tmp_path):
    """t(0.975, 1) = 12.706; bias 0.01 and 0.02 by seed: mean 0.015, half 12.706 * 0.00707 / sqrt(2) = 0.0635."""
    runs = [a_run(value, seed=seed, **BY_HOLDOUT) for seed, value in enumerate((0.66, 0.68))]
    chosen = [a_run(value, seed=seed, **ON_TEST, epoch=epoch) for seed, value, epoch in ((1, 0.70, 20), (0, 0.67, 12))]
    assert table_of(tmp_path, *runs, *chosen)[0] == (
        "| MLP | 32 | 64-32-16-8 | 0.001 | HR@10 | 0.671 | 0.6710 | 2 | 0.6700 ± 0.1271 | 15 "
        "| 0.6850 ± 0.1906 | 12 to 20 | +0.0150 ± 0.0635 |"
    )
    assert "HR@10 +0.0150 ± 0.0635 (MLP); NDCG@10 " in answer(reproductions(Store(tmp_path, COLUMNS["sweep"])))


def test_each_model_stands_beside_what_was_published_of_it(tmp_path):
    runs = [a_run(0.6, **BY_HOLDOUT | kind) for kind in (PRETRAINED, NEUMF, {}, GMF)]
    published = [cells_of(line)[:1] + cells_of(line)[4:7] for line in table_of(tmp_path, *runs)]
    assert published == [
        ["GMF", "HR@10", "", "0.6368"],
        ["GMF", "NDCG@10", "", "0.3691"],
        ["MLP", "HR@10", "0.671", "0.6710"],
        ["MLP", "NDCG@10", "0.399", "0.3963"],
        ["NeuMF", "HR@10", "0.688", ""],
        ["NeuMF", "NDCG@10", "0.410", ""],
        ["NeuMF, pretrained", "HR@10", "0.684", "0.6710"],
        ["NeuMF, pretrained", "NDCG@10", "0.403", "0.3969"],
    ]


def test_what_was_published_goes_by_the_predictive_factors(tmp_path):
    """[128, 64, 32, 16] has 16: He et al. have 0.684, no weights were saved; of 10 factors nothing is known."""
    sizes = [(64, "128-64-32-16"), (40, "80-40-20-10")]
    runs = [a_run(0.6, **BY_HOLDOUT | {"embedding_dim": dim, "layers": layers}) for dim, layers in sizes]
    hit_ratios = [cells_of(line) for line in table_of(tmp_path, *runs)[::2]]
    assert [(cells[1], cells[5], cells[6]) for cells in hit_ratios] == [("40", "", ""), ("64", "0.684", "")]


def test_test_selection_bias_is_paired_by_seed_and_leaves_out_a_seed_that_was_run_one_way(tmp_path):
    runs = [
        a_run(0.60, seed=0, **BY_HOLDOUT),
        a_run(0.10, seed=1, **BY_HOLDOUT),
        a_run(0.61, seed=0, epoch=9, **ON_TEST),
    ]
    assert cells_of(table_of(tmp_path, *runs)[0])[-1] == "+0.0100"
    assert cells_of(table_of(tmp_path, *runs)[0])[7] == "1 to 2"


def test_what_is_not_there_yet_is_empty(tmp_path):
    by_holdout, on_test = table_of(tmp_path, a_run(0.6, **BY_HOLDOUT), a_run(0.7, epoch=9, **ON_TEST | GMF))[::2][::-1]
    assert cells_of(by_holdout)[8:] == ["0.6000", "15", "", "", ""]
    assert cells_of(on_test)[8:] == ["", "", "0.7000", "9", ""]
    assert {by_holdout.count("|"), on_test.count("|")} == {HEAD.count("|")}


def test_runs_of_other_settings_are_not_paired(tmp_path):
    lines = table_of(tmp_path, a_run(0.6, **BY_HOLDOUT), a_run(0.7, learning_rate=0.01, epoch=9, **ON_TEST))
    assert [cells_of(line)[3] for line in lines] == ["0.001", "0.001", "0.01", "0.01"]
    assert not any(cells_of(line)[-1] for line in lines)


def test_holdout_and_dot_product_runs_are_left_out(tmp_path):
    others = [{"split": "holdout", "phase": "tune"}, {"model": "dot", "layers": None}]
    lines = table_of(
        tmp_path, a_run(0.6, **BY_HOLDOUT), *(a_run(0.9, seed=1, **BY_HOLDOUT | other) for other in others)
    )
    assert len(lines) == 2 and cells_of(lines[0])[7:9] == ["1", "0.6000"]


def test_diverged_runs_are_counted_and_have_no_part_in_a_mean(tmp_path):
    diverged = {"status": "diverged", "hit_ratio@10": None, "ndcg@10": None, "epoch": None, "seed": 1}
    runs = [a_run(0.6, **BY_HOLDOUT), a_run(0.0, **BY_HOLDOUT | diverged), a_run(0.0, **BY_HOLDOUT | GMF | diverged)]
    gmf, mlp = table_of(tmp_path, *runs)[::2]
    assert cells_of(mlp)[7:10] == ["1 (1 diverged)", "0.6000", "15"]
    assert cells_of(gmf)[7:] == ["0 (1 diverged)", "", "", "", "", ""]


def test_two_data_sets_are_one_message(tmp_path):
    store = a_study(tmp_path, a_run(0.6, **BY_HOLDOUT), a_run(0.6, dataset="pinterest", **BY_HOLDOUT))
    with pytest.raises(ValueError, match="one data set, got ml-1m; pinterest"):
        reproductions(store)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (BY_HOLDOUT | {"num_epochs": 12}, r"MLP d=32: expected one run per seed with select_epoch=holdout, .* 12, 15"),
        (ON_TEST | {"num_epochs": 20}, r"MLP d=32: expected one run per seed with select_epoch=test, .* 20, 30"),
    ],
)
def test_a_seed_with_several_choices_is_one_message(tmp_path, changed, message):
    store = a_study(tmp_path, a_run(0.6, **BY_HOLDOUT), a_run(0.6, **ON_TEST), a_run(0.7, **changed))
    with pytest.raises(ValueError, match=message):
        reproductions(store)


def test_a_study_whose_epochs_no_one_chose_is_one_message(tmp_path):
    store = a_study(tmp_path, a_run(0.6, phase="run"))
    with pytest.raises(ValueError, match="expected test runs of gmf, mlp, neumf .* got none among 1 rows"):
        reproductions(store)


# ---- the figure


def with_curves() -> list[tuple]:
    """Two seeds whose mean HR@10 is 0.20, 0.50, 0.55, 0.60; the holdout chose epoch 3, test 2 and 4."""
    curves = {0: {1: 0.2, 2: 0.6, 3: 0.5, 4: 0.5}, 1: {1: 0.2, 2: 0.4, 3: 0.6, 4: 0.7}}
    best = {0: 2, 1: 4}
    chosen = [
        a_run(curves[seed][best[seed]], curve=curves[seed], seed=seed, epoch=best[seed], **ON_TEST) for seed in best
    ]
    return [*chosen, *(a_run(0.55, seed=seed, **BY_HOLDOUT | {"num_epochs": 3, "epoch": 3}) for seed in best)]


def test_the_mean_curve_is_drawn_with_both_choices_marked(tmp_path):
    store = a_study(tmp_path, *with_curves())
    hit_ratio = draw(reproductions(store)).axes[0]
    curve, stars, dot, published = hit_ratio.lines
    np.testing.assert_allclose(curve.get_xydata(), [(1, 0.2), (2, 0.5), (3, 0.55), (4, 0.6)])
    np.testing.assert_allclose(stars.get_xydata(), [(2, 0.6), (4, 0.7)])
    np.testing.assert_allclose(dot.get_xydata(), [(3, 0.55)])
    assert list(published.get_ydata()) == [0.671, 0.671]
    assert hit_ratio.get_ylim()[0] == 0.5  # the first epoch would squeeze the others


def test_a_choice_in_the_first_epochs_stays_on_the_panel(tmp_path):
    by_holdout = a_run(0.2, **BY_HOLDOUT | {"num_epochs": 1, "epoch": 1})
    store = a_study(tmp_path, *(run for run in with_curves() if run[0]["select_epoch"] == "test"), by_holdout)
    assert draw(reproductions(store)).axes[0].get_ylim()[0] == pytest.approx(0.2)


def test_before_an_epoch_was_chosen_on_test_there_is_a_table_and_no_figure(tmp_path):
    study = reproductions(a_study(tmp_path, a_run(0.6, **BY_HOLDOUT)))
    assert protocol_table(study).startswith(HEAD) and render(lambda: draw(study)) == {}
    with pytest.raises(ValueError, match="expected runs whose epoch was chosen on test, got none"):
        answer(study)


def test_the_same_tables_give_the_same_bytes(tmp_path):
    study = reproductions(a_study(tmp_path, *with_curves()))
    files = render(lambda: draw(study))
    assert list(files) == [".png", ".svg"] and files == render(lambda: draw(study))
