"""NeuMF that starts from a GMF and an MLP: trained in the same run, or read from files."""

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.cli.compose import configured
from experiments.engine.kept import Kept
from experiments.sweep import ENTRY
from experiments.tasks.data import load_data
from experiments.tasks.recommender import start as start_module
from experiments.tasks.recommender.start import branches
from experiments.tasks.recommender.work import spec_of
from ncfjax.store import Store
from ncfjax.training.blocks import Block, count_compiles
from ncfjax.training.loop import Spec, init_train_state
from ncfjax.training.program import Program, _trainer
from ncfjax.training.recommender import Member, RecommenderProblem, StartAsDot

Run = Callable[..., int]
NEUMF = ("model=neumf", "model.embedding_dim=6", "objective=sampled", "objective.batch_size=16")
NO_STEP = "grid.learning_rate=1e-12"  # fine-tuning that leaves the joined model where it is


def store_of(results: Path) -> Store:
    return Store(results / "sweep", ENTRY.task.all_columns)


def last_ranks(results: Path) -> np.ndarray:
    store = store_of(results)
    runs = store.runs()
    return store.ranks(runs[runs["model"] == "neumf"]["run_id"].iloc[0])["full"]


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "branch"), [(1.0, 0), (0.0, 1)], ids=["gmf", "mlp"])
def test_a_pretrained_run_starts_from_models_trained_by_adam_on_the_same_data(
    alpha: float, branch: int, run_tiny: Run, tiny: tuple[str, ...], results: Path
):
    """With all of alpha on one branch and no step after it, the joined NeuMF ranks as that branch trained alone."""
    how = (
        "pretraining=trained",
        "pretraining.num_epochs=4",
        "pretraining.learning_rate=0.02",
        f"pretraining.alpha={alpha}",
    )
    assert run_tiny(results, *NEUMF, NO_STEP, *how) == 0
    config = configured(ENTRY, *tiny, *NEUMF, NO_STEP)
    data, spec = load_data(config), branches(spec_of(config))[branch]
    assert (spec.model, spec.optimizer) == (("gmf", "mlp")[branch], "adam")
    seed = (2**32 - 1, 2**31)[branch]  # of GMF and MLP before a NeuMF of seed 0
    program = Program(RecommenderProblem(data, spec), Block([[Member(0.02, 0.01, 0.1, 1.0, seed)]], 1))
    alone = program.evaluate(program.advance(program.init(), 4)).full[0]
    assert np.mean(last_ranks(results) == alone) > 0.9  # a tie may fall the other way
    fresh = program.evaluate(program.init()).full[0]
    assert np.mean(alone == fresh) < 0.5, "pretraining has moved the ranks"


@pytest.mark.slow
def test_the_row_of_a_pretrained_run_says_how(run_tiny: Run, results: Path):
    run_tiny(results, *NEUMF, "pretraining=trained", "pretraining.num_epochs=2")
    runs = store_of(results).runs().set_index("model")
    assert runs.loc["neumf", "pretraining"] == "trained, 2 epochs, learning_rate=0.001, alpha=0.5"
    assert runs.loc["neumf", "layers"] == "8-4-2" and runs.loc["neumf", "regularize_weights"] == "true"


@pytest.mark.slow
def test_the_memory_limit_counts_the_models_that_a_run_is_joined_from(tiny: tuple[str, ...]):
    """GMF's tables and what XLA reserves for the MLP beside them."""
    sizes = ("model.embedding_dim=96", "dataset.synthetic.num_users=3000")
    config = configured(ENTRY, *tiny, *NEUMF, "pretraining=trained", *sizes)
    data, spec = load_data(config), spec_of(config)
    gmf, mlp = branches(spec)
    program = Program(RecommenderProblem(data, mlp), Block([[Member(0.01, 0.01, 0.1, 1.0, 0)]], 1))
    state = jax.eval_shape(program.init)._replace(epoch=0)
    lowered = _trainer(program.problem.run).lower(*program._to_train(state, 1), **program._static)
    trains = lowered.compile().memory_analysis()
    tables = 4 * gmf.embedding_dim * (data.train.num_users + data.train.num_items)
    needed = tables + trains.argument_size_in_bytes + trains.temp_size_in_bytes
    pretrained = sum(RecommenderProblem(data, spec, pretrained=True).memory[:2])
    assert needed < pretrained < 3 * needed and sum(RecommenderProblem(data, spec).memory[:2]) < pretrained
    assert sum(ENTRY.task.open(config).memory[:2]) == pretrained


