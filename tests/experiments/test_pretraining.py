"""NeuMF that starts from a GMF and an MLP: trained in the same run, or read from files."""

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from experiments.datasets import load_data
from experiments.job import spec_of
from experiments.pretraining import branches
from experiments.study import Job
from ncfjax.store import Store
from ncfjax.training.blocks import Block, count_compiles
from ncfjax.training.program import Program, _trainer
from ncfjax.training.recommender import Member, RecommenderProblem, memory_estimate

Run = Callable[..., int]
NEUMF = ("model=neumf", "model.embedding_dim=6", "objective=sampled", "objective.batch_size=16")
NO_STEP = "grid.learning_rate=1e-12"  # fine-tuning that leaves the joined model where it is


def last_ranks(results: Path) -> np.ndarray:
    store = Store(results / "sweep")
    runs = store.runs()
    return store.ranks(runs[runs["model"] == "neumf"]["run_id"].iloc[0])["full"]


@pytest.mark.parametrize(("alpha", "branch"), [(1.0, 0), (0.0, 1)], ids=["gmf", "mlp"])
def test_a_pretrained_run_starts_from_models_trained_by_adam_on_the_same_data(
    alpha: float, branch: int, run_tiny: Run, jobs_of: Callable[..., list[Job]], tiny, results: Path
):
    """With all of alpha on one branch and no step after it, the joined NeuMF ranks as that branch trained alone."""
    how = (
        "pretraining=trained",
        "pretraining.num_epochs=4",
        "pretraining.learning_rate=0.02",
        f"pretraining.alpha={alpha}",
    )
    assert run_tiny(results, *NEUMF, NO_STEP, *how) == 0
    config = jobs_of(*tiny, *NEUMF, NO_STEP)[0].config
    data, spec = load_data(config), branches(spec_of(config))[branch]
    assert (spec.model, spec.optimizer) == (("gmf", "mlp")[branch], "adam")
    seed = (2**32 - 1, 2**31)[branch]  # of GMF and MLP before a NeuMF of seed 0
    program = Program(RecommenderProblem(data, spec), Block([[Member(0.02, 0.01, 0.1, 1.0, seed)]], 1))
    alone = program.evaluate(program.advance(program.init(), 4)).full[0]
    assert np.mean(last_ranks(results) == alone) > 0.9  # a tie may fall the other way
    fresh = program.evaluate(program.init()).full[0]
    assert np.mean(alone == fresh) < 0.5, "pretraining has moved the ranks"


def test_the_row_of_a_pretrained_run_says_how(run_tiny: Run, results: Path):
    run_tiny(results, *NEUMF, "pretraining=trained", "pretraining.num_epochs=2")
    runs = Store(results / "sweep").runs().set_index("model")
    assert runs.loc["neumf", "pretraining"] == "trained, 2 epochs, learning_rate=0.001, alpha=0.5"
    assert runs.loc["neumf", "layers"] == "8-4-2" and runs.loc["neumf", "regularize_weights"] == "true"


def test_the_memory_limit_counts_the_models_that_a_run_is_joined_from(jobs_of: Callable[..., list[Job]], tiny):
    """GMF's tables and what XLA reserves for the MLP beside them; without, SGD's two copies of the tables are short."""
    config = jobs_of(
        *tiny, *NEUMF, "pretraining=trained", "model.embedding_dim=96", "dataset.synthetic.num_users=3000"
    )[0].config
    data, spec, member = load_data(config), spec_of(config), Member(0.01, 0.01, 0.1, 1.0, 0)
    gmf, mlp = branches(spec)
    program = Program(RecommenderProblem(data, mlp), Block([[member]], 1))
    state = program.init()
    trains = (
        _trainer(program.problem.run).lower(*program._to_train(state, 1), **program._static).compile().memory_analysis()
    )
    tables = 4 * gmf.embedding_dim * (data.train.num_users + data.train.num_items)
    needed = tables + trains.argument_size_in_bytes + trains.temp_size_in_bytes
    assert sum(memory_estimate(spec, data)) < needed < sum(memory_estimate(spec, data, pretrained=True)) < 3 * needed


