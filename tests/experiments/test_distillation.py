"""python -m experiments.imitate target=recommender end to end, on synthetic data, and what is made of its table."""

import numpy as np
import pytest

from experiments import distillation, imitate, imitate_study, plot
from experiments.columns import COLUMNS
from experiments.imitate_config import points, run_config
from ncfjax.evaluation.metrics import hit_ratio
from ncfjax.store import IMITATION_TYPES, Store, run_id

TINY = (
    "target=recommender", "dataset=synthetic", "dataset.synthetic.num_users=40", "dataset.synthetic.num_items=60",
    "dataset.synthetic.interactions_per_user=8", "dataset.num_negatives=20", "teacher.learning_rate=0.05",
    "teacher.num_epochs=12", "embedding_dim=4", "pairs_per_user=20", "num_epochs=2",
)  # fmt: skip


@pytest.fixture
def run_tiny(monkeypatch, results):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["imitate.py", *TINY, f"results_dir={results}", *arguments])
        try:
            imitate.main()
        except SystemExit as end:
            return end.code
        return 0

    return run


def store_of(results):
    return Store(results / "imitate", IMITATION_TYPES)


def test_a_distillation_ends_in_rows_with_the_ranking_of_both(run_tiny, results, capfd):
    assert run_tiny("grid.seed=0,1", "pairs_per_user=5,20") == 0
    said = capfd.readouterr().out
    assert said.splitlines()[-1].endswith("runs.csv (4 rows), curves.csv, ranks/")
    store = store_of(results)
    runs = store.runs()
    assert set(runs["target"]) == {"recommender"} and set(runs["dataset"]) == {"synthetic"}
    assert (set(runs["num_users"]), set(runs["num_items"]), set(runs["width_multiplier"])) == ({40}, {60}, {1})
    assert runs["rmse_dot_test"].eq(0.0).all() and runs["rmse_fresh"].isna().all() and runs["rmse_test"].gt(0).all()
    for row in runs.to_dict("records"):
        ranks = store.ranks(row["run_id"])
        assert set(ranks) == {"sampled", "full", "dot_sampled", "dot_full"} and len(ranks["full"]) == 40
        for prefix in ("", "dot_"):
            assert row[f"{prefix}hit_ratio@10"] == pytest.approx(float(hit_ratio(ranks[prefix + "sampled"], 10)))
    by_seed = runs.groupby("seed")[["dot_hit_ratio@10", "dot_full_ndcg@10"]].nunique()
    assert (by_seed == 1).all(axis=None), "one teacher per seed, whatever the pairs"
    for line in distillation.table(distillation.cells(store)).splitlines():
        assert line in said

    assert run_tiny("grid.seed=0,1", "pairs_per_user=5,20") == 0
    assert "4 runs: all done before" in capfd.readouterr().out


def test_an_imitator_that_holds_the_dot_product_ranks_as_its_recommender_does(run_tiny, results):
    """A form that is the identity, and the biases in a linear layer, are the recommender: nothing need be lost."""
    long = ("num_epochs=400", "grid.learning_rate=0.01", "batch_size=64", "schedule=cosine")
    assert run_tiny("pairs_per_user=60", "bilinear=true", "activation=gelu", "layers=[8]", *long) == 0
    (row,) = store_of(results).runs().to_dict("records")
    assert row["rmse_test"] < 0.01 * row["rmse_trivial_test"]
    assert row["hit_ratio@10"] == pytest.approx(row["dot_hit_ratio@10"], abs=0.051) and row["dot_hit_ratio@10"] > 0.6


def test_a_diverged_run_has_no_ranking(run_tiny, results, capfd):
    assert run_tiny("grid.learning_rate=0.01,1e30") == 0
    rows = store_of(results).runs().set_index("status")
    assert rows.loc["diverged", ["rmse_test", "hit_ratio@10", "dot_hit_ratio@10"]].isna().all()
    assert len(list((results / "imitate" / "ranks").glob("*.npz"))) == 1
    (sound, bad) = sorted(distillation.cells(store_of(results)), key=lambda cell: cell.diverged)
    assert len(sound.rows) == 1 and bad.rows.empty and "learning_rate 1e+30" in bad.setup


def test_the_figure_draws_both_panels_and_the_dot_models(run_tiny, results):
    run_tiny("grid.seed=0,1", "pairs_per_user=5,20")
    figure = distillation.draw(distillation.cells(store_of(results)))
    rmse, hits = figure.axes
    assert [line.get_label() for line in hits.get_lines()][-1] == "dot model, d = 4"
    assert len(rmse.containers) == len(hits.containers) == 1 and rmse.get_ylim()[0] == 0
    numbers, paths = plot.draw(["distillation", "study=imitate", f"results_dir={results}"])
    assert numbers.startswith(distillation.HEAD) and all(path.exists() for path in paths)


def test_what_is_lost_is_paired_by_users():
    ranks = [{"sampled": np.array([0, 20, 3]), "dot_sampled": np.array([0, 2, 30])}] * 2
    lost = distillation._lost(ranks, "hit_ratio@10")
    assert (lost.difference, lost.wins, lost.losses, lost.ties) == (0.0, 1, 1, 1)
    assert set(distillation.LOST) <= set(COLUMNS)


def test_rows_of_other_targets_are_named(tmp_path):
    store = Store(tmp_path, IMITATION_TYPES)
    with pytest.raises(ValueError, match="expected runs of target=recommender, got none"):
        distillation.cells(store)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pairs_per_user=61"], "at most the 2,400 combinations of user and item, got 40 * 61 = 2,440"),
        (["pairs_per_user=0"], "pairs_per_user: expected an integer >= 1, got 0"),
        (["embedding_dim=3"], "embedding_dim: expected an even number from 2 on, got 3"),
        (["noise=-1"], "noise: expected a number >= 0, got -1"),
        (["num_users=5"], "num_users: expected nothing, as target=recommender, got 5"),
        (["teacher.learning_rate=0"], "teacher.learning_rate: expected numbers > 0, got 0"),
        (["teacher.num_epochs=0"], "teacher.num_epochs: expected an integer >= 1, got 0"),
        (["drop_last_users=true"], "drop_last_users: expected false, as target=recommender"),
        (["dataset=pinterets"], "dataset=pinterets: no such dataset, did you mean pinterest?"),
        (["teacher.rate=1"], "teacher.rate: no such key"),
    ],
)
def test_a_wrong_command_is_refused_and_nothing_is_written(arguments, message, run_tiny, results, capfd):
    assert run_tiny(*arguments) == 2
    said = capfd.readouterr().err
    assert message in said and "Traceback" not in said and not results.exists()


def test_a_dry_run_tells_the_size_of_the_data_set(run_tiny, results, capfd):
    assert run_tiny("dry_run=true") == 0
    assert "job 1, synthetic d=4 8-4-2: 1 runs to train" in capfd.readouterr().out and not results.exists()


def test_the_id_of_a_run_depends_on_its_data_and_its_teacher(run_tiny, monkeypatch):
    def id_of(*arguments):
        planned = []
        monkeypatch.setattr(
            imitate_study, "run_study", lambda overrides, compose, _: planned.extend(map(compose, overrides))
        )
        assert run_tiny(*arguments) == 0
        return run_id(run_config(planned[0], points(planned[0])[0]))

    others = (
        "teacher.num_epochs=3",
        "teacher.stddev=0.2",
        "dataset.seed=1",
        "dataset.synthetic.num_users=41",
        "noise=1",
    )
    assert len({id_of(), *map(id_of, others)}) == 1 + len(others)
    assert id_of("data_dir=elsewhere") == id_of("eval_every=1") == id_of()