DISTILLED = (
    "model=mlp", "model.layers=[8,16,8]", "objective=sampled", "pretraining=distilled", "pretraining.num_epochs=4",
    "pretraining.learning_rate=0.02", "pretraining.decay=0.9", "pretraining.num_steps=2000", "eval_every=1",
)  # fmt: skip


RESIDUAL = (
    "model=residual", "objective=sampled", "pretraining=dot", "pretraining.num_epochs=4",
    "pretraining.learning_rate=0.02", "pretraining.decay=0.9", "eval_every=1",
)  # fmt: skip


@pytest.mark.slow
def test_a_distilled_mlp_starts_as_the_dot_product_that_it_learned(
    run_tiny: Run, results: Path, monkeypatch: pytest.MonkeyPatch
):
    """After no epoch it ranks nearly as the dot product of its seed, trained alone by the same settings."""
    monkeypatch.setattr(start_module, "_from_dot", Kept(64))
    dot = ("objective.batch_size=64", "num_epochs=4", "grid.learning_rate=0.02", "grid.decay=0.9",
           "grid.regularization=0.005")  # fmt: skip
    assert run_tiny(results, *dot) == 0 and run_tiny(results, *DISTILLED, "num_epochs=0") == 0
    store = store_of(results)
    runs = store.runs().set_index("model")
    row = runs.loc["mlp"]
    ours, theirs = (store.ranks(runs.loc[model, "run_id"])["full"] for model in ("mlp", "dot"))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9 and row["num_epochs"] == row["epoch"] == 0
    assert row["pretraining"].startswith("distilled, learning_rate=0.02, decay=0.9, regularization=0.005,")
    assert run_tiny(results, *DISTILLED, "num_epochs=2") == 0
    assert len(start_module._from_dot.values) == 1, "both begin with one network"
    curve = store.curves().query("metric == 'ndcg@10'").set_index("epoch")["value"]
    tuned = store.runs().query("model == 'mlp' and num_epochs == 2").iloc[0]
    assert set(store.curves().query(f"run_id == '{tuned['run_id']}'")["epoch"]) == {0, 1, 2}
    assert curve[0].nunique() == 1, "the start of both is the same"


@pytest.mark.slow
def test_a_residual_starts_as_the_dot_product_of_its_seed_and_its_network_learns_from_there(
    run_tiny: Run, results: Path
):
    """After no epoch its ranks are those of the dot product, trained alone by the same settings."""
    how = ("grid.learning_rate=0.02", "grid.decay=0.9", "grid.regularization=0.005")
    assert run_tiny(results, "objective.batch_size=64", "num_epochs=4", *how) == 0
    assert run_tiny(results, *RESIDUAL, "num_epochs=0") == 0
    store = store_of(results)
    runs = store.runs().set_index("model")
    row = runs.loc["residual"]
    ours, theirs = (store.ranks(runs.loc[model, "run_id"])["full"] for model in ("residual", "dot"))
    assert np.mean(ours == theirs) > 0.99, "a tie may fall the other way"
    assert row["network_share"] == 0 and row["pretraining"].startswith("dot, learning_rate=0.02, decay=0.9,")
    assert run_tiny(results, *RESIDUAL, "num_epochs=2", "grid.weights_rate=100", "grid.learning_rate=0.0001") == 0
    moved = store.runs().query("model == 'residual' and num_epochs == 2").iloc[0]
    assert moved["network_share"] > 0, "its network learns though it began with nothing"


