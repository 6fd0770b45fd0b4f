"""Which runs are on a line, and which lines there are."""

import itertools

import pandas as pd
import pytest

from experiments.analysis.equal_budget import tuned_models
from experiments.analysis.lines import MODELS, completed, lines, setting_columns
from experiments.entries import columns
from experiments.figures.figure2 import legend_label
from ncfjax.models.registry import similarity_names
from ncfjax.store import Store

COLUMNS_OF = columns()


@pytest.fixture
def lines_of(tmp_path, store_runs):
    return lambda *runs: lines(completed(store_runs(tmp_path, *runs).runs()))


def test_the_setting_with_the_most_seeds_is_drawn_though_another_scores_higher(a_run, lines_of):
    few = [a_run(seed=seed, learning_rate=0.01, **{"ndcg@10": 0.9}) for seed in range(2)]
    many = [a_run(seed=seed, learning_rate=0.002, **{"ndcg@10": 0.4}) for seed in range(3)]
    (line,) = lines_of(*few, *many)
    assert legend_label(line) == "MF, expected (n = 3)"
    assert line.points("ndcg@10") == [(16, pytest.approx((0.4, 0.0, 3)))]


def test_the_setting_is_chosen_per_dimension(a_run, lines_of):
    runs = [a_run(seed=seed, embedding_dim=dim, learning_rate=0.032 / dim) for dim in (16, 32) for seed in range(2)]
    (line,) = lines_of(*runs, a_run(embedding_dim=32, learning_rate=0.002))
    assert [(dim, point.n) for dim, point in line.points("ndcg@10")] == [(16, 2), (32, 2)]


def test_settings_that_tie_are_lines_named_by_what_differs(a_run, lines_of):
    rates = (0.01, 0.002)
    drawn = lines_of(*(a_run(seed=s, embedding_dim=d, learning_rate=r) for s in (0, 1) for d in (8, 16) for r in rates))
    assert [legend_label(line).split("\n")[1:] for line in drawn] == [["learning_rate 0.002"], ["learning_rate 0.01"]]
    assert all(len(line.rows) == 4 for line in drawn)


def test_models_and_objectives_are_lines_of_their_own(a_run, lines_of):
    runs = [a_run(), a_run(objective="sampled", batch_size=512), a_run(model="mlp")]
    assert [legend_label(line) for line in lines_of(*runs)] == [
        "MF, expected (n = 1)", "MF, sampled (n = 1)", "MLP, expected (n = 1)",
    ]  # fmt: skip


def test_every_model_of_the_sweep_has_the_papers_name():
    assert sorted(MODELS) == similarity_names()


def test_every_column_of_a_runs_configuration_tells_lines_apart():
    """One that is neither a setting nor what a line is known by would let unlike runs share a mean."""
    table = pd.DataFrame(columns=list(COLUMNS_OF["sweep"]))
    assert set(setting_columns(table)) == {
        "negatives", "note", "biases", "frozen_constants", "gmf_sigmoid", "layers", "regularize_weights",
        "gate_width", "num_components", "temperature", "unit_weights",
        "num_negatives", "reject_positives", "shuffle_examples", "negative_weight", "optimizer", "pretraining",
        "learning_rate", "regularization", "stddev", "num_epochs", "select_epoch", "batch_size", "decay",
        "bias_regularization", "weights_regularization", "weights_rate", "precision",
    }  # fmt: skip


def test_a_column_that_a_new_similarity_brings_splits_a_line_instead_of_being_averaged(tmp_path, a_run):
    """Two temperatures with two seeds each, as the command `model.temperature=0.05,0.2` stores them."""
    store = Store(tmp_path, COLUMNS_OF["sweep"] | {"temperature": float})
    for seed, temperature in itertools.product((0, 1), (0.05, 0.2)):
        values = {"model": "cosine", "temperature": temperature, "ndcg@10": temperature}
        store.append(a_run(seed=seed, phase="final", **values), [], {})
    store.append(a_run() | {"temperature": None}, [], {})
    drawn = lines(completed(store.runs()))
    assert [(line.name, line.details) for line in drawn] == [
        ("cosine", ["temperature 0.05"]), ("cosine", ["temperature 0.2"]), ("MF", []),
    ]  # fmt: skip
    assert [line.points("ndcg@10")[0][1][::2] for line in drawn[:2]] == [(0.05, 2), (0.2, 2)]
    with pytest.raises(ValueError, match="one tuned setting, got .*temperature 0.05; .*temperature 0.2"):
        tuned_models(store)


