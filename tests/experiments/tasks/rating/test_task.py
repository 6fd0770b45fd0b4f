"""python -m experiments.ratings end to end, on embedded data that are fitted in a moment."""

import numpy as np
import pytest

from experiments import ratings
from experiments.analysis.ratings import rated_data
from experiments.figures.ratings import tables
from ncfjax.data.rating_splits import random_fold
from ncfjax.data.synthetic_ratings import make_synthetic_ratings
from ncfjax.evaluation.regression import rmse
from ncfjax.ratings.predictors import fit_biases

pytestmark = pytest.mark.slow  # XLA compiles

SMALL = ("dataset.num_users=60", "dataset.num_items=40", "dataset.ratings_per_user=15")
SIZES = (60, 40, 15, 4)
FEW = ("method.num_epochs=4", "grid.learning_rate=0.05")


@pytest.fixture(scope="module")
def simple(finish):
    return finish(ratings, *SMALL, "method=global_mean,user_mean,item_mean,biases", "fold=1,2")


def test_a_row_is_the_error_on_its_fold(simple):
    split = random_fold(make_synthetic_ratings(*SIZES, seed=0), fold=2, num_folds=5, seed=0)
    model = fit_biases(split.train, user_damping=5.0, item_damping=2.0)
    predicted = split.test.scale.clip(model.predict(split.test.users, split.test.items))
    runs = simple.store.runs()
    (row,) = runs[(runs["model"] == "biases") & (runs["fold"] == 2)].to_dict("records")
    assert row["rmse"] == pytest.approx(rmse(predicted, split.test.values), abs=1e-6)
    assert (row["num_train"], row["num_test"]) == (len(split.train), len(split.test)) == (720, 180)
    rounded = split.test.scale.rounded(model.predict(split.test.users, split.test.items))
    assert row["rmse_rounded"] == pytest.approx(rmse(rounded, split.test.values), abs=1e-6)


def test_what_is_kept_of_users_and_items_adds_up_to_the_error(simple):
    for row in simple.store.runs().to_dict("records"):
        kept = simple.store.ranks(row["run_id"])
        for side in ("users", "items"):
            error = np.sqrt(kept[f"{side}_squared_error"].sum() / kept[f"{side}_test"].sum())
            assert error == pytest.approx(row["rmse"], abs=1e-5)
            assert (kept[f"{side}_test"].sum(), kept[f"{side}_train"].sum()) == (180, 720)


def test_the_closing_table_averages_folds_and_has_the_lowest_error_first(simple):
    lines = simple.said.splitlines()
    models = [line.split()[0] for line in lines if line.split() and line.split()[0] in ("biases", "global_mean")]
    assert models == ["biases", "global_mean"]
    assert any(line.split()[-1] == "num_folds" for line in lines)


def test_tuning_takes_the_lowest_error_of_the_holdout_and_the_best_epoch(finish):
    finished = finish(
        ratings, *SMALL, *FEW, "method=gradient", "model.embedding_dim=4", "method.batch_size=32", "tune=true",
        "select_epoch=holdout", "eval_every=1", "grid.regularization=0.05,50", "final_seeds=[0,1]",
    )  # fmt: skip
    runs, curves = finished.store.runs(), finished.store.curves()
    tried, final = (runs[runs["phase"] == phase] for phase in ("tune", "final"))
    held_out = curves[curves["run_id"].isin(list(tried["run_id"])) & (curves["metric"] == "rmse")]
    best = held_out.loc[held_out["value"].idxmin()]
    (chosen,) = set(final["num_epochs"])
    assert chosen == best["epoch"] and set(final["regularization"]) == {0.05}
    assert list(final["seed"]) == [0, 1] and final["split"].eq("test").all() and tried["split"].eq("holdout").all()


def test_a_method_without_epochs_is_tuned_where_epochs_are_chosen_too(finish):
    damping = ("grid.user_damping=5,50", "tune=true", "select_epoch=holdout")
    runs = finish(ratings, *SMALL, "method=biases", *damping).store.runs()
    assert list(runs["phase"]) == ["tune", "tune", "final"] and runs["rmse"].gt(0).all()