def write_weights(path: Path, num_users: int, dim: int, layers: tuple[int, ...] = ()) -> Path:
    widths = layers or (dim,)
    arrays = {"user_embedding/user_embedding_W": (num_users, dim), "item_embedding/item_embedding_W": (60, dim)}
    for n, shape in enumerate(zip(widths[:-1], widths[1:], strict=True), start=1):
        arrays |= {f"layer{n}/layer{n}_W": shape, f"layer{n}/layer{n}_b": shape[1:]}
    arrays |= {"prediction/prediction_W": (widths[-1], 1), "prediction/prediction_b": (1,)}
    rng = np.random.default_rng(dim)
    with h5py.File(path, "w") as file:
        for name, shape in arrays.items():
            file[name] = rng.normal(size=shape).astype(np.float32)
    return path


def keras(tmp_path: Path, **changes) -> tuple[str, ...]:
    sizes = {"num_users": 30, "layers": (8, 4, 2), "factors": 2} | changes
    gmf = write_weights(tmp_path / "gmf.h5", sizes["num_users"], sizes["factors"])
    mlp = write_weights(tmp_path / "mlp.h5", sizes["num_users"], sizes["layers"][0] // 2, sizes["layers"])
    return ("pretraining=keras", f"pretraining.gmf={gmf}", f"pretraining.mlp={mlp}")


def test_every_member_starts_from_the_weights_of_the_files(run_tiny: Run, results: Path, tmp_path: Path):
    assert run_tiny(results, *NEUMF, NO_STEP, *keras(tmp_path), "grid.seed=0,1,2") == 0
    store = Store(results / "sweep")
    runs = store.runs()
    ranks = [store.ranks(key)["full"] for key in runs[runs["model"] == "neumf"]["run_id"]]
    assert len(ranks) == 3 and all(np.mean(one == ranks[0]) > 0.9 for one in ranks)
    (how,) = set(runs[runs["model"] == "neumf"]["pretraining"])
    assert re.fullmatch("keras, gmf=[0-9a-f]{8}, mlp=[0-9a-f]{8}, alpha=0.5", how)


def test_other_weights_at_the_same_path_are_another_run(run_tiny: Run, results: Path, tmp_path: Path):
    arguments = (*NEUMF, NO_STEP, *keras(tmp_path))
    run_tiny(results, *arguments)
    run_tiny(results, *arguments)
    with h5py.File(tmp_path / "gmf.h5", "r+") as file:
        file["prediction/prediction_b"][...] = 7.0
    run_tiny(results, *arguments)
    runs = Store(results / "sweep").runs()
    assert runs[runs["model"] == "neumf"]["pretraining"].nunique() == len(runs[runs["model"] == "neumf"]) == 2


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"num_users": 31}, [], "expected weights of 30 users and 60 items, got 31 and 60"),
        ({"layers": (8, 5, 2)}, [], "layers [8, 4, 2], as model.embedding_dim and model.layers say"),
        ({"factors": 3}, [], "expected 2 factors of GMF"),
        ({}, ["pretraining.gmf=nowhere.h5"], "pretraining.gmf=nowhere.h5"),
        ({}, ["pretraining.alpha=1.5"], "pretraining.alpha: expected a number from 0 to 1, got 1.5"),
        ({}, ["tune=true"], "whose items the weights of a file have seen"),
        ({}, ["split=holdout"], "whose items the weights of a file have seen"),
    ],
)
def test_weights_that_do_not_fit_are_refused_before_anything_is_compiled(
    changes: dict, arguments: list[str], message: str, run_tiny: Run, results: Path, tmp_path: Path, capfd
):
    compiled = count_compiles()
    assert run_tiny(results, *NEUMF, *keras(tmp_path, **changes), *arguments) == 2
    said = capfd.readouterr().err
    assert message in said and "Traceback" not in said
    assert not results.exists() and count_compiles() == compiled


def test_an_epoch_chosen_on_test_is_the_best_of_the_curve_and_the_row_says_so(run_tiny: Run, results: Path):
    assert run_tiny(results, "select_epoch=test", "num_epochs=12", "eval_every=1", "grid.learning_rate=0.3") == 0
    store = Store(results / "sweep")
    runs, curves = store.runs(), store.curves()
    row = runs[runs["model"] == "dot"].iloc[0]
    curve = curves[curves["metric"] == "hit_ratio@10"].set_index("epoch")["value"]
    assert row["select_epoch"] == "test" and row["num_epochs"] == 12
    assert row["epoch"] == curve.idxmax() < 12 and row["hit_ratio@10"] == curve.max() > curve.iloc[-1]
    ranks = store.ranks(row["run_id"])["sampled"]
    assert np.mean(ranks < 10) == pytest.approx(row["hit_ratio@10"])