def test_a_residual_that_starts_as_a_dot_product_has_its_scores():
    spec = Spec(8, "sampled", 16, 4, "residual", (("layers", (21, 8)), ("regularize_weights", True)), "sgd")
    dot = Spec(8, "expected", 16, 4, "dot", (("biases", True),), "sgd")
    model = init_train_state(dot, 5, 7, 0.5, jnp.uint32(3)).model
    model.similarity.bias[...] += 1.5
    scores = StartAsDot(spec)(jnp.uint32(3), model).score_all(jnp.arange(5))
    np.testing.assert_allclose(scores, model.score_all(jnp.arange(5)), rtol=1e-6)


@pytest.mark.slow
def test_a_block_of_more_seeds_than_are_kept_begins_with_each_of_its_own(
    run_tiny: Run, results: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(start_module, "_from_dot", Kept(1))
    for seeds in ("0", "0,1"):
        assert run_tiny(results, *RESIDUAL, "num_epochs=0", f"grid.seed={seeds}") == 0
    assert store_of(results).runs().query("model == 'residual'")["seed"].tolist() == [0, 1]


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "dim"), [(1.0, 3), (0.0, 4)], ids=["gmf", "mlp"])
def test_a_distilled_neumf_starts_as_its_two_dot_products(alpha: float, dim: int, run_tiny: Run, results: Path):
    neumf = ("model=neumf", "model.embedding_dim=8", "model.layers=[8,16,8]", f"pretraining.alpha={alpha}")
    dot = ("objective.batch_size=64", "num_epochs=4", "grid.learning_rate=0.02", "grid.decay=0.9",
           "grid.regularization=0.005", f"model.embedding_dim={dim}")  # fmt: skip
    start = [line for line in DISTILLED if not line.startswith("model")]
    assert run_tiny(results, *dot) == 0 and run_tiny(results, *neumf, *start, "num_epochs=0") == 0
    store = store_of(results)
    runs = store.runs().set_index("model")
    ours, theirs = (store.ranks(runs.loc[model, "run_id"])["full"] for model in ("neumf", "dot"))
    assert np.corrcoef(ours, theirs)[0, 1] > (0.999 if alpha else 0.9)


@pytest.mark.slow
def test_no_epoch_is_a_candidate_where_training_begins_with_a_distilled_network(run_tiny: Run, results: Path):
    """A learning rate that spoils the network leaves it as it was: the final runs train it for no epoch."""
    tune = ("tune=true", "select_epoch=holdout", "final_seeds=[0]", "grid.learning_rate=30", "optimizer=sgd")
    assert run_tiny(results, *DISTILLED, "num_epochs=2", *tune) == 0
    final = store_of(results).runs().query("phase == 'final'").iloc[0]
    assert final["num_epochs"] == 0 and final["epoch"] == 0


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


@pytest.mark.slow
def test_every_member_starts_from_the_weights_of_the_files(run_tiny: Run, results: Path, tmp_path: Path):
    assert run_tiny(results, *NEUMF, NO_STEP, *keras(tmp_path), "grid.seed=0,1,2") == 0
    store = store_of(results)
    runs = store.runs()
    ranks = [store.ranks(key)["full"] for key in runs[runs["model"] == "neumf"]["run_id"]]
    assert len(ranks) == 3 and all(np.mean(one == ranks[0]) > 0.9 for one in ranks)
    (how,) = set(runs[runs["model"] == "neumf"]["pretraining"])
    assert re.fullmatch("keras, gmf=[0-9a-f]{8}, mlp=[0-9a-f]{8}, alpha=0.5", how)


@pytest.mark.slow
def test_other_weights_at_the_same_path_are_another_run(run_tiny: Run, results: Path, tmp_path: Path):
    arguments = (*NEUMF, NO_STEP, *keras(tmp_path))
    run_tiny(results, *arguments)
    run_tiny(results, *arguments)
    with h5py.File(tmp_path / "gmf.h5", "r+") as file:
        file["prediction/prediction_b"][...] = 7.0
    run_tiny(results, *arguments)
    runs = store_of(results).runs()
    assert runs[runs["model"] == "neumf"]["pretraining"].nunique() == len(runs[runs["model"] == "neumf"]) == 2


@pytest.mark.slow  # seven whole commands
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