def test_what_is_tuned_per_dimension_is_one_line_of_final_runs(a_run, lines_of):
    tuned = {16: (0.001, 20), 32: (0.002, 12)}
    runs = [
        a_run(
            model="gmf", phase="final", select_epoch="holdout", embedding_dim=d, learning_rate=r, num_epochs=n, seed=s
        )
        for d, (r, n) in tuned.items()
        for s in (0, 1)
    ]
    (line,) = lines_of(*runs)
    assert legend_label(line) == "GMF, expected (n = 2)" and [dim for dim, _ in line.points("ndcg@10")] == [16, 32]


@pytest.fixture
def an_mlp(a_run):
    return lambda layers, **changed: a_run(
        model="mlp", layers=layers, embedding_dim=int(layers.split("-")[0]) // 2, **changed
    )


def test_a_tower_that_grows_with_the_dimension_does_not_split_a_line(an_mlp, lines_of):
    runs = [an_mlp(layers, learning_rate=rate) for layers in ("32-16-8", "64-32-16") for rate in (0.1, 0.2)]
    drawn = lines_of(*runs)
    assert [line.details for line in drawn] == [["learning_rate 0.1"], ["learning_rate 0.2"]]
    assert [[dim for dim, _ in line.points("ndcg@10")] for line in drawn] == [[16, 32], [16, 32]]


def test_two_towers_at_a_dimension_are_two_lines_whatever_their_seeds(an_mlp, lines_of):
    """[2d, d, d/2] at 16 and 32, two seeds each; [2d, d, d/2, d/4] at 32 alone, one seed."""
    runs = [an_mlp(layers, seed=seed) for layers in ("32-16-8", "64-32-16") for seed in (0, 1)]
    drawn = lines_of(*runs, an_mlp("64-32-16-8"))
    assert [(line.details, [dim for dim, _ in line.points("ndcg@10")]) for line in drawn] == [
        (["layers 2d-d-d/2"], [16, 32]),
        (["layers 64-32-16-8"], [32]),
    ]


def test_a_neumf_joins_its_towers_by_their_shape_too(a_run, lines_of):
    sizes = [(24, "32-16-8"), (48, "64-32-16"), (48, "64-32-16-8")]
    drawn = lines_of(*(a_run(model="neumf", embedding_dim=dim, layers=layers) for dim, layers in sizes))
    assert [line.details for line in drawn] == [["layers 4d/3-2d/3-d/3"], ["layers 64-32-16-8"]]


def test_pretraining_is_a_line_of_its_own(a_run, lines_of):
    how = "trained, 20 epochs, learning_rate=0.001, alpha=0.5"
    drawn = lines_of(a_run(model="neumf", pretraining=how), *(a_run(model="neumf", seed=s) for s in (0, 1)))
    assert [legend_label(line) for line in drawn] == ["NeuMF, expected (n = 2)", "NeuMF, pretrained, expected (n = 1)"]


def test_an_epoch_chosen_on_test_is_a_line_of_its_own_after_all_others(a_run, lines_of):
    on_test = [a_run(model="gmf", seed=s, select_epoch="test", **{"ndcg@10": 0.9}) for s in range(3)]
    drawn = lines_of(*on_test, a_run(model="gmf", **{"ndcg@10": 0.4}), a_run(model="neumf"))
    assert [legend_label(line) for line in drawn] == [
        "GMF, expected (n = 1)", "NeuMF, expected (n = 1)", "GMF, expected (n = 3)\nepoch chosen on test",
    ]  # fmt: skip
    assert [line.points("ndcg@10")[0][1].mean for line in drawn] == pytest.approx([0.4, 0.7, 0.9])


def test_a_number_of_epochs_that_the_holdout_chose_may_repeat_one_that_was_set(a_run, lines_of):
    (line,) = lines_of(a_run(), a_run(phase="final", select_epoch="holdout"))
    assert line.points("ndcg@10")[0][1].n == 1


def test_a_seed_that_a_tuning_repeats_counts_once(a_run, lines_of):
    (line,) = lines_of(a_run(seed=0), a_run(seed=0, phase="final"), a_run(seed=1, phase="final"))
    assert line.points("ndcg@10")[0][1].n == 2