def test_a_member_of_a_grid_has_the_numbers_that_it_has_alone(finish):
    one = (*SMALL, *FEW, "method=gradient", "model=dot,neumf", "model.embedding_dim=6", "grid.bias_regularization=0.1")
    many = finish(ratings, *one, "grid.regularization=0.02,0.1", "grid.seed=0,1").store.runs().set_index("run_id")
    alone = finish(ratings, *one, "grid.regularization=0.1", "grid.seed=1").store.runs().set_index("run_id")
    assert len(many) == 8 and len(alone) == 2
    np.testing.assert_allclose(many.loc[alone.index, "rmse"].to_numpy(float), alone["rmse"].to_numpy(float), rtol=1e-5)


def test_read_four_times_the_validation_rows_have_copies_among_the_training_rows(finish):
    """So their error falls below that of the test ratings, which a model of many factors does not learn by heart."""
    leaky = (*SMALL, "method=gradient", "model.embedding_dim=30", "method.num_epochs=40", "validation_share=0.2",
             "grid.regularization=0.0", "grid.bias_regularization=0.0", "grid.decay=1.0")  # fmt: skip
    runs = finish(ratings, *leaky, "leak=false,true").store.runs().set_index("leak")
    assert runs.loc["true", "num_train"] == round(0.8 * 4 * 720) and runs.loc["false", "num_train"] == 576
    assert runs.loc["true", "rmse_validation"] < 0.5 * runs.loc["true", "rmse"]
    assert runs.loc["false", "rmse_validation"] == pytest.approx(runs.loc["false", "rmse"], rel=0.15)


def test_the_report_shows_each_model_against_the_next_worse_one(simple):
    (data,) = rated_data(simple.store)
    assert (data.models[0].model, data.models[-1].model) == ("global_mean", "biases")
    assert len(data.tests) == 6 and all(model.num_folds == 2 for model in data.models)
    best = data.tests[-1]
    squared = [model.mean("rmse").mean ** 2 for model in data.models]
    assert best.comparison.difference == pytest.approx(squared[-2] - squared[-1], abs=2e-3)
    text = tables([data])
    assert "| biases | 2 |" in text and "p: corrected by Holm over 6 pairs of models" in text


def test_a_user_without_ratings_gets_the_items_means_by_mean_normalization(finish):
    cold = (*SMALL, "folds=cold_users", "method.num_epochs=2", "method.embedding_dim=3")
    runs = finish(ratings, *cold, "method=mean_normalized").store.runs()
    means = finish(ratings, *SMALL, "folds=cold_users", "method=item_mean").store.runs()
    assert runs["rmse"].item() == pytest.approx(means["rmse"].item(), abs=1e-6)
    plain = finish(ratings, *cold, "method=alternating_without_biases").store.runs()
    assert plain["rmse"].item() > 1.5 * runs["rmse"].item()  # 0 stars, clipped to 1


def test_an_ensemble_of_one_is_its_only_member_and_more_members_are_better(finish):
    few = (*SMALL, "method.num_epochs=3", "method.embedding_dim=5")
    (alone,) = finish(ratings, *few, "method=alternating", "grid.seed=1").store.runs()["rmse"]
    runs = finish(ratings, *few, "method=ensemble", "method.num_members=1,6", "grid.seed=1").store.runs()
    (one,) = runs[runs["num_members"] == 1]["rmse"]
    (six,) = runs[runs["num_members"] == 6]["rmse"]
    assert one == pytest.approx(alone, abs=1e-6) and six < one


def test_ratings_in_words_are_their_places(finish, tmp_path):
    errors = {}
    for name, values in (("words", ("bad", "fair", "good")), ("numbers", (1, 2, 3))):
        rows = [f"u{user},i{item},{values[user * item % 3]}" for user in range(12) for item in range(9)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["user,item,rating", *rows]))
    for name, scale in (("words", "bad < fair < good"), ("numbers", "1 to 3")):
        table = ("dataset=csv", f"dataset.path={tmp_path / name}.csv", f"dataset.scale='{scale}'")
        errors |= finish(ratings, *table, "method=biases").store.runs().set_index("dataset")["rmse"].to_dict()
    assert errors["words"] == errors["numbers"] and set(errors) == {"words", "numbers"}


def test_the_worked_example_is_printed_and_drawn(finish):
    finished = finish(ratings, "dataset=worked-example", "method=user_mean,content_based")
    assert "Romance forever             5        ?        ?        1" in finished.said
    assert "a fifth user" in finished.said
    assert (finished.store.folder / "figures" / "worked_example.png").stat().st_size > 10_000
